"""Tags of tokens become spans of characters, as dense outputs of the graph."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from textmill.models.tokenizers.gpt2_pretokenizer import row_of_values
from textmill.models.tokenizers.offsets import Characters, Ranges


def dense_spans(
    tags: tf.Tensor,
    probabilities: tf.Tensor,
    tokens: Ranges,
    *,
    texts: tf.Tensor,
    given: Characters,
    splits: tf.Tensor,
    labels: Sequence[str],
) -> dict[str, tf.Tensor]:
    """Returns label, start, end, score and text of spans, each ``[n, most]``.

    Args:
        tags: legal IOB2 classes of the tokens of all texts, int32 ``[tokens]``.
        probabilities: of these classes, float32 ``[tokens]``.
        tokens: the characters of each, without spaces around them; a first token of a
            span has some.
        texts: string ``[n]``.
        given: their characters.
        splits: where the tokens of each text start and end, int64 ``[n + 1]``.
        labels: names by number.
    """
    begins = tags % 2 == 1
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    inside = tags > 0
    text = tf.boolean_mask(row_of_values(splits), begins)
    count = tf.size(text)
    # Tokens of spaces end nothing.
    ends_span = inside & (tokens.ends > tokens.starts)
    start = tf.boolean_mask(tokens.starts, begins)
    end = tf.math.unsorted_segment_max(
        tf.boolean_mask(tokens.ends, ends_span),
        tf.boolean_mask(number, ends_span),
        count,
    )
    score = tf.math.unsorted_segment_min(
        tf.boolean_mask(probabilities, inside), tf.boolean_mask(number, inside), count
    )
    first_byte = tf.gather(given.starts, start)
    size = tf.gather(given.ends, end - 1) - first_byte
    base = tf.gather(given.splits, text)
    label = tf.gather(tf.constant(labels, tf.string), _label(begins, tags))
    spans = {
        "span_label": label,
        "span_start": start - base,
        "span_end": end - base,
        "span_score": score,
        "span_text": tf.strings.substr(tf.gather(texts, text), first_byte, size),
    }
    num_texts = tf.size(texts)
    sizes = tf.math.bincount(text, minlength=num_texts, maxlength=num_texts)
    return {
        name: tf.RaggedTensor.from_row_lengths(
            values, tf.cast(sizes, tf.int64), validate=False
        ).to_tensor()
        for name, values in spans.items()
    }


def _label(begins: tf.Tensor, tags: tf.Tensor) -> tf.Tensor:
    """Returns the label's number of each span, int32 ``[spans]``."""
    return (tf.boolean_mask(tags, begins) - 1) // 2
