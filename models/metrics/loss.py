"""Mean cross-entropy in nats."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows

_SMALLEST = 1e-30


class Loss(Metric):
    """Cross-entropy in nats: of a token for language models, of a row for classifiers,
    and with any number of labels a row, the mean of their binary ones.

    A probability below 1e-30 counts as 1e-30, so that one row cannot make it infinite.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        if "loss" in rows:
            return np.stack([rows["loss"], rows["weight"]]).astype(np.float64)
        if "scores" in rows:
            scores, true = rows["scores"].astype(np.float64), rows["target"] > 0
            of_truth = np.where(true, scores, 1.0 - scores)
            losses = -np.log(np.maximum(of_truth, _SMALLEST)).mean(axis=1)
            return np.stack([losses, np.ones(len(rows))])
        probabilities = rows["probabilities"].astype(np.float64)
        of_target = probabilities[np.arange(len(rows)), rows["target"]]
        losses = -np.log(np.maximum(of_target, _SMALLEST))
        return np.stack([losses, np.ones(len(rows))])
