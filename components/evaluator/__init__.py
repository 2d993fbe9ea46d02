"""Evaluation: metrics of a model's predictions, and the thresholds that bless it.

Reading order: this file (config, verb, noun), ``engine.py`` (metrics), then
``thresholds.py``. The metrics themselves are in ``textmill.models.metrics``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from textmill.components.artifacts import (
    Documents,
    Evaluation,
    Predictions,
    TrainedModel,
    write_json,
)
from textmill.components.base import Component, ExternalVersion, Input, Output
from textmill.components.manifest import canonical_json
from textmill.models.checks import Bounds, check_bounds

if TYPE_CHECKING:
    from textmill.components.evaluator.thresholds import Baseline


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Slices, thresholds and samples of a stage's evaluation."""

    slices: tuple[str, ...] = ()
    """Columns; metrics are also computed for each of their values."""
    thresholds: Mapping[str, str] = field(default_factory=dict)
    """Conditions for a blessing: ``{accuracy: ">= 0.60", loss: "< 2"}``; all must hold.
    ``">= pushed - 0.01"`` compares with the newest pushed version of the stage with a
    different model, by its own evaluation; the first model has no baseline and
    passes. ``">= linear + 0.0"`` compares with the linear model of ``baseline``."""
    baseline: Literal["linear", "none"] = "linear"
    """Simple model of the same documents, whose metrics are shown next to this one's:
    ``linear``, a logistic regression over token n-grams of the whole text, for tasks
    with a label; or ``none``."""
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
    evaluation: Output[Evaluation],
    config: EvaluatorConfig,
) -> None:
    """Computes metrics of predictions and of baselines, and checks thresholds.

    Documents and model are inputs for their digests only.

    Raises:
        ConfigError: a threshold is malformed, or names an unknown metric.
        DataError: a metric is NaN, or all rows have one label.
    """
    from textmill.components.evaluator.engine import measure
    from textmill.components.evaluator.thresholds import check_thresholds

    measured = measure(predictions, config, baselines or {})
    baseline = _baseline(config, model.digest, documents.digest)
    thresholds = check_thresholds(
        measured["metrics"],
        config.thresholds,
        baseline,
        {name: b["metrics"] for name, b in measured.get("baselines", {}).items()},
    )
    blessed = all(t["passed"] for t in thresholds) if thresholds else None
    write_json(
        evaluation.file(evaluation.FILE),
        {
            **measured,
            "split": predictions.facts["split"],
            "thresholds": thresholds,
            "blessed": blessed,
        },
    )
    evaluation.facts = {
        "task": predictions.facts["task"],
        "model": model.digest,
        "documents": documents.digest,
        "split": predictions.facts["split"],
        "blessed": blessed,
    }


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
        if baseline is None:
            return []
        digest = hashlib.sha256(canonical_json(baseline.card)).hexdigest()
        version = f"{baseline.version} {digest}"
        return [ExternalVersion("the pushed version", version)]
