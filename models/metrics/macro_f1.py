"""Macro F1: the mean F1 of the labels that occur."""

from __future__ import annotations

from textmill.models.metrics.confusion import MacroMetric


class MacroF1(MacroMetric):
    """Mean F1 over labels; 0 for a label without a defined F1."""

    score = 2
