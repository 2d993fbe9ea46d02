"""The folds of a stage: their splitter, and the models made of those of all folds."""

from __future__ import annotations

from collections.abc import Mapping

from textmill.components.base import Channel, Component
from textmill.components.ensembler import Ensembler, EnsemblerConfig
from textmill.components.fold_splitter import FoldSplitter, FoldSplitterConfig
from textmill.models.texts import TEXT_FIELDS
from textmill.pipeline.config.schema import DatasetConfig, PipelineConfig, StageConfig

STEPS = {
    ("encoder", "all"): ("train", "predict"),
    ("linear", "all"): ("linear", "predict_linear"),
    ("encoder", "folds"): ("ensemble", "ensemble"),
    ("linear", "folds"): ("ensemble_linear", "ensemble_linear"),
    ("encoder", "distilled"): ("distil", "predict_distilled"),
    ("linear", "distilled"): ("ensemble_linear", "ensemble_linear"),
}
"""By part of a joint model and data: the steps with its model and predictions."""


def learned_from(stage: StageConfig) -> str:
    """Returns whether a stage's models learn from all rows, folds or their teachers."""
    if stage.folds is None:
        return "all"
    return "distilled" if stage.calibrate.ensemble == "distilled" else "folds"


def folds_of(stage: StageConfig) -> list[int | None]:
    """Returns the folds to train without, counted from 1; one None without folds."""
    return [None] if stage.folds is None else [*range(1, stage.folds + 1)]


def of_fold(name: str, fold: int | None) -> str:
    """Returns the name of a step, or the id of a node, for a fold: ``train.2``."""
    return name if fold is None else f"{name}.{fold}"


def fold_splitter(
    config: PipelineConfig, name: str, documents: Channel
) -> FoldSplitter:
    """Returns the node that deals a stage's documents to folds."""
    stage = config.stages[name]
    assert stage.folds is not None
    return FoldSplitter(
        FoldSplitterConfig(
            num_folds=stage.folds,
            group_by=split_field(config.datasets[stage.dataset]),
            seed=config.seed,
        ),
        id=f"folds.{name}",
        config_paths={
            "num_folds": f"stages.{name}.folds",
            "group_by": f"datasets.{stage.dataset}.split.by",
            "seed": "seed",
        },
        documents=documents,
    )


def split_field(dataset: DatasetConfig) -> str:
    """Returns the field of documents with the value of ``split.by``.

    One of several texts, such as a premise with many claims, is a field of its own.
    """
    by = dataset.split.by
    for source in dataset.named_sources().values():
        if dataset.num_texts > 1 and by in source.text_columns:
            return TEXT_FIELDS[source.text_columns.index(by)]
    return by


def ensembler(
    config: PipelineConfig, name: str, part: str, nodes: Mapping[str, Component]
) -> dict[str, Component]:
    """Returns the node that combines a part's models of all folds; none without."""
    stage = config.stages[name]
    if stage.folds is None:
        return {}
    (train, predict), (step, _) = STEPS[part, "all"], STEPS[part, "folds"]

    def by_fold(step: str, output: str) -> dict[str, Channel]:
        return {
            str(fold): nodes[of_fold(step, fold)].outputs[output]
            for fold in folds_of(stage)
        }

    mean, held_out = stage.calibrate.ensemble, None
    if mean == "distilled":
        mean, held_out = "probabilities", stage.folds if part == "linear" else None
    node = Ensembler(
        EnsemblerConfig(mean=mean, held_out=held_out),
        id=f"{step}.{name}",
        config_paths={"mean": f"stages.{name}.calibrate.ensemble"},
        members=by_fold(train, "model"),
        member_predictions=by_fold(predict, "predictions"),
    )
    return {step: node}
