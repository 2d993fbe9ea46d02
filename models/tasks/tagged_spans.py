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
    given: Characters,
    splits: tf.Tensor,
    labels: Sequence[str],
) -> dict[str, tf.Tensor]:
    """Returns label, start, end, score and text of spans, each ``[n, most]``.

    Args:
        tags: legal IOB2 classes of the tokens of all texts, int32 ``[tokens]``.
        probabilities: of these classes, float32 ``[tokens]``.
        tokens: the characters of each, without spaces around them.
        given: the characters of the texts ``[n]``.
        splits: where the tokens of each text start and end, int64 ``[n + 1]``.
        labels: names by number.
    """
    begins = tags % 2 == 1
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # of the span of a token
    inside = tags > 0
    text, label = (
        tf.boolean_mask(values, begins)
        for values in (row_of_values(splits), (tags - 1) // 2)
    )
    # Tokens of spaces begin and end nothing.
    has_text = inside & (tokens.ends > tokens.starts)
    owner, count = tf.boolean_mask(number, has_text), tf.size(text)
    start = tf.math.unsorted_segment_min(
        tf.boolean_mask(tokens.starts, has_text), owner, count
    )
    end = tf.math.unsorted_segment_max(
        tf.boolean_mask(tokens.ends, has_text), owner, count
    )
    score = tf.math.unsorted_segment_min(
        tf.boolean_mask(probabilities, inside), tf.boolean_mask(number, inside), count
    )
    is_span = end > start
    text, label, start, end, score = (
        tf.boolean_mask(values, is_span) for values in (text, label, start, end, score)
    )
    # Not by ``substr``, which would copy a long text once for each of its spans.
    points = tf.gather(given.points, tf.ragged.range(start, end))
    base = tf.gather(given.splits, text)
    spans = {
        "span_label": tf.gather(tf.constant(labels, tf.string), label),
        "span_start": start - base,
        "span_end": end - base,
        "span_score": score,
        "span_text": tf.strings.unicode_encode(points, "UTF-8"),
    }
    num_texts = tf.size(splits) - 1
    sizes = tf.math.bincount(text, minlength=num_texts, maxlength=num_texts)
    return {
        name: tf.RaggedTensor.from_row_lengths(
            values, tf.cast(sizes, tf.int64), validate=False
        ).to_tensor()
        for name, values in spans.items()
    }
