"""Calibration: encoder and linear model become one classifier with honest confidence.

Reading order: this file (config, verb, noun), then ``engine.py``. The fit itself is in
``textmill.models.calibrated``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from textmill.components.artifacts import Predictions, TrainedModel
from textmill.components.base import Component, Input, Output
from textmill.models.calibrated import CalibrateConfig


@dataclass(frozen=True, kw_only=True)
class CalibratorConfig:
    """The knobs of a stage's calibration."""

    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    """Confidence of the answers."""


def calibrate(
    *,
    encoder: Input[TrainedModel] | None = None,
    encoder_predictions: Input[Predictions] | None = None,
    linear: Input[TrainedModel] | None = None,
    linear_predictions: Input[Predictions] | None = None,
    model: Output[TrainedModel],
    predictions: Output[Predictions],
    config: CalibratorConfig,
) -> None:
    """Joins the trained models of a stage, or calibrates the only one.

    The weights are fitted to held-out predictions. Where the joint model is not better
    than the linear one there, the linear model is used alone.

    Raises:
        IntegrityError: predictions are of other rows, or of another model.
    """
    from textmill.components.calibrator.engine import Part, join_parts

    parts = {
        "encoder": Part.of(encoder, encoder_predictions),
        "linear": Part.of(linear, linear_predictions),
    }
    join_parts(
        {name: part for name, part in parts.items() if part},
        model=model,
        predictions=predictions,
        risk=config.calibrate.abstain,
    )


class Calibrator(Component, executor=calibrate):
    """Trained models, their predictions -> calibrated classifier, its predictions."""
