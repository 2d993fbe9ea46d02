"""Base class: a task and its tokenizer as one graph, from texts to answers.

A subclass is in the file of its task and names its answers; every export format writes
this graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from textmill.models.generation.config import GenerateConfig
from textmill.models.texts import pair_sizes, text_columns

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
    generate: GenerateConfig = field(default_factory=GenerateConfig)
    """How a model writes texts."""
    seed: int = 17
    """Seed of the tokens that it draws."""


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

    @property
    def num_texts(self) -> int:
        """Number of texts for an answer."""
        return 2 if self._task.pair else 1

    def rows(self, *texts: tf.Tensor) -> Rows:
        """Packs texts, each ``[n]``, to ids ``[n, longest]`` and length ``[n]``.

        Pairs also have types ``[n, longest]``, 1 in the second text.
        """
        if len(texts) == 2:
            return pack_pairs(self._tokenizer, *texts, length=self._length)
        ids, length = self._tokenizer.pack(*texts, self._length)
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

    def signatures(self) -> dict[str, Callable[..., Answers]]:
        """Returns the further functions of texts ``[n]`` that an export offers."""
        return {}

    def graphs(self) -> dict[str, Any]:
        """Returns the further signatures with inputs of their own: ``named_graph``."""
        return {}

    def reference_rows(self, texts: Sequence[str | Sequence[str]]) -> Rows:
        """Packs texts as training does: offline, one at a time, to the full length.

        Args:
            texts: single texts, or pairs.
        """
        s, tokens = self._tokenizer.specials, self._tokens
        columns = text_columns(texts, self.num_texts)
        if len(columns) == 1:
            rows = [
                [s.start, *tokens(text)[: self._length - 2], s.end]
                for text in columns[0]
            ]
            return padded_rows(rows, length=self._length, pad=s.pad)
        pairs = [
            _fitted(tokens(first), tokens(second), self._length - 3)
            for first, second in zip(*columns, strict=True)
        ]
        rows = [[s.start, *first, s.end, *second, s.end] for first, second in pairs]
        packed = padded_rows(rows, length=self._length, pad=s.pad)
        types = np.zeros((len(rows), self._length), np.int32)
        for row, (first, second) in zip(types, pairs, strict=True):
            row[len(first) + 2 : len(first) + len(second) + 3] = 1
        return packed | {"types": tf.constant(types)}

    def _tokens(self, text: str | bytes) -> list[int]:
        ids: list[int] = self._tokenizer(tf.constant([text])).to_list()[0]
        return ids

    def reference_answers(
        self, texts: Sequence[str | Sequence[str]]
    ) -> list[dict[str, Any]]:
        """Returns the trained model's answers, computed without the exported graph."""
        answers = tf.function(self.answer, autograph=False)(self.reference_rows(texts))
        return to_python(answers, len(texts))

    def _features(self, rows: Rows) -> dict[str, tf.Tensor]:
        positions = tf.range(tf.shape(rows["ids"])[1])[None, :]
        mask = tf.cast(positions < rows["length"][:, None], tf.int32)
        types = {"types": rows["types"]} if "types" in rows else {}
        return {"ids": rows["ids"], "mask": mask, **types}


def _fitted(
    first: list[int], second: list[int], room: int
) -> tuple[list[int], list[int]]:
    a, b = pair_sizes(len(first), len(second), room)
    return first[:a], second[:b]


def pack_pairs(
    tokenizer: Tokenizer, first: tf.Tensor, second: tf.Tensor, *, length: int
) -> Rows:
    """Packs pairs of texts ``[n]`` to rows: start, first, end, second, end.

    Pairs that are too long lose tokens at the end of the longer text, as in training.

    Returns:
        int32 ids and types ``[n, <= length]``, and lengths ``[n]``.
    """
    specials, room = tokenizer.specials, length - 3
    a, b = (tokenizer.tokenize_untrusted(text) for text in (first, second))
    sizes = a.row_lengths(), b.row_lengths()
    b_size = tf.minimum(sizes[1], tf.maximum(room - sizes[0], room // 2))
    a_size = tf.minimum(sizes[0], room - b_size)
    start = tf.fill([a.nrows(), 1], specials.start)
    end = tf.fill([a.nrows(), 1], specials.end)
    packed = tf.concat([start, _heads(a, a_size), end, _heads(b, b_size), end], axis=1)
    lengths = tf.cast(packed.row_lengths(), tf.int32)
    ids = packed.to_tensor(specials.pad)
    position = tf.range(tf.shape(ids)[1])[None, :]
    is_second = position >= tf.cast(a_size, tf.int32)[:, None] + 2
    is_second &= position < lengths[:, None]
    return {"ids": ids, "length": lengths, "types": tf.cast(is_second, tf.int32)}


def _heads(tokens: tf.RaggedTensor, sizes: tf.Tensor) -> tf.RaggedTensor:
    """Returns the first tokens of each row."""
    position = tf.ragged.range(tokens.row_lengths())
    return tf.ragged.boolean_mask(tokens, position < sizes[:, None])


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
