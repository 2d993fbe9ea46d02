"""The nodes of a stage: training, prediction, calibration, evaluation, delivery.

A model of a label, labels or a number has two parts, an encoder over token rows and a
linear model over whole documents; ``calibrate`` joins them. With folds each part is
trained once a fold, in nodes such as ``train.topic.1``, and ``ensemble`` makes one
model of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textmill.components.base import Channel, Component
from textmill.components.calibrator import Calibrator, CalibratorConfig
from textmill.components.linear_trainer import LinearTrainer, LinearTrainerConfig
from textmill.components.predictor import Predictor, PredictorConfig
from textmill.components.tokenizer import (
    RowLayout,
    TokenizeConfig,
    Tokenizer,
    default_packing,
)
from textmill.components.trainer import Trainer, TrainerConfig
from textmill.models.families import FAMILIES
from textmill.models.tasks import TASKS
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.schema import DatasetConfig, PipelineConfig, StageConfig
from textmill.pipeline.config.types import part_of
from textmill.pipeline.stage_delivery import delivery_nodes, evaluator
from textmill.pipeline.stage_folds import (
    STEPS,
    ensembler,
    fold_splitter,
    folds_of,
    learned_from,
    of_fold,
    split_field,
)


def stage_nodes(
    config: PipelineConfig,
    name: str,
    *,
    documents: Channel,
    vocabulary: Channel,
    base: Channel | None,
    corpus: Channel | None,
    pretraining: dict[str, Channel],
    rows: dict[tuple[Channel, RowLayout], Channel],
    root: Path,
) -> dict[str, Component]:
    """Returns a stage's nodes by step.

    Args:
        config: the whole file.
        name: the stage.
        documents: the data set that it learns from.
        vocabulary: the vocabulary of the file.
        base: the trained model of the stage that it starts from.
        corpus: the data set that its first token embeddings come from.
        pretraining: the other data sets that this model has learned from, by name.
        rows: the rows of earlier stages by their documents and layout, which this
            stage shares; its own are added.
        root: the root folder; pushed models go below it.
    """
    stage = config.stages[name]
    nodes: dict[str, Component] = {}
    learned = documents
    if stage.folds is not None:
        nodes["folds"] = fold_splitter(config, name, documents)
        learned = nodes["folds"].outputs["folds"]
    if _has_linear(config, stage):
        nodes |= _linear(config, name, learned, vocabulary)
    if FAMILIES[config.model.family].is_encoder:
        nodes |= _encoder(config, name, learned, vocabulary, base, corpus, rows)
    last = "train"
    if TASKS[stage.task].has_linear:
        last = "calibrate"
        nodes[last] = _calibrator(config, name, nodes)
    model = nodes[last].outputs["model"]
    predicting = nodes["predict" if last == "train" else last]
    evaluate = evaluator(
        config,
        name,
        root,
        predictions=predicting.outputs["predictions"],
        documents=learned,
        model=model,
        baselines=_baselines(config, stage, nodes),
        pretraining=pretraining,
    )
    nodes["evaluate"] = evaluate
    return nodes | delivery_nodes(config, name, documents, model, evaluate, root)


def training_settings(config: PipelineConfig, name: str) -> dict[str, Any]:
    """Returns the settings that a stage trains with, defaults included."""
    common = {"seed": config.seed, "strategy": config.run.strategy}
    if (train := config.stages[name].train) is None:
        return common
    settings = asdict(train)
    if settings["dropout"] is None:
        settings["dropout"] = config.model.dropout
    return {"train": settings, **common}


def _has_linear(config: PipelineConfig, stage: StageConfig) -> bool:
    """Returns whether a linear model is part of the model, or its baseline."""
    return TASKS[stage.task].has_linear and (
        _joins_linear(config) or stage.evaluate.baseline == "linear"
    )


def _joins_linear(config: PipelineConfig) -> bool:
    is_encoder = FAMILIES[config.model.family].is_encoder
    return config.model.ngrams is not False or not is_encoder


def _baselines(
    config: PipelineConfig, stage: StageConfig, nodes: Mapping[str, Component]
) -> dict[str, Channel]:
    """Returns the predictions of the simpler models that a stage is compared with."""
    is_encoder = FAMILIES[config.model.family].is_encoder
    if stage.evaluate.baseline == "none" or not is_encoder:
        return {}
    parts = ["linear", *(["encoder"] if _joins_linear(config) else [])]
    steps = {part: STEPS[part, learned_from(stage)][1] for part in parts}
    return {
        part: nodes[step].outputs["predictions"]
        for part, step in steps.items()
        if step in nodes and "calibrate" in nodes
    }


def _encoder(
    config: PipelineConfig,
    name: str,
    documents: Channel,
    vocabulary: Channel,
    base: Channel | None,
    corpus: Channel | None,
    shared: dict[tuple[Channel, RowLayout], Channel],
) -> dict[str, Component]:
    """Returns the nodes of a stage's encoder: rows, training, predictions."""
    layout = (documents, _row_layout(config, config.stages[name]))
    nodes: dict[str, Component] = {}
    if layout not in shared:
        nodes["tokenize"] = _tokenizer(config, name, documents, vocabulary)
        shared[layout] = nodes["tokenize"].outputs["rows"]
    rows = shared[layout]
    for fold in folds_of(config.stages[name]):
        train = _trainer(config, name, rows, vocabulary, base, corpus, fold)
        nodes[of_fold("train", fold)] = train
        nodes[of_fold("predict", fold)] = _predictor(
            config,
            name,
            documents=documents,
            rows=rows,
            model=train.outputs["model"],
            fold=fold,
        )
    nodes |= ensembler(config, name, "encoder", nodes)
    if learned_from(config.stages[name]) != "distilled":
        return nodes
    teacher = nodes["ensemble"].outputs["predictions"]
    # The last fold is not learned from: it calibrates the student.
    fold = config.stages[name].folds
    student = _trainer(config, name, rows, vocabulary, base, corpus, fold, teacher)
    nodes["distil"] = student
    nodes["predict_distilled"] = _predictor(
        config,
        name,
        step="predict_distilled",
        documents=documents,
        rows=rows,
        model=student.outputs["model"],
        fold=fold,
    )
    return nodes


