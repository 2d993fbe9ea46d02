"""Scores of a linear model on held-out documents, and its temperature.

More is better. The score of labels is the negative loss and not the accuracy, which is
decided by chance between models of nearly equal costs. One more document than there are
is taken to be wrong (Platt, 1999), or answers without an error would be certain.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from textmill.models.linear.model import LinearModel

_LARGEST_TEMPERATURE = 20.0


def calibrate(
    model: LinearModel, logits: np.ndarray, targets: np.ndarray
) -> tuple[LinearModel, float]:
    """Returns the model at the temperature of the lowest loss, and its score.

    The score is the negative loss of labels, or the negative squared error of numbers,
    which have no temperature.

    Args:
        model: the model.
        logits: its logits of documents, ``[documents, outputs]``.
        targets: of the same documents, as ``fit_linear`` takes them.
    """
    if model.kind == "number":
        return model, -float(np.square(logits[:, 0] - targets).mean())
    loss = (_label_loss if model.kind == "label" else _labels_loss)(logits, targets)
    optimum = minimize_scalar(
        loss, bounds=(0.05, _LARGEST_TEMPERATURE), method="bounded"
    )
    temperature = round(float(optimum.x), 3)
    return model.at(temperature), -loss(temperature)


def _label_loss(logits: np.ndarray, targets: np.ndarray) -> Callable[[float], float]:
    """Returns the mean log loss of one label a document by temperature."""
    size, num_labels = logits.shape
    truth = np.full(logits.shape, 1 / (size + 2) / max(num_labels - 1, 1))
    truth[np.arange(size), targets] = (size + 1) / (size + 2)

    def loss(temperature: float) -> float:
        return -float((truth * log_softmax(logits / temperature, axis=1)).sum() / size)

    return loss


def _labels_loss(logits: np.ndarray, targets: np.ndarray) -> Callable[[float], float]:
    """Returns the mean log loss of any number of labels a document by temperature."""
    size = len(logits)
    truth = (targets.astype(bool) * size + 1) / (size + 2)

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        terms = truth * log_expit(scaled) + (1 - truth) * log_expit(-scaled)
        return -float(terms.sum() / size)

    return loss
