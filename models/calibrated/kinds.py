"""The fit of joint models by kind of target: which output is joined, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from textmill.models.calibrated.fit import Comparison, compare, fit_calibration
from textmill.models.calibrated.labels import compare_labels, fit_labels
from textmill.models.calibrated.number import compare_numbers, fit_number

Outputs = Mapping[str, np.ndarray]
"""The joined output of each part, ``[rows, ...]``, by ``encoder`` and ``linear``."""


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


def compare_parts(
    kind: str, outputs: Outputs, targets: np.ndarray, groups: np.ndarray | None
) -> Comparison:
    """Compares the joint model with the linear model on held-out documents."""
    comparing = {
        "label": compare,
        "labels": compare_labels,
        "number": compare_numbers,
    }[kind]
    return comparing(outputs["encoder"], outputs["linear"], targets, groups)


def fit_parts(
    kind: str,
    outputs: Outputs,
    targets: np.ndarray,
    *,
    risk: float,
    groups: np.ndarray | None,
) -> JointCalibration:
    """Fits the weights of one or both parts to held-out documents.

    Args:
        kind: kind of target.
        outputs: of the parts.
        targets: of the same documents.
        risk: kind label: highest share of errors among confident answers.
        groups: group of each document; None if each stands for itself.
    """
    encoder, linear = outputs.get("encoder"), outputs.get("linear")
    if kind == "labels":
        return fit_labels(encoder, linear, targets, groups=groups)
    if kind == "number":
        return fit_number(encoder, linear, targets, groups=groups)
    return fit_calibration(encoder, linear, targets, risk=risk, groups=groups)
