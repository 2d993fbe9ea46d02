"""Extractive question answering: the place of an answer in a passage, or none.

A passage longer than a row is read in windows that overlap by half, each with the whole
question before it. The start token stands for "no answer" (Devlin et al., 2018, section
4.3): the score of a span is that of its two ends minus that of the start token in the
same window, and a passage's answer is the span with the highest score of all windows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.answer_threshold import ALWAYS, tune_threshold
from textmill.models.inference import row_batches
from textmill.models.rows import RowReader
from textmill.models.tasks.config import AnswerConfig
from textmill.models.tasks.passage_windows import reference_windows, windows
from textmill.models.tasks.server import Answers, Columns, Document, Server
from textmill.models.tasks.task import Features, Rows, Task, token_losses
from textmill.models.texts import text_columns
from textmill.models.tokenizers import Tokenizer
from textmill.models.tokenizers.offsets import code_points

_EXCLUDED = -1e9
"""Logit of a token that no answer begins or ends with."""
_WINDOWS_A_CALL = 32
_BATCH = 64
_SPACES = r"[\s\p{Z}]+"


class AnswerServer(Server):
    """``answer`` string ``[n]``, empty for none, and its place in the passage.

    ``answer_start`` and ``answer_end`` int32 ``[n]`` count code points of the passage
    as given, -1 without an answer; ``score`` float32 ``[n]``; ``no_answer`` bool
    ``[n]``: the score is below the threshold that was tuned on held-out documents.
    """

    @property
    @override
    def num_texts(self) -> int:
        return 2

    @override
    def rows(self, *texts: tf.Tensor) -> Rows:
        """Packs passages and questions ``[n]`` to windows: see ``passage_windows``."""
        return windows(self._tokenizer, *texts, length=self._length)

    @override
    def reference_rows(self, texts: Sequence[str | Sequence[str]]) -> Rows:
        passages, questions = text_columns(texts, 2)
        return reference_windows(
            self._tokenizer, passages, questions, length=self._length
        )

    @override
    def answer(self, rows: Rows) -> Answers:
        assert isinstance(self._task, Answer)
        passage = rows["passage"]
        first, last, score = self._best_of_windows(rows)
        chosen, score = _best_of_passages(
            score, rows["document"], count=tf.shape(passage)[0]
        )
        start, end = (
            tf.gather(tf.gather(rows[name], chosen), index, batch_dims=1)
            for name, index in (
                ("starts", tf.gather(first, chosen)),
                ("ends", tf.gather(last, chosen)),
            )
        )
        threshold = tf.convert_to_tensor(self._task.threshold)
        none = (score < threshold) | (end <= start)
        start, end = _without_spaces(passage, start, end)
        places = code_points(
            passage,
            tf.RaggedTensor.from_tensor(start[:, None]),
            tf.RaggedTensor.from_tensor(end[:, None]),
        )
        first_point, end_point = (
            tf.where(none, -1, place.flat_values) for place in places
        )
        answer = tf.strings.substr(passage, start, end - start)
        answer = tf.strings.unicode_transcode(answer, "UTF-8", "UTF-8", "replace")
        return {
            "answer": tf.where(none, "", answer),
            "answer_start": first_point,
            "answer_end": end_point,
            "score": score,
            "no_answer": none,
        }

    def _best_of_windows(self, rows: Rows) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns first and last token, and score of each window, ``[windows]``.

        A few windows at a time, so that memory does not grow with a passage.
        """
        count = tf.shape(rows["ids"])[0]
        arrays = [
            tf.TensorArray(dtype, 0, True, infer_shape=False, element_shape=[None])
            for dtype in (tf.int32, tf.int32, tf.float32)
        ]

        def step(begin: tf.Tensor, *arrays: tf.TensorArray) -> tuple[tf.Tensor, ...]:
            part = {
                name: rows[name][begin : begin + _WINDOWS_A_CALL]
                for name in ("ids", "types", "length", "continues")
            }
            best = self._task.best_spans(
                self._features(part) | {"continues": part["continues"]}
            )
            index = begin // _WINDOWS_A_CALL
            written = [a.write(index, b) for a, b in zip(arrays, best, strict=True)]
            return begin + _WINDOWS_A_CALL, *written

        # Once at least, so that no passages give no windows.
        loop = (tf.constant(0), *arrays)
        _, *arrays = tf.while_loop(
            lambda begin, *_: begin < tf.maximum(count, 1), step, loop
        )
        first, last, score = (array.concat() for array in arrays)
        return first, last, score

    @override
    def document_outputs(self, documents: Sequence[Document]) -> Columns:
        """Returns ``answer``, ``score`` and, as JSON text, the right answers."""
        answers = self.call(*([d[name] for d in documents] for name in _TEXTS))
        texts = [text.decode() for text in answers["answer"].numpy()]
        return {
            "answer": texts,
            "score": answers["score"].numpy(),
            "references": [
                json.dumps(_references(d), ensure_ascii=False) for d in documents
            ],
        }


