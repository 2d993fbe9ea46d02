"""Macro recall: the mean recall of the labels that occur."""

from __future__ import annotations

from textmill.models.metrics.confusion import MacroMetric


class MacroRecall(MacroMetric):
    """Mean recall over labels; 0 for a label without a defined recall."""

    score = 1
