"""Ensembles: encoders of one shape, each trained without another fold, answer as one.

An answer is the mean of the members' probabilities, or of their logits, which is the
normalized geometric mean of the probabilities. ``mean.py`` computes it for stored
predictions, ``graph.py`` in the served graph. Importing this package loads no
TensorFlow.
"""

from __future__ import annotations

from typing import Literal

FAMILY = "ensemble"
"""The family in the facts of an ensemble."""
MeanName = Literal["probabilities", "logits"]
EnsembleName = Literal["probabilities", "logits", "distilled"]


def member_prefix(number: int) -> str:
    """Returns the start of the names of a member's tensors, counted from 1."""
    return f"{number}/"
