"""Evaluation: metrics of a model's predictions, and the thresholds that bless it.

Reading order: this file (config, verb, noun), ``rows.py`` (predictions become
statistics by row), ``engine.py`` (metrics) with ``label_scores.py``, ``majority.py``,
``lookup.py``, ``bm25.py`` and ``overlap.py`` (what to hold them against),
``thresholds.py`` and ``pushed.py`` (the gate). The metrics themselves are in
``textmill.models.metrics``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from textmill.components.artifacts import (
    OUT_OF_FOLD,
    Documents,
    Evaluation,
    Predictions,
    PushedVersion,
    TrainedModel,
    write_json,
)
from textmill.components.base import Component, ExternalVersion, Input, Output
from textmill.models.checks import Bounds, check_bounds
from textmill.models.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np

    from textmill.components.evaluator.rows import MeasuredRows
    from textmill.components.evaluator.thresholds import Baseline


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Slices, thresholds and samples of a stage's evaluation."""

    slices: tuple[str, ...] = ()
    """Columns; metrics are also computed for each of their values."""
    thresholds: Mapping[str, str] = field(default_factory=dict)
    """Conditions for a blessing: ``{accuracy: ">= 0.60", loss: "< 2"}``; all must hold.
    ``">= pushed - 0.01"`` compares with the newest pushed version of the stage with a
    different model: the whole 95 % interval of the difference, row by row where both
    have the rows, must be at -0.01 or above. The first model has no baseline and
    passes. ``majority``, ``lookup``, ``bm25``, ``linear`` and ``encoder`` are compared
    alike."""
    baseline: Literal["linear", "none"] = "linear"
    """Simple model of the same documents, whose metrics are shown next to this one's:
    ``linear``, a logistic or ridge regression over token n-grams of the whole text, for
    tasks with a label, labels or a number; or ``none``. The most frequent label is
    always shown; for tag, every word's most frequent tag in train; for embed, BM25,
    which ranks texts by the tokens that they share."""
    samples: Annotated[int, Bounds(at_least=0, at_most=10_000)] = 0
    """causal_lm: number of texts that the model generates."""
    sample_tokens: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] = 200
    """causal_lm: tokens of each generated text."""
    report_texts: Annotated[int, Bounds(at_least=0, at_most=100)] = 10
    """Number of texts that the report quotes, of the worst errors and of a sample each,
    as they were ingested; 0 quotes none."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """Thresholds, and the seed of the bootstrap."""

    thresholds: Mapping[str, str] = field(default_factory=dict)
    """Rules by metric."""
    seed: int = 17
    """Seed of bootstrap resamples."""
    pushed: str | None = None
    """The folder of the stage's pushed versions, if a threshold refers to them."""


def evaluate(
    *,
    predictions: Input[Predictions],
    documents: Input[Documents],
    model: Input[TrainedModel],
    baselines: dict[str, Input[Predictions]] | None = None,
    pretraining: dict[str, Input[Documents]] | None = None,
    evaluation: Output[Evaluation],
    config: EvaluatorConfig,
) -> None:
    """Computes metrics of predictions and of baselines, and checks thresholds.

    The model is an input for its facts and its tokenizer. ``pretraining`` are the data
    sets of the stages that it starts from, by name.

    Raises:
        ConfigError: a threshold is malformed, names an unknown metric, or compares what
            cannot be compared.
        DataError: a metric is NaN, or all rows have one label.
        IntegrityError: baselines are for other rows, or a pushed version was altered.
    """
    from textmill.components.evaluator.bm25 import bm25_chunks
    from textmill.components.evaluator.engine import load_metrics, measure
    from textmill.components.evaluator.lookup import lookup_chunks
    from textmill.components.evaluator.majority import label_shares
    from textmill.components.evaluator.overlap import documents_seen
    from textmill.components.evaluator.pushed import row_keys, write_rows
    from textmill.components.evaluator.rows import measure_rows
    from textmill.components.evaluator.thresholds import check_thresholds

    split = predictions.facts["split"]
    rows = measure_rows(predictions, load_metrics(predictions.facts["task"]))
    shares = label_shares(documents, predictions)
    retrieves = TASKS[predictions.facts["task"]].retrieves
    result = measure(
        predictions,
        config,
        baselines or {},
        label_shares=shares,
        lookup=lookup_chunks(documents, predictions),
        bm25=bm25_chunks(documents, predictions, model) if retrieves else None,
        rows=rows,
    )
    if seen := documents_seen(documents, predictions, pretraining or {}):
        result["seen_in_pretraining"] = seen
    # Answers of all folds have weights fitted to other documents.
    is_held_out = split == predictions.held_out_split != OUT_OF_FOLD
    if "calibration" in model.facts and is_held_out:
        result["calibrated_on_these_rows"] = True
    facts = {
        "task": predictions.facts["task"],
        "model": model.digest,
        "documents": documents.digest,
        "split": split,
        "vocabulary": model.facts.get("vocabulary"),
        "task_config": model.facts.get("task_config"),
    }
    keys = row_keys(documents, predictions, rows.ids)
    if keys is not None:
        write_rows(evaluation.file(evaluation.ROWS), keys, rows)
    pushed = _compare_rows(config, facts, keys, rows)
    thresholds = check_thresholds(
        result["metrics"], config.thresholds, pushed, result.get("baselines", {})
    )
    blessed = all(t["passed"] for t in thresholds) if thresholds else None
    result |= {"split": split, "thresholds": thresholds, "blessed": blessed}
    write_json(evaluation.file(evaluation.FILE), result)
    evaluation.facts = facts | {"blessed": blessed}


def _compare_rows(
    config: EvaluatorConfig,
    facts: Mapping[str, Any],
    keys: np.ndarray | None,
    rows: MeasuredRows,
) -> Baseline | None:
    """Returns the pushed model, with differences over the rows that both models have.

    Args:
        config: the folder of pushed versions, and the rules about them.
        facts: of the evaluation.
        keys: of the rows; None if they cannot be found again.
        rows: of the new model.
    """
    from textmill.components.evaluator.engine import load_metrics
    from textmill.components.evaluator.pushed import pair_with_pushed
    from textmill.components.evaluator.thresholds import check_comparable

    baseline = _baseline(config, facts["model"], facts["documents"])
    if baseline is None:
        return None
    check_comparable(baseline, config.thresholds, facts)
    if keys is None:
        return baseline
    assert config.pushed is not None, "a baseline comes from its folder"
    return pair_with_pushed(
        baseline,
        Path(config.pushed),
        keys=keys,
        rows=rows,
        metrics=load_metrics(facts["task"]),
        seed=config.seed,
    )


def _baseline(config: EvaluatorConfig, model: str, documents: str) -> Baseline | None:
    from textmill.components.evaluator.thresholds import latest_baseline

    if config.pushed is None:
        return None
    return latest_baseline(Path(config.pushed), model=model, documents=documents)


class Evaluator(Component, executor=evaluate):
    """Predictions -> evaluation (TFX: Evaluator)."""

    @classmethod
    def external_versions(
        cls, config: EvaluatorConfig, inputs: Mapping[str, Any]
    ) -> list[ExternalVersion]:
        """Returns the pushed version that the model is compared with, if any."""
        baseline = _baseline(config, inputs["model"], inputs["documents"])
        if baseline is None or config.pushed is None:
            return []
        folder = Path(config.pushed) / str(baseline.version)
        version = f"{baseline.version} {PushedVersion(folder).seal}"
        return [ExternalVersion("the pushed version", version)]
