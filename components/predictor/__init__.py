"""Prediction: stores a trained model's outputs for a split, for all evaluations."""

from __future__ import annotations

from dataclasses import dataclass

from textmill.components.artifacts import (
    Documents,
    Predictions,
    TokenRows,
    TrainedModel,
)
from textmill.components.base import Component, Input, Output
from textmill.models.generation.config import GenerateConfig


@dataclass(frozen=True, kw_only=True)
class PredictorConfig:
    """The columns and samples of the predictions of a stage."""

    slices: tuple[str, ...] = ()
    """Columns of the documents that are copied to the predictions; a document without
    one has the value ``(none)``."""
    group: str | None = None
    """Column whose values mark documents that belong together, copied likewise: the one
    that splits the data set."""
    samples: int = 0
    """causal_lm: number of texts that the model generates."""
    sample_tokens: int = 200
    """causal_lm: tokens of each generated text."""
    seed: int = 17
    """Seed of masks and samples."""
    generate: GenerateConfig | None = None
    """How a model writes the texts that are measured."""
    held_out: bool = False
    """Also writes the eval split, to which a calibration is fitted."""
    fold: int | None = None
    """Fold that the model has not seen, counted from 1, in place of eval."""
    batch: int = 64
    """Rows of a forward pass."""


def predict(
    *,
    documents: Input[Documents],
    rows: Input[TokenRows] | None = None,
    model: Input[TrainedModel],
    predictions: Output[Predictions],
    config: PredictorConfig,
) -> None:
    """Writes the model's outputs for the test split, or for eval without a test split.

    A linear model reads whole documents and takes no rows.

    Raises:
        ConfigError: a slice names no column.
    """
    from textmill.components.predictor.engine import predict_splits

    predict_splits(
        documents=documents,
        rows=rows,
        model=model,
        predictions=predictions,
        config=config,
    )


class Predictor(Component, executor=predict):
    """Documents, [rows], trained model -> predictions."""
