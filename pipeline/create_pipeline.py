"""The pipeline of a file: its nodes, wired. START READING HERE.

A data set is ingested and profiled; one vocabulary is learned; a stage is tokenized,
trained, evaluated, and, if it is exported, validated and pushed; a report closes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from textmill.components.base import Channel, Component
from textmill.components.evaluator import Evaluator, EvaluatorConfig
from textmill.components.exporter import Exporter
from textmill.components.infra_validator import (
    InfraValidator,
    InfraValidatorConfig,
)
from textmill.components.ingester import Ingester, IngesterConfig
from textmill.components.profiler import Profiler, ProfilerConfig
from textmill.components.pusher import Pusher, PusherConfig
from textmill.components.reporter import Reporter, ReporterConfig
from textmill.components.tokenizer import (
    TokenizeConfig,
    Tokenizer,
    TokenizerConfig,
)
from textmill.components.trainer import Trainer, TrainerConfig
from textmill.components.vocabulary_learner import VocabularyLearner
from textmill.models.families import LABELLED_TASKS
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.schema import PipelineConfig, StageConfig
from textmill.pipeline.pipeline import Pipeline


def create_pipeline(loaded: LoadedConfig, root: Path) -> Pipeline:
    """Returns the wired nodes of a config; pushed models go below ``root``."""
    config = loaded.config
    ingesters: dict[str, Ingester] = {}
    for name in _datasets_in_order(config):
        ingesters[name] = _ingester(config, name, ingesters)
    vocabulary = _vocabulary_learner(config, ingesters)
    profilers = {
        name: Profiler(
            ProfilerConfig(dataset=name, profile=config.datasets[name].profile),
            id=f"profile.{name}",
            config_paths={"profile": f"datasets.{name}.profile"},
            documents=node.outputs["documents"],
            vocabulary=vocabulary.outputs["vocabulary"],
        )
        for name, node in ingesters.items()
    }
    stages: dict[str, dict[str, Component]] = {}
    for name in _in_order(config):
        stages[name] = _stage(config, name, ingesters, vocabulary, stages, root)
    nodes: list[Component] = [*ingesters.values(), *profilers.values(), vocabulary]
    nodes += [node for stage in stages.values() for node in stage.values()]
    return Pipeline(config.name, [*nodes, _reporter(config, nodes, profilers, stages)])


def _datasets_in_order(config: PipelineConfig) -> Iterator[str]:
    """Yields data sets so that each comes after those it is decontaminated against."""
    waiting, done = list(config.datasets), set[str]()
    while waiting:
        name = next(n for n in waiting if done.issuperset(_against(config, n)))
        waiting.remove(name)
        done.add(name)
        yield name


def _against(config: PipelineConfig, name: str) -> tuple[str, ...]:
    decontaminate = config.datasets[name].decontaminate
    return decontaminate.against if decontaminate else ()


def _ingester(
    config: PipelineConfig, name: str, earlier: dict[str, Ingester]
) -> Ingester:
    return Ingester(
        IngesterConfig(dataset=config.datasets[name].to_ingest(), seed=config.seed),
        id=f"ingest.{name}",
        config_paths={"dataset": f"datasets.{name}", "seed": "seed"},
        against={
            other: earlier[other].outputs["documents"]
            for other in _against(config, name)
        },
    )


def _vocabulary_learner(
    config: PipelineConfig, ingesters: dict[str, Ingester]
) -> VocabularyLearner:
    source = config.vocabulary.learn_from
    return VocabularyLearner(
        config.vocabulary,
        id="vocabulary",
        config_paths={"": "vocabulary"},
        documents=ingesters[source].outputs["documents"] if source else None,
    )


def _in_order(config: PipelineConfig) -> Iterator[str]:
    """Yields stages so that each comes after the one it starts from."""
    waiting = list(config.stages)
    done: set[str | None] = {None}
    while waiting:
        name = next(n for n in waiting if _base(config.stages[n]) in done)
        waiting.remove(name)
        done.add(name)
        yield name


def _base(stage: StageConfig) -> str | None:
    """Returns the stage that a stage starts from, if it does from one."""
    return stage.init if isinstance(stage.init, str) else None


def _stage(
    config: PipelineConfig,
    name: str,
    ingesters: dict[str, Ingester],
    vocabulary: VocabularyLearner,
    earlier: dict[str, dict[str, Component]],
    root: Path,
) -> dict[str, Component]:
    stage, where = config.stages[name], f"stages.{name}"
    base = _base(stage)
    documents = ingesters[stage.dataset].outputs["documents"]
    entries = vocabulary.outputs["vocabulary"]
    tokenize = Tokenizer(
        _row_shape(config, stage),
        id=f"tokenize.{name}",
        config_paths={
            "packing": f"{where}.tokenize.packing",
            "sequence_length": "model.sequence_length",
            "": f"{where}.task",
        },
        after=_gates(config, stage),
        documents=documents,
        vocabulary=entries,
    )
    train = Trainer(
        TrainerConfig(
            task=stage.task,
            model=config.model,
            init=None if isinstance(stage.init, str) else stage.init,
            train=stage.train,
            seed=config.seed,
            strategy=config.run.strategy,
            threads=len(os.sched_getaffinity(0)),
        ),
        id=f"train.{name}",
        config_paths={
            "task": f"{where}.task",
            "model": "model",
            "init": f"{where}.init",
            "train": f"{where}.train",
            "seed": "seed",
            "strategy": "run.strategy",
        },
        rows=tokenize.outputs["rows"],
        vocabulary=entries,
        base=earlier[base]["train"].outputs["model"] if base else None,
    )
    rules = stage.evaluate.thresholds.values()
    evaluate = Evaluator(
        EvaluatorConfig(
            evaluate=stage.evaluate,
            seed=config.seed,
            pushed=_versions(root, name) if any("pushed" in r for r in rules) else None,
        ),
        id=f"evaluate.{name}",
        config_paths={"evaluate": f"{where}.evaluate", "seed": "seed"},
        documents=documents,
        rows=tokenize.outputs["rows"],
        model=train.outputs["model"],
    )
    nodes: dict[str, Component] = {
        "tokenize": tokenize,
        "train": train,
        "evaluate": evaluate,
    }
    return nodes | _delivery(stage, name, documents, train, evaluate, root)


def _gates(config: PipelineConfig, stage: StageConfig) -> tuple[str, ...]:
    """Returns the profile that must not fail before a stage learns from its data."""
    fails = config.datasets[stage.dataset].profile.fail_on
    return (f"profile.{stage.dataset}",) if fails else ()


def _row_shape(config: PipelineConfig, stage: StageConfig) -> TokenizerConfig:
    labelled = stage.task in LABELLED_TASKS
    packing = stage.tokenize.packing or ("pad" if labelled else "concat")
    next_token = stage.task == "causal_lm"
    pairs = stage.tokenize if packing == "sentence_pair" else TokenizeConfig()
    return TokenizerConfig(
        sequence_length=config.model.sequence_length + next_token,
        packing=packing,
        attention=stage.tokenize.attention,
        overlap=int(next_token and packing == "concat"),
        start=not next_token,
        next_token=next_token,
        words=stage.tokenize.words if stage.task == "masked_lm" else None,
        prompt=stage.tokenize.prompt if packing == "response" else None,
        short_seq_prob=pairs.short_seq_prob,
        dupe_factor=pairs.dupe_factor,
        seed=config.seed if packing == "sentence_pair" else 0,
        labelled=labelled,
        examples=stage.tokenize.examples,
    )


def _versions(root: Path, stage: str) -> str:
    """Returns the folder of a stage's pushed versions."""
    return str(root.resolve() / "pushed" / stage)


