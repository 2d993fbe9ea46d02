"""Learning byte-level BPE from word counts: words are spelt in the byte alphabet."""

from __future__ import annotations

from collections.abc import Mapping

from textmill.components.vocabulary_learner.bpe import Merger, Pair


def learn_merges(counts: Mapping[str, int], *, num_entries: int) -> list[Pair]:
    """Returns the merges that make up to so many entries, in their order."""
    words = [(list(word), count) for word, count in sorted(counts.items())]
    merges: list[Pair] = []
    made: set[str] = set()
    for pair, joined in Merger(words, "".join).merges():
        if len(made) >= num_entries:
            break
        merges.append(pair)
        made.add(joined)
    return merges
