"""Operations of easy data augmentation on the words and letters of a text.

Spacing and punctuation between words stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from textmill.components.ingester.augment.synonyms import WORD, Synonyms, is_ideographic
from textmill.models.hashing import StatelessRandom

_LETTER = re.compile(r"[^\W_]")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
_NEIGHBOURS = {
    key: "".join(row[i] for i in (place - 1, place + 1) if 0 <= i < len(row))
    for row in _KEYBOARD
    for place, key in enumerate(row)
}


def _count(rate: float, population: int) -> int:
    """Returns the number of items to change: at least one, as in EDA."""
    return min(population, max(1, int(rate * population)))


def swap(text: str, rate: float, random: StatelessRandom, synonyms: Synonyms) -> str:
    """Swaps random pairs of words."""
    matches = list(WORD.finditer(text))
    if len(matches) < 2:
        return text
    words = [match[0] for match in matches]
    for _ in range(_count(rate, len(words))):
        i, j = random.integer(len(words)), random.integer(len(words) - 1)
        j += j >= i
        words[i], words[j] = words[j], words[i]
    edits = zip(matches, words, strict=True)
    return _replace(text, [(*match.span(), word) for match, word in edits])


def delete(text: str, rate: float, random: StatelessRandom, synonyms: Synonyms) -> str:
    """Deletes words with the white space next to them; at least one word stays."""
    matches = list(WORD.finditer(text))
    if len(matches) < 2:
        return text
    count = min(_count(rate, len(matches)), len(matches) - 1)
    edits = []
    for i in random.sample(len(matches), count):
        begin, end = matches[i].span()
        edits.append((*_with_space(text, begin, end), ""))
    shorter = _replace(text, edits)
    return shorter.rstrip() if not text[-1].isspace() else shorter


def _with_space(text: str, begin: int, end: int) -> tuple[int, int]:
    """Returns a word's span, extended by white space that would be doubled."""
    if begin == 0 or text[begin - 1].isspace():
        after = end
        while after < len(text) and text[after].isspace():
            after += 1
        if after > end:
            return begin, after
        while begin and text[begin - 1].isspace():
            begin -= 1
    return begin, end


def replace_synonyms(
    text: str, rate: float, random: StatelessRandom, synonyms: Synonyms
) -> str:
    """Replaces words by synonyms."""
    places = synonyms.places(text)
    if not places:
        return text
    count = min(len(places), _count(rate, _num_words(text)))
    chosen = [places[i] for i in random.sample(len(places), count)]
    edits = [(begin, end, random.choice(known)) for begin, end, known in chosen]
    return _replace(text, edits)


def insert(text: str, rate: float, random: StatelessRandom, synonyms: Synonyms) -> str:
    """Inserts synonyms of the text's words before random words."""
    places = synonyms.places(text)
    if not places:
        return text
    begins = [match.start() for match in WORD.finditer(text)]
    edits = []
    for _ in range(_count(rate, len(begins))):
        synonym = random.choice(random.choice(places)[2])
        begin = random.choice(begins)
        edits.append((begin, begin, synonym + _space_after(synonym)))
    return _replace(text, sorted(edits))


def _space_after(word: str) -> str:
    return "" if is_ideographic(word) else " "


def _num_words(text: str) -> int:
    return sum(1 for _ in WORD.finditer(text))


def _replace(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """Replaces spans, which are in order and may overlap, by words."""
    pieces, copied = [], 0
    for begin, end, word in edits:
        pieces += [text[copied:begin], word]
        copied = max(copied, end)
    return "".join([*pieces, text[copied:]])


def noise(text: str, rate: float, random: StatelessRandom, synonyms: Synonyms) -> str:
    """Swaps, deletes, inserts or replaces letters, like typing errors."""
    letters = [match.start() for match in _LETTER.finditer(text)]
    if not letters:
        return text
    chars = list(text)
    edited_to = 0
    for i in random.sample(len(letters), _count(rate, len(letters))):
        place = letters[i]
        if place < edited_to:
            continue
        edited_to = place + 1
        char = text[place]
        follows = i + 1 < len(letters) and letters[i + 1] == edited_to
        action = random.integer(4)
        if action == 0 and follows:
            chars[place : place + 2] = text[edited_to], char
            edited_to += 1
        elif action == 1 and (follows or (i and letters[i - 1] == place - 1)):
            chars[place] = ""
        elif action == 2:
            chars[place] = char + _neighbour(char, text, letters, random)
        else:
            chars[place] = _neighbour(char, text, letters, random)
    return "".join(chars)


def _neighbour(
    char: str, text: str, letters: list[int], random: StatelessRandom
) -> str:
    """Returns a neighbour on the keyboard; in other scripts, a letter of the text."""
    keys = _NEIGHBOURS.get(char.lower())
    if keys is None:
        return text[random.choice(letters)]
    key: str = random.choice(keys)
    return key.upper() if char.isupper() else key


OPERATIONS: dict[str, Callable[[str, float, StatelessRandom, Synonyms], str]] = {
    "synonym": replace_synonyms,
    "insert": insert,
    "swap": swap,
    "delete": delete,
    "noise": noise,
}
"""Operations by name: (text, share of the words, random, synonyms) -> text."""
