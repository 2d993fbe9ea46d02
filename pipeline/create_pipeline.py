"""Builds the pipeline of a file. START READING HERE.

A data set is ingested and profiled; one vocabulary is learned; a stage is tokenized,
trained, evaluated, and, if it is exported, validated and pushed (``stage.py``); a
report comes last. Stages with one data set and one layout share their rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from textmill.components.base import Channel, Component
from textmill.components.ingester import Ingester, IngesterConfig
from textmill.components.profiler import Profiler, ProfilerConfig
from textmill.components.reporter import Reporter, ReporterConfig
from textmill.components.tokenizer import RowLayout
from textmill.components.vocabulary_learner import VocabularyLearner
from textmill.models.tasks import TASKS
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.schema import PipelineConfig
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.stage import stage_nodes, training_settings

_MODEL_STEPS = ("train", "distil", "ensemble", "linear", "ensemble_linear")
"""The steps that make the model of a report, the first one that a stage has."""
_QUOTED = ("label", "text", "answer")
"""Kinds of target of the stages whose report quotes texts."""


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
    rows: dict[tuple[Channel, RowLayout], Channel] = {}
    for name, base in _stages_in_order(config):
        corpus = config.stages[name].embeddings
        stages[name] = stage_nodes(
            config,
            name,
            documents=ingesters[config.stages[name].dataset].outputs["documents"],
            vocabulary=vocabulary.outputs["vocabulary"],
            base=stages[base]["train"].outputs["model"] if base else None,
            corpus=ingesters[corpus].outputs["documents"] if corpus else None,
            pretraining={
                dataset: ingesters[dataset].outputs["documents"]
                for dataset in _pretraining_datasets(config, name)
            },
            rows=rows,
            root=root,
        )
    nodes: list[Component] = [*ingesters.values(), *profilers.values(), vocabulary]
    nodes += [node for stage in stages.values() for node in stage.values()]
    reporter = _reporter(config, nodes, ingesters, profilers, stages)
    return Pipeline(config.name, [*nodes, reporter])


def _datasets_in_order(config: PipelineConfig) -> Iterator[str]:
    """Yields data sets, each after those that it is decontaminated against."""
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
        IngesterConfig(
            dataset=config.datasets[name].to_ingest(),
            seed=config.seed,
            keep_unlabelled=_keeps_unlabelled(config, name),
            name=name,
        ),
        id=f"ingest.{name}",
        config_paths={
            "dataset": f"datasets.{name}",
            "seed": "seed",
            "keep_unlabelled": "stages",
        },
        against={
            other: earlier[other].outputs["documents"]
            for other in _against(config, name)
        },
    )


def _keeps_unlabelled(config: PipelineConfig, name: str) -> bool:
    """Returns whether documents without a target are of use to a data set's stages."""
    stages = [stage for stage in config.stages.values() if stage.dataset == name]
    targets = [TASKS[stage.task].target for stage in stages]
    return not targets or "none" in targets


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


def _stages_in_order(config: PipelineConfig) -> Iterator[tuple[str, str | None]]:
    """Yields (stage, the stage it starts from), each after the one it starts from."""
    bases = {
        name: stage.init if isinstance(stage.init, str) else None
        for name, stage in config.stages.items()
    }
    done: set[str | None] = {None}
    while waiting := [name for name in bases if name not in done]:
        name = next(n for n in waiting if bases[n] in done)
        done.add(name)
        yield name, bases[name]


def _model(stage: dict[str, Component]) -> Channel:
    """Returns the model of a stage that the report describes."""
    step = next(step for step in _MODEL_STEPS if step in stage)
    return stage[step].outputs["model"]


def _pretraining_datasets(config: PipelineConfig, name: str) -> list[str]:
    """Returns the data sets that a stage and those that it starts from learn from.

    Its own is left out, and those that hold nothing of its eval and test.
    """
    own, stages = config.stages[name].dataset, [config.stages[name]]
    while isinstance(base := stages[-1].init, str):
        stages.append(config.stages[base])
    datasets = {stage.dataset for stage in stages}
    datasets |= {stage.embeddings for stage in stages if stage.embeddings}
    return sorted(d for d in datasets - {own} if not _is_free_of(config, d, own))


def _is_free_of(config: PipelineConfig, dataset: str, other: str) -> bool:
    """Returns whether a data set drops documents that overlap with another's eval."""
    decontaminate = config.datasets[dataset].decontaminate
    return (
        decontaminate is not None
        and decontaminate.action == "drop"
        and other in decontaminate.against
    )


def _is_quoted(task: str) -> bool:
    return TASKS[task].target in _QUOTED or TASKS[task].retrieves


def _reporter(
    config: PipelineConfig,
    nodes: list[Component],
    ingesters: dict[str, Ingester],
    profilers: dict[str, Profiler],
    stages: dict[str, dict[str, Component]],
) -> Reporter:
    def of(
        step: str, output: str, names: Collection[str] = stages
    ) -> dict[str, Channel]:
        return {
            name: stage[step].outputs[output]
            for name, stage in stages.items()
            if step in stage and name in names
        }

    texts = {
        name: stage.evaluate.report_texts
        for name, stage in config.stages.items()
        if stage.evaluate.report_texts and _is_quoted(stage.task)
    }
    return Reporter(
        ReporterConfig(
            title=config.name,
            edges={node.id: tuple(sorted(node.upstream())) for node in nodes},
            settings={name: training_settings(config, name) for name in stages},
            texts=texts,
        ),
        id="report",
        config_paths={"title": "name", "settings": "stages"},
        profiles={name: node.outputs["profile"] for name, node in profilers.items()},
        models={name: _model(stage) for name, stage in stages.items()},
        logs=of("train.1", "logs") | of("distil", "logs") | of("train", "logs"),
        documents={
            name: ingesters[config.stages[name].dataset].outputs["documents"]
            for name in texts
        }
        | of("folds", "folds", texts),
        predictions=of("predict", "predictions", texts)
        | of("calibrate", "predictions", texts),
        evaluations=of("evaluate", "evaluation"),
        pushes=of("push", "pushed"),
    )
