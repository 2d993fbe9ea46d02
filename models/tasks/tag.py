"""Tagging: spans of a text and their labels, as in named-entity recognition."""

from __future__ import annotations

import json
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.targets import Tags
from textmill.models.tasks.server import Answers, Columns, Document, Server, to_python
from textmill.models.tasks.tagged_spans import dense_spans
from textmill.models.tasks.task import Features, Rows, Task
from textmill.models.tasks.viterbi import IMPOSSIBLE, decode_tags
from textmill.models.tasks.windows import Windows
from textmill.models.tokenizers import Tokenizer
from textmill.models.tokenizers.offsets import Characters, char_ranges

_WINDOWS_A_CALL = 64


class TagServer(Server):
    """Spans in the order of the text, padded with empty labels, all ``[n, most]``:
    ``span_label`` and ``span_text`` string, ``span_start`` and ``span_end`` int32, in
    code points of the text as given, and ``span_score`` float32, the lowest
    probability of the span's tokens.

    A text longer than a row is read by overlapping windows.
    """

    @override
    def rows(self, *texts: tf.Tensor) -> Rows:
        """Packs windows: ids ``[windows, longest]``; the texts; places of tokens."""
        [text] = texts
        ids, starts, ends = self._tokenizer.tokenize_with_offsets(text)
        windows = Windows.of(ids, self._tokenizer.specials, self._length)
        return {
            "ids": windows.ids,
            "length": windows.length,
            "row": windows.row,
            "column": windows.column,
            "text": text,
            "splits": ids.row_splits,
            "starts": starts.flat_values,
            "ends": ends.flat_values,
        }

    @override
    def answer(self, rows: Rows) -> Answers:
        """Decodes the tags of whole texts, and the spans of characters in them."""
        places = tf.stack([rows["row"], rows["column"]], 1)
        logits = tf.gather_nd(self._logits(rows), places)
        given = Characters.of(rows["text"])
        tokens = char_ranges(
            rows["text"], given, rows["starts"], rows["ends"], rows["splits"]
        )
        tokens = given.without_spaces(tokens)
        scores = tf.nn.log_softmax(logits)  # [tokens, classes]
        # A span does not begin with a token of spaces alone.
        firsts = tf.range(tf.shape(scores)[1]) % 2 == 1
        is_blank = tokens.ends <= tokens.starts
        blocked = tf.where(is_blank[:, None] & firsts, IMPOSSIBLE, scores)
        tags = decode_tags(blocked, rows["splits"])
        return dense_spans(
            tags,
            tf.exp(tf.gather(scores, tags, batch_dims=1)),
            tokens,
            given=given,
            splits=rows["splits"],
            labels=self.options.labels,
        )

    def _logits(self, rows: Rows) -> tf.Tensor:
        """Returns the logits of all windows, float32 ``[windows, longest, classes]``.

        A few windows at a time, so that a long text does not need their attention all
        at once.
        """
        features = self._features(rows)
        count = tf.shape(rows["ids"])[0]
        num_classes = 1 + 2 * self._task.num_labels
        logits = tf.TensorArray(
            tf.float32, 0, True, infer_shape=False, element_shape=[None, None, None]
        )

        def step(
            begin: tf.Tensor, logits: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.TensorArray]:
            part = {k: v[begin : begin + _WINDOWS_A_CALL] for k, v in features.items()}
            value = tf.cast(self._task.logits(part), tf.float32)
            logits = logits.write(begin // _WINDOWS_A_CALL, value)
            return begin + _WINDOWS_A_CALL, logits

        # Once at least, so that no texts give no logits.
        _, logits = tf.while_loop(
            lambda begin, _: begin < tf.maximum(count, 1), step, (0, logits)
        )
        joined = logits.concat()
        joined.set_shape([None, None, num_classes])
        return joined

    @override
    def document_outputs(self, documents: Sequence[Document]) -> Columns:
        """Returns ``spans``: JSON lists of start, end, label, score and text."""
        answers = self.call([document["text"] for document in documents])
        return {
            "spans": [
                json.dumps(answer["spans"], ensure_ascii=False, sort_keys=True)
                for answer in to_python(answers, len(documents))
            ]
        }

    @override
    def reference_rows(self, texts: Sequence[str | Sequence[str]]) -> Rows:
        """Packs texts one at a time, and pads windows to the full length."""
        alone = [self.rows(tf.constant([text])) for text in texts]
        width, pad = self._length, self._tokenizer.specials.pad
        bases = np.cumsum([0, *(len(rows["ids"]) for rows in alone)])
        tokens = np.cumsum([0, *(len(rows["row"]) for rows in alone)])
        joined = {
            name: tf.concat([rows[name] for rows in alone], 0)
            for name in ("length", "column", "text", "starts", "ends")
        }
        return joined | {
            "ids": tf.concat([_padded(rows["ids"], width, pad) for rows in alone], 0),
            "row": tf.concat(
                [r["row"] + int(b) for r, b in zip(alone, bases, strict=False)], 0
            ),
            "splits": tf.constant(tokens, tf.int64),
        }


def _padded(ids: tf.Tensor, width: int, pad: int) -> tf.Tensor:
    missing = width - ids.shape[1]
    return tf.pad(ids, [[0, 0], [0, missing]], constant_values=pad)


class Tag(Task):
    """Predicts the IOB2 tag of every token from its hidden state."""

    server_class = TagServer

    def _build(self) -> keras.Model:
        states = self.family.sequence(self._hidden)
        states = keras.layers.Dropout(self.config.dropout, name="dropout")(states)
        logits = keras.layers.Dense(
            1 + 2 * self.num_labels,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="logits",
        )(states)
        return keras.Model(self._inputs, logits)

    @override
    def head_flops(self, length: int) -> int:
        return length * 2 * self.config.width * (1 + 2 * self.num_labels)

    @override
    def features(self, rows: Rows) -> Features:
        width = tf.shape(rows["ids"])[1]
        tags = tf.cast(rows["tags"][:, :width], tf.int32)
        counts = tags != Tags.IGNORED
        return {
            "ids": rows["ids"],
            "mask": self._mask(rows, width),
            "targets": tf.where(counts, tags, 0),
            "weights": tf.cast(counts, tf.float32),
        }

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        ids, length = tokenizer.pack(tf.constant(list(texts)), self._row_length)
        ids = _padded(ids, self._row_length, tokenizer.specials.pad)
        place = tf.range(self._row_length)[None, :]
        inner = (place > 0) & (place < length[:, None] - 1)
        tags = tf.where(inner, place % (1 + 2 * self.num_labels), Tags.IGNORED)
        keys = tf.range(len(texts))
        return {"ids": ids, "length": length, "tags": tags, "keys": keys}

    @property
    def _row_length(self) -> int:
        return self.config.sequence_length