def _tokenizer(
    config: PipelineConfig, name: str, documents: Channel, vocabulary: Channel
) -> Tokenizer:
    stage = config.stages[name]
    # A profile that may fail goes first: no stage learns from data that it refuses.
    fails = config.datasets[stage.dataset].profile.fail_on
    return Tokenizer(
        _row_layout(config, stage),
        id=f"tokenize.{name}",
        config_paths={
            "packing": f"stages.{name}.tokenize.packing",
            "sequence_length": "model.sequence_length",
            "target_length": "model.target_length",
            "": f"stages.{name}.task",
        },
        after=(f"profile.{stage.dataset}",) if fails else (),
        documents=documents,
        vocabulary=vocabulary,
    )


def _trainer(
    config: PipelineConfig,
    name: str,
    rows: Channel,
    vocabulary: Channel,
    base: Channel | None,
    corpus: Channel | None,
    fold: int | None,
    teacher: Channel | None = None,
) -> Trainer:
    stage, path = config.stages[name], f"stages.{name}"
    assert stage.train is not None, "a family with an encoder"
    return Trainer(
        TrainerConfig(
            task=stage.task,
            model=config.model.to_train(),
            init=None if isinstance(stage.init, str) else stage.init,
            train=part_of(stage.train, TrainingConfig),
            task_config=stage.task_config,
            fold=fold,
            seed=config.seed,
            strategy=config.run.strategy,
            threads=len(os.sched_getaffinity(0)),
        ),
        id=f"distil.{name}" if teacher else of_fold(f"train.{name}", fold),
        config_paths={
            "task": f"{path}.task",
            "model": "model",
            "init": f"{path}.init",
            "train": f"{path}.train",
            "task_config": f"{path}.train",
            "fold": f"{path}.folds",
            "seed": "seed",
            "strategy": "run.strategy",
        },
        rows=rows,
        vocabulary=vocabulary,
        base=base,
        corpus=corpus,
        teacher=teacher,
    )


