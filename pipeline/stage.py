"""The nodes of a stage, from tokenize to evaluate, then export, validate and push."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from textmill.components.base import Channel, Component
from textmill.components.evaluator import Evaluator, EvaluatorConfig
from textmill.components.exporter import Exporter
from textmill.components.infra_validator import InfraValidator, InfraValidatorConfig
from textmill.components.linear_trainer import LinearTrainer, LinearTrainerConfig
from textmill.components.predictor import Predictor, PredictorConfig
from textmill.components.pusher import Pusher, PusherConfig
from textmill.components.tokenizer import Packing, RowLayout, TokenizeConfig, Tokenizer
from textmill.components.trainer import Trainer, TrainerConfig
from textmill.models.tasks import TASKS
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.schema import PipelineConfig, StageConfig
from textmill.pipeline.config.types import part_of


def stage_nodes(
    config: PipelineConfig,
    name: str,
    *,
    documents: Channel,
    vocabulary: Channel,
    base: Channel | None,
    corpus: Channel | None,
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
        root: the root folder; pushed models go below it.
    """
    stage = config.stages[name]
    tokenize = _tokenizer(config, name, documents, vocabulary)
    rows = tokenize.outputs["rows"]
    train = _trainer(config, name, rows, vocabulary, base, corpus)
    model = train.outputs["model"]
    predict = _predictor(config, name, documents, rows, model)
    predictions = predict.outputs["predictions"]
    linear = _linear_baseline(config, name, documents, vocabulary, rows)
    baselines = (
        {"linear": linear["predict_linear"].outputs["predictions"]} if linear else {}
    )
    evaluate = _evaluator(config, name, predictions, documents, model, baselines, root)
    nodes: dict[str, Component] = {
        "tokenize": tokenize,
        "train": train,
        "predict": predict,
        **linear,
        "evaluate": evaluate,
    }
    return nodes | _delivery(stage, name, documents, model, evaluate, root)


def training_settings(config: PipelineConfig, name: str) -> dict[str, Any]:
    """Returns the settings that a stage trains with, defaults included."""
    train = asdict(config.stages[name].train)
    if train["dropout"] is None:
        train["dropout"] = config.model.dropout
    return {"train": train, "seed": config.seed, "strategy": config.run.strategy}


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
) -> Trainer:
    stage, path = config.stages[name], f"stages.{name}"
    return Trainer(
        TrainerConfig(
            task=stage.task,
            model=config.model,
            init=None if isinstance(stage.init, str) else stage.init,
            train=part_of(stage.train, TrainingConfig),
            task_config=stage.task_config,
            seed=config.seed,
            strategy=config.run.strategy,
            threads=len(os.sched_getaffinity(0)),
        ),
        id=f"train.{name}",
        config_paths={
            "task": f"{path}.task",
            "model": "model",
            "init": f"{path}.init",
            "train": f"{path}.train",
            "task_config": f"{path}.train",
            "seed": "seed",
            "strategy": "run.strategy",
        },
        rows=rows,
        vocabulary=vocabulary,
        base=base,
        corpus=corpus,
    )


def _linear_baseline(
    config: PipelineConfig,
    name: str,
    documents: Channel,
    vocabulary: Channel,
    rows: Channel,
) -> dict[str, Component]:
    """Returns the nodes of a stage's linear baseline; none without one."""
    stage = config.stages[name]
    if stage.evaluate.baseline == "none" or TASKS[stage.task].target != "label":
        return {}
    train = LinearTrainer(
        LinearTrainerConfig(task=stage.task, seed=config.seed),
        id=f"linear.{name}",
        config_paths={"task": f"stages.{name}.task", "seed": "seed"},
        documents=documents,
        vocabulary=vocabulary,
    )
    model = train.outputs["model"]
    step = "predict_linear"
    return {
        "linear": train,
        step: _predictor(config, name, documents, rows, model, step=step),
    }


def _predictor(
    config: PipelineConfig,
    name: str,
    documents: Channel,
    rows: Channel,
    model: Channel,
    *,
    step: str = "predict",
) -> Predictor:
    evaluate, path = config.stages[name].evaluate, f"stages.{name}.evaluate"
    return Predictor(
        PredictorConfig(
            slices=evaluate.slices,
            samples=evaluate.samples,
            sample_tokens=evaluate.sample_tokens,
            seed=config.seed,
        ),
        id=f"{step}.{name}",
        config_paths={
            "slices": f"{path}.slices",
            "samples": f"{path}.samples",
            "sample_tokens": f"{path}.sample_tokens",
            "seed": "seed",
        },
        documents=documents,
        rows=rows,
        model=model,
    )


def _evaluator(
    config: PipelineConfig,
    name: str,
    predictions: Channel,
    documents: Channel,
    model: Channel,
    baselines: dict[str, Channel],
    root: Path,
) -> Evaluator:
    thresholds = config.stages[name].evaluate.thresholds
    compares = any("pushed" in rule for rule in thresholds.values())
    return Evaluator(
        EvaluatorConfig(
            thresholds=thresholds,
            seed=config.seed,
            pushed=_pushed_dir(root, name) if compares else None,
        ),
        id=f"evaluate.{name}",
        config_paths={
            "thresholds": f"stages.{name}.evaluate.thresholds",
            "seed": "seed",
        },
        predictions=predictions,
        documents=documents,
        model=model,
        baselines=baselines,
    )


def _row_layout(config: PipelineConfig, stage: StageConfig) -> RowLayout:
    task = TASKS[stage.task]
    packing = stage.tokenize.packing or cast(Packing, task.packings[0])
    next_token = task.next_token
    pairs = stage.tokenize if packing == "sentence_pair" else TokenizeConfig()
    return RowLayout(
        sequence_length=config.model.sequence_length + next_token,
        packing=packing,
        attention=stage.tokenize.attention,
        overlap=int(next_token and packing == "concat"),
        start=not next_token,
        next_token=next_token,
        words=stage.tokenize.words if task.marks_words else None,
        prompt=stage.tokenize.prompt if packing == "response" else None,
        short_seq_prob=pairs.short_seq_prob,
        dupe_factor=pairs.dupe_factor,
        seed=config.seed if packing == "sentence_pair" else 0,
        target=task.target,
        examples=stage.tokenize.examples,
    )


def _pushed_dir(root: Path, stage: str) -> str:
    """Returns the folder of a stage's pushed versions."""
    return str(root.resolve() / "pushed" / stage)


def _delivery(
    stage: StageConfig,
    name: str,
    documents: Channel,
    model: Channel,
    evaluate: Evaluator,
    root: Path,
) -> dict[str, Component]:
    if stage.export is None:
        return {}
    export = Exporter(
        stage.export,
        id=f"export.{name}",
        config_paths={"": f"stages.{name}.export"},
        documents=documents,
        model=model,
    )
    validate = InfraValidator(
        InfraValidatorConfig(),
        id=f"validate.{name}",
        serving=export.outputs["serving"],
    )
    nodes: dict[str, Component] = {"export": export, "validate": validate}
    if stage.push is None:
        return nodes
    pushed_dirs = (_pushed_dir(root, name), stage.push.to)
    nodes["push"] = Pusher(
        PusherConfig(destinations=tuple(path for path in pushed_dirs if path)),
        id=f"push.{name}",
        config_paths={"destinations": f"stages.{name}.push.to"},
        serving=export.outputs["serving"],
        evaluation=evaluate.outputs["evaluation"],
        validation=validate.outputs["validation"],
    )
    return nodes
