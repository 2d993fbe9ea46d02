"""Evaluation: a trained model meets rows it has never seen, and a verdict follows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import (
    Documents,
    Evaluation,
    TokenRows,
    TrainedModel,
    write_json,
)
from textmill.components.base import (
    Component,
    ExternalVersion,
    Input,
    Output,
    canonical_json,
)
from textmill.models.errors import DataError

if TYPE_CHECKING:
    from textmill.components.evaluator.thresholds import Baseline


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What a stage says of its evaluation."""

    slices: tuple[str, ...] = ()
    """Columns by whose values metrics are also given."""
    thresholds: Mapping[str, str] = field(default_factory=dict)
    """What blesses a model: ``{accuracy: ">= 0.60", loss: "< 2"}``; all must hold.
    ``">= pushed - 0.01"`` compares with the newest pushed version of the stage that is
    another model, as it was measured when it was pushed; the first has nothing to
    beat."""
    samples: int = 0
    """causal_lm: texts that the model writes."""
    sample_tokens: int = 200
    """causal_lm: tokens of each of them."""


@dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """An evaluation and the seed of its masks, bootstrap and samples."""

    evaluate: EvaluateConfig
    """What the stage asks for."""
    seed: int = 17
    """Seed of masks, bootstrap resamples and samples."""
    batch: int = 64
    """Rows a forward pass."""
    pushed: str | None = None
    """The folder of the stage's pushed versions, where a threshold speaks of them."""


def evaluate(
    *,
    documents: Input[Documents],
    rows: Input[TokenRows],
    model: Input[TrainedModel],
    evaluation: Output[Evaluation],
    config: EvaluatorConfig,
) -> None:
    """Measures the model on the test split, or on eval where there is no test.

    Raises:
        DataError: the split is empty, or a metric is NaN.
    """
    from textmill.components.evaluator.engine import measure
    from textmill.components.evaluator.thresholds import judge

    split = "test" if rows.splits.get("test") else "eval"
    if not rows.splits.get(split):
        raise DataError(
            f"evaluate: expected rows in split test or eval, found none; "
            f"give datasets.*.split a test share (the splits are {rows.splits})"
        )
    found = measure(split, documents=documents, rows=rows, model=model, config=config)
    pushed = _pushed(config, model.digest, documents.digest)
    thresholds = judge(found["metrics"], config.evaluate.thresholds, pushed)
    blessed = all(t["passed"] for t in thresholds) if thresholds else None
    write_json(
        evaluation.file(evaluation.FILE),
        {**found, "split": split, "thresholds": thresholds, "blessed": blessed},
    )
    evaluation.facts = {
        "task": model.facts["task"],
        "model": model.digest,
        "documents": documents.digest,
        "split": split,
        "blessed": blessed,
    }


def _pushed(config: EvaluatorConfig, model: str, documents: str) -> Baseline | None:
    from textmill.components.evaluator.thresholds import latest_baseline

    if config.pushed is None:
        return None
    return latest_baseline(Path(config.pushed), model=model, documents=documents)


class Evaluator(Component, executor=evaluate):
    """Documents, rows, trained model -> evaluation (TFX: Evaluator)."""

    @classmethod
    def external_versions(
        cls, config: EvaluatorConfig, inputs: Mapping[str, Any]
    ) -> list[ExternalVersion]:
        """Returns the pushed version that the model is compared with, if any."""
        found = _pushed(config, inputs["model"], inputs["documents"])
        if found is None:
            return []
        digest = hashlib.sha256(canonical_json(found.card)).hexdigest()
        return [ExternalVersion("the pushed version", f"{found.version} {digest}")]
