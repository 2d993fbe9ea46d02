"""Macro precision: the mean precision of the labels that occur."""

from __future__ import annotations

from textmill.models.metrics.confusion import MacroMetric


class MacroPrecision(MacroMetric):
    """Mean precision over labels; 0 for a label without a defined precision."""

    score = 0