_TEXTS = ("text", "text_2")


def _references(document: Document) -> list[str]:
    """Returns the different right answers of a document, none without one."""
    text = document["text"]
    return list(dict.fromkeys(text[a["start"] : a["end"]] for a in document["answers"]))


def _best_of_passages(
    score: tf.Tensor, document: tf.Tensor, *, count: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the window of the highest score of each passage, and the score.

    Args:
        score: of each window, ``[windows]``.
        document: number of each window's passage, ``[windows]``.
        count: number of passages.
    """
    highest = tf.math.unsorted_segment_max(score, document, count)
    number = tf.range(tf.size(score))
    is_best = score >= tf.gather(highest, document)
    last = tf.size(score)
    first = tf.math.unsorted_segment_min(
        tf.where(is_best, number, last), document, count
    )
    return tf.minimum(first, last - 1), highest


def _without_spaces(
    text: tf.Tensor, start: tf.Tensor, end: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves the byte offsets ``[n]`` of spans past the white space at their ends."""
    span = tf.strings.substr(text, start, end - start)
    after = tf.strings.regex_replace(span, rf"\A{_SPACES}", "", replace_global=False)
    before = tf.strings.regex_replace(after, rf"{_SPACES}\z", "", replace_global=False)
    sizes = (tf.strings.length(part) for part in (span, after, before))
    all_bytes, without_first, kept_bytes = sizes
    start += all_bytes - without_first
    return start, start + kept_bytes


def _cut_ends(tokens: tf.Tensor, continues: tf.Tensor) -> tf.Tensor:
    """Marks the first and last token of windows where the passage goes on.

    Args:
        tokens: the passage's tokens, bool ``[b, length]``, without gaps.
        continues: whether it goes on before and after, bool ``[b, 2]``.
    """
    before = tf.pad(tokens[:, :-1], [[0, 0], [1, 0]])
    after = tf.pad(tokens[:, 1:], [[0, 0], [0, 1]])
    return (~before & continues[:, :1]) | (~after & continues[:, 1:])


class Answer(Task):
    """Predicts first and last token of an answer from the token states.

    Attributes:
        threshold: float32: lowest score of an answer.
    """

    task_config: AnswerConfig = AnswerConfig()
    server_class = AnswerServer

    def _build(self) -> keras.Model:
        self.threshold = self.add_constant("threshold", np.array(ALWAYS, np.float32))
        ends = keras.layers.Dense(
            2,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="ends",
        )(self.family.sequence(self._hidden))
        return keras.Model(self._inputs, ends)

    @override
    def head_flops(self, length: int) -> int:
        return length * 2 * self.config.width * 2

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        pairs = [(text, text) for text in texts]
        rows = super().example_rows(tokenizer, pairs)
        rows = {name: rows[name] for name in ("ids", "types", "length")}
        count = tf.shape(rows["ids"])[0]
        return {**rows, "keys": tf.range(count), "span": tf.zeros([count, 2], tf.int32)}

    @override
    def features(self, rows: Rows) -> Features:
        return {
            "ids": rows["ids"],
            "mask": self._mask(rows, tf.shape(rows["ids"])[1]),
            "types": rows["types"],
            "targets": rows["span"],
            "weights": tf.ones_like(rows["span"][:, 0], tf.float32),
        }

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Sums the mean loss of both ends of each row; a hit is right in both."""
        logits, allowed = self._end_logits(features, training=training)
        first = tf.range(tf.shape(allowed)[1]) == 0
        logits = tf.where((allowed | first)[:, None], logits, _EXCLUDED)
        losses, hits = token_losses(logits, features["targets"])  # [batch, 2]
        weights = features["weights"]
        return {
            "loss": tf.reduce_mean(losses, axis=1) * weights,
            "weight": weights,
            "correct": tf.reduce_prod(hits, axis=1) * weights,
        }

    def _end_logits(
        self, features: Features, *, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns float32 ``[batch, 2, length]``, and the passage's tokens, bool."""
        ends = tf.cast(self.logits(features, training=training), tf.float32)
        # The second part of a row ends with the end token.
        length = tf.reduce_sum(features["mask"], axis=1, keepdims=True)
        position = tf.range(tf.shape(ends)[1])[None, :]
        allowed = (features["types"] > 0) & (position < length - 1)
        return tf.transpose(ends, [0, 2, 1]), allowed

    def best_spans(self, features: Features) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns first token, last token and score of each row's best span, ``[b]``.

        At an end of a window where the passage goes on, a span may be cut, and is whole
        in the next window: there, none begins or ends (feature ``continues``, bool
        ``[b, 2]``). A row without a token of the passage has the span of token 0, and a
        very low score.
        """
        logits, allowed = self._end_logits(features)
        allowed &= ~_cut_ends(allowed, features["continues"])
        none = tf.reduce_sum(logits[:, :, 0], axis=1)
        start, end = tf.unstack(tf.where(allowed[:, None], logits, _EXCLUDED), axis=1)
        length = tf.shape(start)[1]
        pairs = start[:, :, None] + end[:, None, :]  # [batch, first, last]
        position = tf.range(length)
        size = position[None, :] - position[:, None] + 1  # [first, last]
        fits = (size > 0) & (size <= self.task_config.max_answer_tokens)
        fits &= allowed[:, :, None] & allowed[:, None, :]
        flat = tf.reshape(tf.where(fits, pairs, 2 * _EXCLUDED), [-1, length * length])
        best = tf.argmax(flat, axis=1, output_type=tf.int32)
        score = tf.reduce_max(flat, axis=1) - none
        return best // length, best % length, score

    @override
    def predictions(self, features: Features) -> dict[str, tf.Tensor]:
        first, last, score = self.best_spans(features)
        return {"span": tf.stack([first, last], axis=1), "score": score}

    @override
    def tune(self, rows: RowReader, *, seed: int) -> None:
        """Sets the threshold of the most exact answers, if there are held-out rows."""
        if not len(rows):
            return
        columns = zip(*self._judged_rows(rows, seed), strict=True)
        score, right, has, opens = map(np.concatenate, columns)
        document = np.cumsum(opens) - 1
        self.threshold.assign(tune_threshold(score, right, has, document=document))

    def _judged_rows(
        self, rows: RowReader, seed: int
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields scores, right answers, and rows that hold one, or open a document."""
        call = tf.function(self.predictions, autograph=False)
        opens = rows.column("opens") > 0
        continues = np.stack([~opens, ~np.append(opens[1:], True)], axis=1)
        for number, batch in enumerate(row_batches(rows, _BATCH, seed)):
            size = int(batch["valid"].sum())
            features = self.features({k: tf.constant(v) for k, v in batch.items()})
            index = np.minimum(number * _BATCH + np.arange(_BATCH), len(rows) - 1)
            features["continues"] = tf.constant(continues[index])
            outputs = {k: v.numpy()[:size] for k, v in call(features).items()}
            span = batch["span"][:size]
            right = np.all(outputs["span"] == span, axis=1)
            yield outputs["score"], right, span[:, 1] > 0, batch["opens"][:size]
