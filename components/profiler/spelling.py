"""Labels that are most likely one label in two spellings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations

_MAX_LABELS = 1000
_SHORTEST, _LONGEST = 5, 80
"""Characters of labels that are looked at for typing errors."""
_RATIO = 10
"""How much more frequent than its misspelling a label is at least."""


def equal_but_for_form(labels: Mapping[str, int]) -> Iterator[list[str]]:
    """Yields labels that differ in case, white space or number format alone.

    Args:
        labels: number of documents by name.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(labels, key=lambda name: (-labels[name], name)):
        groups[_normal(name)].append(name)
    yield from (names for names in groups.values() if len(names) > 1)


def likely_typos(labels: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yields rare labels, each with a frequent one that differs in one letter.

    A letter more, less or other, or two letters in another order. Digits do not count:
    ``part 1`` and ``part 2`` are two labels.
    """
    if len(labels) > _MAX_LABELS:
        return
    # Names of this distance have a form in common: themselves, or without a letter.
    by_form: defaultdict[str, set[str]] = defaultdict(set)
    for name in labels:
        if _SHORTEST <= len(name) <= _LONGEST:
            text = name.casefold()
            for i in range(len(text) + 1):
                by_form[text[:i] + text[i + 1 :]].add(name)
    typos = set()
    for names in by_form.values():
        for pair in combinations(sorted(names), 2):
            rare, frequent = sorted(pair, key=lambda name: labels[name])
            is_rare = labels[rare] * _RATIO <= labels[frequent]
            if is_rare and _is_one_letter(rare.casefold(), frequent.casefold()):
                typos.add((rare, frequent))
    yield from sorted(typos)


def _normal(name: str) -> str:
    text = " ".join(name.casefold().split())
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def _is_one_letter(a: str, b: str) -> bool:
    """Returns whether one edit of a letter makes two different texts equal."""
    shortest = min(len(a), len(b))
    begin = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    rest = shortest - begin
    end = next((i for i in range(rest) if a[-1 - i] != b[-1 - i]), rest)
    x, y = a[begin : len(a) - end], b[begin : len(b) - end]
    if x == y or any(letter.isdigit() for letter in x + y):
        return False
    return max(len(x), len(y)) == 1 or (len(x) == 2 and x == y[::-1])
