"""The joint model: encoder and linear model answer together.

The answer of a classifier is ``softmax(a * log p_encoder + b * log p_linear)``. Both
weights are at least zero and are fitted on held-out predictions, so they set the
temperature too. Labels that are decided one by one have the same two weights for their
log odds; a number is the weighted mean of two. A model without one of the parts is
calibrated alone. Reading order: this file (its knobs); ``fit.py`` (weights and
threshold from predictions), ``labels.py`` and ``number.py`` (the other targets),
``kinds.py`` (the three by name); ``model.py`` (files); ``server.py`` with
``classifier.py``, ``multilabel.py`` and ``regression.py`` (the served graphs);
``joint.py`` (the loaded model). Importing this package loads no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.models.checks import Bounds, check_bounds
from textmill.models.ensemble import EnsembleName


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """Confidence of a classifier's answers."""

    abstain: Annotated[float, Bounds(above=0, below=1)] = 0.05
    """Highest share of errors among the answers marked ``confident``. The threshold of
    confidence comes from held-out documents; an answer below it should go to a
    person or to a larger model."""
    ensemble: EnsembleName = "probabilities"
    """With folds: the encoders of all folds answer together, by the mean of their
    probabilities or of their logits; or one encoder is distilled from them, which is as
    fast as one of them. It learns from all folds but the last, which calibrates it: the
    labels and the teachers' out-of-fold probabilities count alike (Hinton et al.,
    2015)."""

    def __post_init__(self) -> None:
        check_bounds(self)
