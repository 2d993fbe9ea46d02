"""Mean cross-entropy in nats."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows

_SMALLEST = 1e-30


class Loss(Metric):
    """Cross-entropy in nats: of a token for language models, of a row for classifiers.

    A probability below 1e-30 counts as 1e-30, so that one row cannot make it infinite.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        if "loss" in rows:
            return np.stack([rows["loss"], rows["weight"]]).astype(np.float64)
        probabilities = rows["probabilities"].astype(np.float64)
        of_target = probabilities[np.arange(len(rows)), rows["target"]]
        losses = -np.log(np.maximum(of_target, _SMALLEST))
        return np.stack([losses, np.ones(len(rows))])
