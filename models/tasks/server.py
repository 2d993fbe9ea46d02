"""Base class: a task and its tokenizer as one graph, from texts to answers.

A subclass is in the file of its task and names its answers; every export format writes
this graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from textmill.models.tasks.task import Rows, Task
    from textmill.models.tokenizers import Tokenizer

Answers = dict[str, tf.Tensor]
Document = Mapping[str, Any]
Columns = dict[str, np.ndarray | list[str]]


@dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """Values that a server needs and a model does not contain."""

    labels: tuple[str, ...] = ()
    """Names of a classifier's labels."""
    num_tokens: int = 64
    """causal_lm: number of tokens to generate after a text."""


class Server(tf.Module):
    """Base class of a served task: texts become rows, rows become answers."""

    def __init__(
        self, task: Task, tokenizer: Tokenizer, options: ServingOptions
    ) -> None:
        super().__init__()
        self._task, self._tokenizer, self.options = task, tokenizer, options
        self._model = task.model
        # An export holds the tensors of a server's attributes.
        self._constants = dict(task.constants)
        self._graph: Any = None

    @property
    def _length(self) -> int:
        return self._task.config.sequence_length

    def rows(self, text: tf.Tensor) -> Rows:
        """Packs texts ``[n]`` to ids ``[n, longest]`` and length ``[n]``."""
        ids, length = self._tokenizer.pack(text, self._length)
        return {"ids": ids, "length": length}

    def answer(self, rows: Rows) -> Answers:
        """Answers rows."""
        raise NotImplementedError

    def document_outputs(self, documents: Sequence[Document]) -> Columns:
        """Returns the columns that metrics need for documents, by the served graph.

        Only tasks whose row in ``TASKS`` predicts documents have them. Lists, such as
        spans, are columns of JSON text.
        """
        raise NotImplementedError

    def split_outputs(
        self, documents: Iterable[Document], *, batch: int
    ) -> Iterator[tuple[list[Document], Columns]]:
        """Yields the documents of a split in batches, each with its columns."""
        rest = iter(documents)
        while part := list(islice(rest, batch)):
            yield part, self.document_outputs(part)

    def call(self, *texts: Sequence[str]) -> Answers:
        """Answers texts by the graph that exports write; traced once."""
        if self._graph is None:
            self._graph = tf.function(
                lambda *texts: self.answer(self.rows(*texts)),
                input_signature=[tf.TensorSpec([None], tf.string)] * len(texts),
                autograph=False,
            )
        answers: Answers = self._graph(*(tf.constant(list(t)) for t in texts))
        return answers

    def signatures(self) -> dict[str, Callable[[tf.Tensor], Answers]]:
        """Returns the further functions of texts ``[n]`` that an export offers."""
        return {}

    def reference_rows(self, texts: Sequence[str]) -> Rows:
        """Packs texts as training does: offline, one at a time, to the full length."""
        s = self._tokenizer.specials
        tokens = [self._tokenizer(tf.constant([t])).to_list()[0] for t in texts]
        rows = [[s.start, *ids[: self._length - 2], s.end] for ids in tokens]
        return padded_rows(rows, length=self._length, pad=s.pad)

    def reference_answers(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Returns the trained model's answers, computed without the exported graph."""
        answers = tf.function(self.answer, autograph=False)(self.reference_rows(texts))
        return to_python(answers, len(texts))

    def _features(self, rows: Rows) -> dict[str, tf.Tensor]:
        positions = tf.range(tf.shape(rows["ids"])[1])[None, :]
        mask = tf.cast(positions < rows["length"][:, None], tf.int32)
        return {"ids": rows["ids"], "mask": mask}


def padded_rows(rows: list[list[int]], *, length: int, pad: int) -> Rows:
    """Returns ids ``[n, length]``, padded on the right, and length ``[n]``."""
    ids = np.full((len(rows), length), pad, np.int32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    sizes = np.array([len(row) for row in rows], np.int32)
    return {"ids": tf.constant(ids), "length": tf.constant(sizes)}


def to_python(answers: dict[str, tf.Tensor], count: int) -> list[dict[str, Any]]:
    """Returns one dict a text: strings, floats, and lists of them by output name.

    The empty strings at the end of lists are padding.
    """
    columns = {}
    for name, value in answers.items():
        items = value.numpy().tolist()
        if value.dtype == tf.string:
            items = [_strings(item) for item in items]
        columns[name] = items
    return [{name: c[i] for name, c in columns.items()} for i in range(count)]


def _strings(item: bytes | list[bytes]) -> str | list[str]:
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    return [part.decode(errors="replace") for part in item if part]
