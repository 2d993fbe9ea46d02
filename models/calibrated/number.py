"""Fits the mean of two regressions to their held-out numbers.

One share suffices: both parts give the number in its own unit. A part alone is taken as
it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from textmill.models.calibrated.fit import (
    NUM_SHARES,
    PARTS,
    Comparison,
    HeldOut,
    standard_error,
)


@dataclass(frozen=True, kw_only=True)
class NumberCalibration:
    """The shares of the parts, which are 1 together.

    Attributes:
        encoder: share of the encoder's number; 0.0 without an encoder.
        linear: share of the linear model's; 0.0 without one.
    """

    encoder: float
    linear: float

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return asdict(self)

    def outputs(
        self, encoder: np.ndarray | None, linear: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns the column of predictions: ``number``, float32 ``[rows]``."""
        parts = ((self.encoder, encoder), (self.linear, linear))
        terms = [share * np.float64(part) for share, part in parts if part is not None]
        return {"number": np.sum(terms, axis=0).astype(np.float32)}


def compare_numbers(held_out: HeldOut) -> Comparison:
    """Compares the joint model with the linear model on held-out documents.

    Args:
        held_out: numbers ``[rows]`` of both parts, and the right ones.
    """
    encoder, linear = (np.float64(held_out.parts[n]) for n in ("encoder", "linear"))
    targets, groups = held_out.targets, held_out.groups
    number_of = np.arange(len(targets)) if groups is None else groups
    joint = np.zeros(len(targets))
    for part in range(PARTS):
        inside = number_of % PARTS == part
        share = _encoder_share(
            encoder[~inside], linear[~inside], targets[~inside], number_of[~inside]
        )
        joint[inside] = share * encoder[inside] + (1 - share) * linear[inside]
    gains = np.square(linear - targets) - np.square(joint - targets)
    return Comparison(
        gain=float(gains.mean()),
        error=standard_error(gains, groups),
        rows=len(targets),
        measure="squared error",
    )


def fit_number(held_out: HeldOut) -> NumberCalibration:
    """Fits the shares to held-out numbers of one or both parts.

    Args:
        held_out: as in ``compare_numbers``, or of one part; without rows, the parts
            count alike.
    """
    encoder, linear, targets = held_out.encoder, held_out.linear, held_out.targets
    if encoder is None or linear is None:
        is_encoder = float(encoder is not None)
        return NumberCalibration(encoder=is_encoder, linear=1.0 - is_encoder)
    share = 0.5
    if len(targets):
        share = _encoder_share(encoder, linear, targets, held_out.groups)
    return NumberCalibration(encoder=share, linear=1.0 - share)


def _encoder_share(
    encoder: np.ndarray,
    linear: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray | None,
) -> float:
    """Returns the encoder's smallest share within one standard error of the best one.

    As for labels (``fit.py``), a worse second opinion should not count for much.
    """
    shares = np.linspace(0.0, 1.0, NUM_SHARES)[:, None]
    joint = shares * np.float64(encoder) + (1 - shares) * np.float64(linear)
    losses = np.square(joint - targets)  # [shares, rows]
    excess = losses - losses[losses.mean(axis=1).argmin()]
    errors = [standard_error(row, groups) for row in excess]
    best = int((excess.mean(axis=1) <= errors).argmax())
    return round(float(shares[best, 0]), 4)