def _delivery(
    stage: StageConfig,
    name: str,
    documents: Channel,
    train: Trainer,
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
        model=train.outputs["model"],
    )
    validate = InfraValidator(
        InfraValidatorConfig(),
        id=f"validate.{name}",
        serving=export.outputs["serving"],
    )
    nodes: dict[str, Component] = {"export": export, "validate": validate}
    if stage.push is None:
        return nodes
    pushed = (_versions(root, name), stage.push.to)
    nodes["push"] = Pusher(
        PusherConfig(destinations=tuple(path for path in pushed if path)),
        id=f"push.{name}",
        config_paths={"destinations": f"stages.{name}.push.to"},
        serving=export.outputs["serving"],
        evaluation=evaluate.outputs["evaluation"],
        validation=validate.outputs["validation"],
    )
    return nodes


def _reporter(
    config: PipelineConfig,
    nodes: list[Component],
    profilers: dict[str, Profiler],
    stages: dict[str, dict[str, Component]],
) -> Reporter:
    def of(step: str, output: str) -> dict[str, Channel]:
        return {
            name: stage[step].outputs[output]
            for name, stage in stages.items()
            if step in stage
        }

    return Reporter(
        ReporterConfig(
            title=config.name,
            edges={node.id: tuple(sorted(node.upstream())) for node in nodes},
        ),
        id="report",
        config_paths={"title": "name"},
        profiles={name: node.outputs["profile"] for name, node in profilers.items()},
        models=of("train", "model"),
        logs=of("train", "logs"),
        evaluations=of("evaluate", "evaluation"),
        pushes=of("push", "pushed"),
    )
