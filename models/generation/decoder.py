"""The model as generation sees it: a step from tokens and a state to logits.

A task reads its prompts once and returns the logits of the first token and a state.
Each step then reads one token a row. A state is a dict of tensors, each with the batch
as its first axis, so that beam search can reorder rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from textmill.models.tokenizers import SpecialTokens

State = dict[str, tf.Tensor]
Step = Callable[[tf.Tensor, State], tuple[tf.Tensor, State]]
"""Reads tokens int32 ``[b]``; returns float32 logits ``[b, vocabulary]`` of the next
ones, and the next state."""


@dataclass(frozen=True, eq=False)
class Rules:
    """The tokens that generation treats specially."""

    end: int
    """Ends a text; all tokens after it are end tokens."""
    forbidden: tf.Tensor
    """Bias of logits ``[vocabulary]`` that rules out control tokens."""

    @classmethod
    def of(cls, specials: SpecialTokens, vocabulary_size: int) -> Rules:
        """Returns the rules of a vocabulary: no control token but the end is written.

        One token may pad, start and end, as GPT-2's does; there may be no mask.
        """
        never = {specials.pad, specials.start, specials.mask} - {None, specials.end}
        control = tf.one_hot(sorted(never), vocabulary_size)  # [tokens, vocabulary]
        return cls(specials.end, -1e9 * tf.reduce_sum(control, axis=0))


def loosened(values: Any) -> Any:
    """Returns the shape invariants of loop variables: batch and length may change."""

    def invariant(value: tf.Tensor | tf.TensorArray) -> tf.TensorShape:
        if isinstance(value, tf.TensorArray):
            return tf.TensorShape(None)
        shape = value.shape
        return tf.TensorShape([None] * min(2, shape.rank)).concatenate(shape[2:])

    return tf.nest.map_structure(invariant, values)


def reorder(state: Mapping[str, tf.Tensor], rows: tf.Tensor) -> State:
    """Returns the state of rows int32 ``[n]``, in their order."""
    return {name: tf.gather(value, rows) for name, value in state.items()}