def _linear(
    config: PipelineConfig, name: str, documents: Channel, vocabulary: Channel
) -> dict[str, Component]:
    """Returns the nodes of a stage's linear model."""
    nodes: dict[str, Component] = {}
    for fold in folds_of(config.stages[name]):
        linear = LinearTrainer(
            LinearTrainerConfig(
                task=config.stages[name].task,
                linear=config.model.linear,
                fold=fold,
                seed=config.seed,
            ),
            id=of_fold(f"linear.{name}", fold),
            config_paths={
                "task": f"stages.{name}.task",
                "linear": "model.ngrams",
                "fold": f"stages.{name}.folds",
                "seed": "seed",
            },
            documents=documents,
            vocabulary=vocabulary,
        )
        nodes[of_fold("linear", fold)] = linear
        nodes[of_fold("predict_linear", fold)] = _predictor(
            config,
            name,
            step="predict_linear",
            documents=documents,
            rows=None,
            model=linear.outputs["model"],
            fold=fold,
        )
    return nodes | ensembler(config, name, "linear", nodes)


def _calibrator(
    config: PipelineConfig, name: str, nodes: Mapping[str, Component]
) -> Calibrator:
    data = learned_from(config.stages[name])
    steps = {"encoder": STEPS["encoder", data]}
    if _joins_linear(config):
        steps["linear"] = STEPS["linear", data]
    inputs: dict[str, Any] = {}
    for part, (train, predict) in steps.items():
        if train in nodes:
            inputs[part] = nodes[train].outputs["model"]
            inputs[f"{part}_predictions"] = nodes[predict].outputs["predictions"]
    return Calibrator(
        CalibratorConfig(calibrate=config.stages[name].calibrate),
        id=f"calibrate.{name}",
        config_paths={"calibrate": f"stages.{name}.calibrate"},
        **inputs,
    )


def _predictor(
    config: PipelineConfig,
    name: str,
    *,
    documents: Channel,
    rows: Channel | None,
    model: Channel,
    fold: int | None,
    step: str = "predict",
) -> Predictor:
    stage, path = config.stages[name], f"stages.{name}.evaluate"
    evaluate, writes = stage.evaluate, TASKS[stage.task].predicts == "documents"
    return Predictor(
        PredictorConfig(
            slices=evaluate.slices,
            group=_group_column(config.datasets[stage.dataset]),
            samples=evaluate.samples,
            sample_tokens=evaluate.sample_tokens,
            seed=config.seed,
            generate=stage.generation if writes else None,
            held_out=TASKS[stage.task].has_linear,
            fold=fold,
        ),
        id=of_fold(f"{step}.{name}", None if step == "predict_distilled" else fold),
        config_paths={
            "slices": f"{path}.slices",
            "group": f"datasets.{stage.dataset}.split.by",
            "generate": f"stages.{name}.generate",
            "samples": f"{path}.samples",
            "sample_tokens": f"{path}.sample_tokens",
            "fold": f"stages.{name}.folds",
            "seed": "seed",
        },
        documents=documents,
        rows=rows,
        model=model,
    )


def _group_column(dataset: DatasetConfig) -> str | None:
    """Returns the column of ``split.by``, None if it splits single documents.

    The only text, or an id, is the group of a single document.
    """
    others: set[str | None] = {"id", "position", "source"}
    for source in dataset.named_sources().values():
        texts = source.text_columns if dataset.num_texts == 1 else ()
        others |= {*texts, source.id, source.target_column}
    return None if dataset.split.by in others else split_field(dataset)


def _row_layout(config: PipelineConfig, stage: StageConfig) -> RowLayout:
    task = TASKS[stage.task]
    num_texts = config.datasets[stage.dataset].num_texts
    packing = stage.tokenize.packing or default_packing(task.packings, num_texts)
    next_token = task.next_token
    pairs = stage.tokenize if packing == "sentence_pair" else TokenizeConfig()
    return RowLayout(
        sequence_length=config.model.sequence_length + next_token,
        texts=num_texts,
        packing=packing,
        attention=stage.tokenize.attention,
        overlap=int(next_token and packing == "concat"),
        start=not next_token,
        next_token=next_token,
        words=stage.tokenize.words if task.marks_words else None,
        prompt=stage.tokenize.prompt if packing == "response" else None,
        short_seq_prob=pairs.short_seq_prob,
        dupe_factor=pairs.dupe_factor,
        stride=stage.tokenize.stride if packing == "strides" else None,
        seed=config.seed if packing == "sentence_pair" else 0,
        target=task.target,
        target_length=(
            config.model.longest_target if packing == "encoder_decoder" else 0
        ),
        examples=stage.tokenize.examples,
    )
