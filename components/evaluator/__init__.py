"""Evaluation: a trained model meets rows it has never seen, and a verdict follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.artifacts import (
    Documents,
    Evaluation,
    TokenRows,
    TrainedModel,
    write_json,
)
from components.base import Component, Input, Output
from models.faults import DataError


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What a stage says of its evaluation."""

    slices: tuple[str, ...] = ()
    """Columns by whose values metrics are also given."""
    thresholds: Mapping[str, str] = field(default_factory=dict)
    """What blesses a model: ``{accuracy: ">= 0.60", loss: "< 2"}``; all must hold."""
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
    from components.evaluator.measuring import measure
    from components.evaluator.verdict import judge

    split = "test" if rows.splits.get("test") else "eval"
    if not rows.splits.get(split):
        raise DataError(
            f"evaluate: expected rows in split test or eval, found none; "
            f"give datasets.*.split a test share (the splits are {rows.splits})"
        )
    found = measure(split, documents=documents, rows=rows, model=model, config=config)
    thresholds = judge(found["metrics"], config.evaluate.thresholds)
    blessed = all(t["passed"] for t in thresholds) if thresholds else None
    write_json(
        evaluation.file(evaluation.FILE),
        {**found, "split": split, "thresholds": thresholds, "blessed": blessed},
    )
    evaluation.facts = {
        "task": model.facts["task"],
        "model": model.digest,
        "split": split,
        "blessed": blessed,
    }


class Evaluator(Component, executor=evaluate):
    """Documents, rows, trained model -> evaluation (TFX: Evaluator)."""
