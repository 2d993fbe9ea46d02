"""The answers of an ensemble, from the stored answers of its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from textmill.models.calibrated.fit import log_probabilities
from textmill.models.ensemble import MeanName


def mean_answers(members: Sequence[np.ndarray], mean: MeanName) -> np.ndarray:
    """Returns float32 ``[rows, labels]``.

    Args:
        members: probabilities of each member, float32 ``[rows, labels]``.
        mean: of probabilities or of logits.
    """
    if mean == "probabilities":
        average = np.mean(np.stack(members), axis=0, dtype=np.float64)
    else:
        logs = log_probabilities(list(members))  # [members, rows, labels]
        average = softmax(logs.mean(axis=0), axis=1)
    answers: np.ndarray = average.astype(np.float32)
    return answers
