"""Ensembling: the models of all folds become one, with out-of-fold predictions.

Encoders become an ensemble, linear models their mean. ``engine.py`` has the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from textmill.components.artifacts import Predictions, TrainedModel
from textmill.components.base import Component, Input, Output
from textmill.models.ensemble import MeanName


@dataclass(frozen=True, kw_only=True)
class EnsemblerConfig:
    """The mean of the members."""

    mean: MeanName = "probabilities"
    """Encoders: mean of their probabilities, or of their logits. Linear models always
    have the mean of their logits, which is a linear model too."""
    held_out: int | None = None
    """Fold whose out-of-fold predictions alone are written, counted from 1. Not set:
    those of all folds."""


def ensemble(
    *,
    members: dict[str, Input[TrainedModel]],
    member_predictions: dict[str, Input[Predictions]],
    model: Output[TrainedModel],
    predictions: Output[Predictions],
    config: EnsemblerConfig,
) -> None:
    """Writes the model of all members, named by fold, and its predictions.

    For the documents of folds these are out-of-fold predictions, each by the member
    that has not seen the document; for test, the mean of all members.

    Raises:
        IntegrityError: predictions are of other rows, or of another model.
    """
    from textmill.components.ensembler.engine import combine

    combine(members, member_predictions, model, predictions, config)


class Ensembler(Component, executor=ensemble):
    """Models and predictions by fold -> one model, its predictions."""
