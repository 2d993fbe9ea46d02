"""A toy metric: the mean probability of the true label."""

import numpy as np

from textmill.models.metrics import MetricRow
from textmill.models.metrics.metric import Metric

ROW = MetricRow(
    path="toy_metric:Confidence",
    range=(0.0, 1.0),
    higher_is_better=True,
    tasks=("classify",),
)


class Confidence(Metric):
    """Mean probability of the true label."""

    def statistics(self, rows):
        """Returns the probability of each row's label, and ones."""
        of_label = rows["probabilities"][np.arange(len(rows)), rows["target"]]
        return np.stack([of_label, np.ones(len(rows))]).astype(np.float64)
