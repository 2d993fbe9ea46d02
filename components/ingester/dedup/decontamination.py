"""Contamination: the share of a document's n-grams that protected texts hold.

The n-grams of a benchmark make an index; the share of a document's n-grams in it says
how much of the document the benchmark's answers could be read from (13-grams, as Brown
et al. 2020, appendix C). The profiler's overlap of splits is the same share.
"""

from __future__ import annotations

import numpy as np

from textmill.components.text.word_hashing import sums


def ngram_index(values: np.ndarray) -> np.ndarray:
    """Returns n-gram hashes sorted, each once; uint64."""
    return np.unique(values)


def contamination(
    values: np.ndarray, splits: np.ndarray, index: np.ndarray
) -> np.ndarray:
    """Returns the share of each document's n-grams that the index holds.

    Args:
        values: the n-grams of documents, uint64 [m].
        splits: where those of each document begin and end, int64 [n + 1].
        index: from ``ngram_index``.

    Returns:
        Share of occurrences, not of distinct n-grams; float64 [n], 0 without any.
    """
    shared = sums(_is_in(values, index).astype(np.int64), splits)
    return shared / np.maximum(np.diff(splits), 1)


def _is_in(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns for each value if the sorted index has it; bool [m].

    Most are absent, which a table of the index's leading bits shows for nearly all of
    them without a search.
    """
    marks = np.zeros(len(values), bool)
    if not len(index):
        return marks
    shift = np.uint64(64 - min((16 * len(index)).bit_length(), 24))
    table = np.zeros(1 << int(64 - shift), bool)
    table[index >> shift] = True
    maybe = np.flatnonzero(table[values >> shift])
    place = np.searchsorted(index, values[maybe])
    marks[maybe] = index[np.minimum(place, len(index) - 1)] == values[maybe]
    return marks
