"""Words of a text, for metrics that compare words in any script.

A word is a run of letters, marks and digits. A character of a script without spaces
(Chinese, Japanese kana, Thai, ...) is a word of its own. Everything else separates
words, except format characters (soft hyphens, joiners), which are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

from textmill.models.unspaced import UNSPACED, character_class

Writing = Literal["spaced", "han", "unspaced"]
"""Words with spaces; Chinese characters; another script without spaces."""

_ALONE = re.compile(f"[{character_class(*UNSPACED)}]")
_HAN = re.compile(f"[{character_class('han')}]")


class _Characters(dict[int, str | None]):
    """Maps code points for ``str.translate``, one look-up of Unicode's table each."""

    def __missing__(self, point: int) -> str | None:
        character = chr(point)
        category = unicodedata.category(character)
        value: str | None = " "
        if _ALONE.match(character):
            value = f" {character} "
        elif category == "Cf":
            value = None
        elif category[0] in "LMN":
            value = character
        self[point] = value
        return value


_CHARACTERS = _Characters()


def words(text: str) -> list[str]:
    """Returns the words of a text in their order, case folded."""
    return text.casefold().translate(_CHARACTERS).split()


def writing(texts: Iterable[str]) -> Writing:
    """Returns how most letters of some texts are written.

    Chinese characters make texts ``han`` unless a tenth of the letters or more belong
    to other scripts without spaces, as in Japanese.
    """
    letters = han = alone = 0
    for text in texts:
        letters += sum(map(str.isalpha, text))
        han += len(_HAN.findall(text))
        alone += len(_ALONE.findall(text))
    if 2 * alone <= letters:
        return "spaced"
    return "han" if 10 * (alone - han) < letters else "unspaced"
