"""The fit of joint models by kind of target: which output is joined, and how."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from textmill.models.calibrated.fit import Comparison, HeldOut, compare, fit_calibration
from textmill.models.calibrated.labels import compare_labels, fit_labels
from textmill.models.calibrated.number import compare_numbers, fit_number


class JointCalibration(Protocol):
    """Fitted weights of the parts."""

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        ...

    def outputs(
        self, encoder: np.ndarray | None, linear: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns the columns of predictions of the joint model."""
        ...


JOINED_OUTPUT = {"label": "probabilities", "labels": "scores", "number": "number"}
"""The column of predictions that is joined, by kind of target."""


def compare_parts(kind: str, held_out: HeldOut) -> Comparison:
    """Compares the joint model with the linear model on held-out documents."""
    comparing = {
        "label": compare,
        "labels": compare_labels,
        "number": compare_numbers,
    }[kind]
    return comparing(held_out)


def fit_parts(kind: str, held_out: HeldOut, *, risk: float) -> JointCalibration:
    """Fits the weights of one or both parts to held-out documents.

    Args:
        kind: kind of target.
        held_out: the output of each part that is joined, see ``JOINED_OUTPUT``.
        risk: kind label: highest share of errors among confident answers.
    """
    if kind == "labels":
        return fit_labels(held_out)
    if kind == "number":
        return fit_number(held_out)
    return fit_calibration(held_out, risk=risk)
