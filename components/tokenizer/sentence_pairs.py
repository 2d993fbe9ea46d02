"""Sentence pairs: BERT's original rows, for next-sentence prediction.

The procedure is that of ``create_instances_from_document`` (Devlin et al., 2018), on
the sentences of ``components/text/sentences.py``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from textmill.components.text.sentences import sentences
from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.packing import PART, Batch, Packer
from textmill.models.hashing import StatelessRandom
from textmill.models.texts import pair_sizes, texts_of

_WINDOW_TOKENS = 1 << 22


class _Document(NamedTuple):
    id: str
    tokens: np.ndarray
    ends: np.ndarray
    """Ends of the sentences, the last at the document's end."""
    copies: int


class _Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray
    follows: bool


class SentencePair(Packer):
    """[CLS] A [SEP] B [SEP], where B follows A in half of the rows.

    A chunk of sentences that fills a row is split at a random sentence into A and B, or
    only A is taken and B comes from a random document of the window. Pairs that are too
    long lose tokens at random ends. Unlike the original, a chunk of one sentence is
    split inside it, so that documents of long sentences have both labels as well, and a
    sentence longer than a row is split into rows.
    """

    def __init__(self, config: RowLayout, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._room = config.sequence_length - 3
        assert self._room >= 2, "special tokens leave no room"
        self._waiting: list[_Document] = []
        self._held = 0
        self._sentences: list[int] = []

    def texts(self, batch: Batch) -> list[str]:
        """Returns the sentences of all documents."""
        texts = [document["text"] for document in batch]
        parts = [[t[begin:end] for begin, end in sentences(t)] for t in texts]
        self._sentences = [len(part) for part in parts]
        return [sentence for part in parts for sentence in part]

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Adds documents by sentence; returns the rows of a full window, else none."""
        stops = np.concatenate([[0], np.cumsum(self._sentences)])
        self._count(documents=len(batch))
        for i, document in enumerate(batch):
            bounds = splits[stops[i] : stops[i + 1] + 1]
            tokens = flat[bounds[0] : bounds[-1]]
            if len(tokens):
                ends = self._bound(bounds - bounds[0])
                copies = self._config.dupe_factor
                self._waiting.append(
                    _Document(str(document["id"]), tokens, ends, copies)
                )
                self._held += len(tokens) * copies
        full = self._held >= _WINDOW_TOKENS
        return self.flush() if full else super().flush()

    def flush(self) -> np.ndarray:
        """Returns the rows of the window."""
        waiting, self._waiting, self._held = self._waiting, [], 0
        pairs = [
            pair
            for index, document in enumerate(waiting)
            for copy in range(document.copies)
            for pair in self._pairs(waiting, index, copy)
        ]
        return self._rows(pairs)

    def _bound(self, ends: np.ndarray) -> np.ndarray:
        """Returns sentence ends, with sentences longer than a row split."""
        sizes = np.diff(ends)
        if len(sizes) and sizes.max() > self._room:
            more = [np.arange(a, b, self._room) for a, b in pairwise(ends)]
            ends = np.concatenate([*more, ends[-1:]])
        return np.unique(ends[1:][ends[1:] > 0])

    def _pairs(self, documents: list[_Document], index: int, copy: int) -> list[_Pair]:
        document, room, pairs = documents[index], self._room, []
        random = StatelessRandom.splitmix(self._config.seed, copy, document.id)
        short = random.chance(self._config.short_seq_prob)
        target = 2 + random.integer(room - 1) if short else room
        begin, size, consumed = 0, len(document.tokens), 0
        while begin < size:
            stop = _chunk_end(document.ends, begin + target)
            middle = _middle(document.ends, begin, stop, random)
            first = document.tokens[begin:middle]
            follows = middle < stop and random.chance(0.5)
            if follows:
                second, begin = document.tokens[middle:stop], stop
            else:
                other = _another(documents, index, random)
                second, begin = _passage(other, target - len(first), random), middle
            own = len(first) + len(second) * follows
            first, second = _shorten(first, second, room, random)
            consumed += own
            self._count(out=len(first) + len(second) * follows)
            self._count(dropped=own - len(first) - len(second) * follows)
            pairs.append(_Pair(first, second, follows))
        assert consumed == size
        self._count(in_=size, truncated=len(pairs) > 1)
        return pairs

    def _rows(self, pairs: list[_Pair]) -> np.ndarray:
        buffer = self._buffer(len(pairs))
        length = np.zeros(len(pairs), np.int64)
        for row, pair in zip(buffer, pairs, strict=True):
            middle = len(pair.first) + 2
            row[1 : middle - 1], row[middle - 1] = pair.first, self._end
            stop = middle + len(pair.second)
            row[middle:stop], row[stop] = pair.second, self._end
            row[middle] |= PART
        buffer[:, 0] = self._start | PART
        length[:] = [len(p.first) + len(p.second) + 3 for p in pairs]
        rows = self._finish(buffer, length)
        if self._schema.parts == "sentences":
            rows["follows"] = [pair.follows for pair in pairs]
        return rows


class TextPair(SentencePair):
    """[CLS] A [SEP] B [SEP], where B is the second text of A's document.

    Pairs that are too long lose tokens at the end of the longer text.
    """

    def texts(self, batch: Batch) -> list[str]:
        """Returns first and second texts, alternating."""
        return [text for document in batch for text in texts_of(document)]

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs both texts of every document into a row."""
        texts = [flat[begin:end] for begin, end in pairwise(splits)]
        pairs = []
        for first, second in zip(texts[::2], texts[1::2], strict=True):
            a, b = pair_sizes(len(first), len(second), self._room)
            pairs.append(_Pair(first[:a], second[:b], follows=True))
            given = len(first) + len(second)
            self._count(in_=given, out=a + b, dropped=given - a - b)
            self._count(documents=1, truncated=a + b < given)
        return self._rows(pairs)


def _chunk_end(ends: np.ndarray, wanted: int) -> int:
    return int(ends[min(np.searchsorted(ends, wanted), len(ends) - 1)])


def _middle(ends: np.ndarray, begin: int, stop: int, random: StatelessRandom) -> int:
    low = int(np.searchsorted(ends, begin, side="right"))
    high = int(np.searchsorted(ends, stop))
    if high > low:
        return int(ends[low + random.integer(high - low)])
    return begin + 1 + random.integer(stop - begin - 1) if stop - begin > 1 else stop


def _another(
    documents: list[_Document], index: int, random: StatelessRandom
) -> _Document:
    if len(documents) == 1:
        return documents[0]
    other = random.integer(len(documents) - 1)
    return documents[other + (other >= index)]


def _passage(document: _Document, wanted: int, random: StatelessRandom) -> np.ndarray:
    number = random.integer(len(document.ends))
    start = int(document.ends[number - 1]) if number else 0
    first_end = int(document.ends[number])
    stop = max(first_end, _chunk_end(document.ends, start + wanted))
    return document.tokens[start:stop]


def _shorten(
    first: np.ndarray, second: np.ndarray, room: int, random: StatelessRandom
) -> tuple[np.ndarray, np.ndarray]:
    """Drops tokens of the longer segment, at a random end each time."""
    if len(first) + len(second) <= room:
        return first, second
    sizes = pair_sizes(len(first), len(second), room)
    return _trim(first, sizes[0], random), _trim(second, sizes[1], random)


def _trim(tokens: np.ndarray, size: int, random: StatelessRandom) -> np.ndarray:
    front = random.heads(len(tokens) - size)
    return tokens[front : front + size]
