"""SentencePiece's op over a model that outlives TensorFlow's kernels."""

from __future__ import annotations

import hashlib

import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.python.ops.sentencepiece_tokenizer import (
    gen_sentencepiece_tokenizer,
)


class _NamedModel(tf.saved_model.experimental.TrackableResource):
    """A SentencePiece model shared under its digest.

    The op's own resource belongs to its kernel, and is lost when TensorFlow drops its
    kernels, as in ``keras.utils.set_random_seed`` and ``clear_session``.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__()
        self._model = model
        _ = self.resource_handle

    def _create_resource(self) -> tf.Tensor:
        name = f"sentencepiece_{hashlib.sha256(self._model).hexdigest()}"
        return gen_sentencepiece_tokenizer.sentencepiece_op(
            model=self._model, shared_name=name
        )


def named_tokenizer(model: bytes) -> tf_text.SentencepieceTokenizer:
    """Returns the op for a model, shared by all tokenizers of the same model."""
    op = tf_text.SentencepieceTokenizer(model, out_type=tf.int32)
    op._model_resource = _NamedModel(model)
    return op
