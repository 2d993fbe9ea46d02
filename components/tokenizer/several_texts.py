"""Rows of several texts, and of parts of a long one.

``texts`` keeps the texts of a document apart, for models that read each by itself;
``strides`` gives a document as many rows as its text needs, each with the whole
question where there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.packing import PART, Batch, Packer, Windows, place
from textmill.models.texts import texts_of


def window_count(num_tokens: np.ndarray, room: np.ndarray, stride: np.ndarray) -> Any:
    """Returns how many windows cover a text, the fewest and at least one.

    Window i holds the tokens from ``i * stride`` to ``i * stride + room``.

    Args:
        num_tokens: tokens of each text ``[n]``.
        room: tokens of a window ``[n]``.
        stride: tokens between the beginnings of two windows ``[n]``, at most ``room``.
    """
    return 1 + np.maximum(0, -(-(num_tokens - room) // stride))


class Texts(Packer):
    """[CLS] A [SEP], padded, then [CLS] B [SEP], padded: a document per row.

    A text that is too long loses its end.
    """

    def texts(self, batch: Batch) -> list[str]:
        """Returns the texts of all documents, those of one together."""
        return [text for document in batch for text in texts_of(document)]

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs the texts of every document into a row."""
        num_texts, width = self._schema.texts, self._config.sequence_length
        sizes = np.diff(splits)  # [documents * texts]
        count = np.minimum(sizes, width - 2)
        num = np.arange(len(sizes))
        buffer = np.full((len(sizes), width), self._pad, np.int32)
        target = (num, np.ones_like(num))
        place(buffer, flat, target=target, source=splits[:-1], count=count)
        buffer[:, 0] = self._start
        buffer[num, count + 1] = self._end
        lengths = (count + 2).reshape(-1, num_texts)
        given, out = sizes.sum(), count.sum()
        truncated = (count < sizes).reshape(-1, num_texts).any(axis=1).sum()
        self._count(in_=given, out=out, dropped=given - out)
        self._count(documents=len(lengths), truncated=truncated)
        rows = self._finish(buffer.reshape(len(lengths), -1), lengths.sum(axis=1))
        rows["lengths"] = lengths
        return rows


class Strides(Packer):
    """Windows of a text, with the whole question, if any, in each.

    ``[CLS] window [SEP]``, or ``[CLS] question [SEP] window [SEP]`` where the question
    is the second text of a document; it is cut to half of the row.
    """

    def __init__(self, config: RowLayout, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._has_question = self._schema.parts == "pair"

    def texts(self, batch: Batch) -> list[str]:
        """Returns the texts of all documents, those of one together."""
        return [text for document in batch for text in texts_of(document)]

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs every window into a row."""
        width, num_texts = self._config.sequence_length, 1 + self._has_question
        begins, sizes = splits[:-1:num_texts], np.diff(splits)[::num_texts]
        question = np.zeros_like(sizes)
        if self._has_question:
            question = np.minimum(np.diff(splits)[1::2], (width - 3) // 2)
        # The question is framed by the start token and an end token of its own.
        column = question + 1 + self._has_question
        room = width - 1 - column
        stride = np.minimum(room, self._config.stride or np.maximum(room // 2, 1))
        windows = self._windows(sizes, room, stride, column)
        buffer = self._buffer(len(windows.document))
        num = np.arange(len(buffer))
        source = begins[windows.document] + windows.begin
        target = (num, windows.column)
        place(buffer, flat, target=target, source=source, count=windows.count)
        length = windows.column + windows.count + 1
        buffer[:, 0] = self._start
        buffer[num, length - 1] = self._end
        if self._has_question:
            self._add_questions(buffer, flat, splits[1::2], question, windows)
        self._count_tokens(np.diff(splits), sizes, question, windows)
        self.windows = windows
        return self._finish(buffer, length)

    def _windows(
        self,
        sizes: np.ndarray,
        room: np.ndarray,
        stride: np.ndarray,
        column: np.ndarray,
    ) -> Windows:
        """Returns the windows of texts; each argument is ``[documents]``."""
        num = window_count(sizes, room, stride)
        document = np.repeat(np.arange(len(sizes)), num)
        index = np.arange(len(document)) - np.repeat(np.cumsum(num) - num, num)
        begin = index * stride[document]
        count = np.minimum(room[document], sizes[document] - begin)
        return Windows(document, begin, count, column[document])

    def _add_questions(
        self,
        buffer: np.ndarray,
        flat: np.ndarray,
        begins: np.ndarray,
        question: np.ndarray,
        windows: Windows,
    ) -> None:
        """Writes the question of each row, and marks where its parts begin."""
        num = np.arange(len(buffer))
        target = (num, np.ones_like(num))
        count = question[windows.document]
        source = begins[windows.document]
        place(buffer, flat, target=target, source=source, count=count)
        buffer[num, windows.column - 1] = self._end
        buffer[:, 0] |= PART
        buffer[num, windows.column] |= PART

    def _count_tokens(
        self,
        given: np.ndarray,
        sizes: np.ndarray,
        question: np.ndarray,
        windows: Windows,
    ) -> None:
        """Counts every token once, however many rows hold it."""
        total, out = given.sum(), sizes.sum() + question.sum()
        num_windows = np.bincount(windows.document, minlength=len(sizes))
        truncated = num_windows > 1
        if self._has_question:
            truncated |= question < given[1::2]
        self._count(in_=total, out=out, dropped=total - out)
        self._count(documents=len(sizes), truncated=truncated.sum())
