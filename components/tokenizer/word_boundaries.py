"""Words: which tokens begin one, by the tokenizer's entries or by jieba for Chinese."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.packing import WORD
from textmill.models.errors import ConfigError
from textmill.models.tokenizers import Tokenizer
from textmill.models.unspaced import character_class

_CHINESE = re.compile(f"[{character_class('han')}]+")
_CONTINUES, _SPACE = "##", "▁"


class Words:
    """Sets ``WORD`` in the tokens that begin a word."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._flags = np.where(tokenizer.word_start_flags(), WORD, 0).astype(np.int32)

    def mark(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Returns the ids ``flat[splits[i]:splits[i + 1]]`` of text i with flags."""
        return flat | self._flags[flat]


class ChineseWords(Words):
    """Words of Chinese characters as jieba cuts them; others as the tokenizer does.

    Every run of tokens of Chinese characters alone is cut by itself; a token begins a
    word where its first character does.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self._jieba = _load_jieba()
        entries = [entry.removeprefix(_CONTINUES) for entry in tokenizer.tokens]
        self._texts = np.array([e.removeprefix(_SPACE) for e in entries], object)
        self._opens = np.array([e.startswith(_SPACE) for e in entries], bool)
        sizes = [len(text) if _CHINESE.fullmatch(text) else 0 for text in self._texts]
        self._sizes = np.array(sizes, np.int32)

    def mark(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Returns ids with flags, after one call of jieba for all texts."""
        marked = super().mark(flat, splits)
        sizes = self._sizes[flat]
        at = np.flatnonzero(sizes)
        if not len(at):
            return marked
        apart = np.ones(len(flat), bool)
        apart[1:] = sizes[:-1] == 0
        apart |= self._opens[flat]
        apart[splits[:-1][splits[:-1] < len(flat)]] = True
        # A space never joins two runs, and is a piece of its own.
        pieces = [
            " " + text if new else text
            for text, new in zip(self._texts[flat[at]], apart[at].tolist(), strict=True)
        ]
        ends = np.cumsum(sizes[at] + apart[at])
        begins = np.zeros(int(ends[-1]) + 1, bool)
        words = self._jieba.cut("".join(pieces))
        begins[np.cumsum([len(word) for word in words])] = True
        marked[at] &= ~WORD
        marked[at[begins[ends - sizes[at]]]] |= WORD
        return marked


def make_words(config: RowLayout, tokenizer: Tokenizer) -> Words | None:
    """Returns what marks words; None where none are wanted.

    Raises:
        ConfigError: jieba is not installed.
    """
    if config.words is None:
        return None
    return (ChineseWords if config.words == "jieba" else Words)(tokenizer)


def _load_jieba() -> Any:
    try:
        import jieba
    except ModuleNotFoundError:
        raise ConfigError(
            "tokenize.words: jieba is not installed; run pip install 'textmill[data]', "
            "or set words to tokens"
        ) from None
    import logging

    jieba.setLogLevel(logging.WARNING)
    found = jieba.Tokenizer()
    found.initialize()
    return found
