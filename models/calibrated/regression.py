"""The joint regression as one graph."""

from __future__ import annotations

import tensorflow as tf
from typing_extensions import override

from textmill.models.calibrated.server import JointServer
from textmill.models.tasks.server import Answers


class RegressionServer(JointServer):
    """``number`` float32 ``[n]``."""

    output = "number"

    @override
    def join(self, encoder: tf.Tensor | None, logits: tf.Tensor | None) -> Answers:
        number = 0.0
        if encoder is not None:
            number += self._calibration.encoder * encoder
        if logits is not None:
            number += self._calibration.linear * logits[:, 0]
        return {"number": number}
