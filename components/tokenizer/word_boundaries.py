"""Marks the tokens that begin a word, by the tokenizer or, for Chinese, by jieba."""

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


class WordMarker:
    """Sets ``WORD`` in the tokens that begin a word."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._flags = np.where(tokenizer.word_start_flags(), WORD, 0).astype(np.int32)

    def mark(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Adds flags to the ids ``flat[splits[i]:splits[i + 1]]`` of text i."""
        return flat | self._flags[flat]


class ChineseWordMarker(WordMarker):
    """Marks words of Chinese characters by jieba, all other words by the tokenizer.

    jieba segments every run of purely Chinese tokens; a token begins a word if its
    first character does.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self._jieba = _load_jieba()
        tokens = [token.removeprefix(_CONTINUES) for token in tokenizer.tokens]
        self._texts = np.array([e.removeprefix(_SPACE) for e in tokens], object)
        self._opens = np.array([e.startswith(_SPACE) for e in tokens], bool)
        sizes = [len(text) if _CHINESE.fullmatch(text) else 0 for text in self._texts]
        self._sizes = np.array(sizes, np.int32)

    def mark(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Adds flags to the ids of all texts by one call of jieba."""
        marked = super().mark(flat, splits)
        sizes = self._sizes[flat]
        chinese = np.flatnonzero(sizes)
        if not len(chinese):
            return marked
        opens_run = np.ones(len(flat), bool)
        opens_run[1:] = sizes[:-1] == 0
        opens_run |= self._opens[flat]
        opens_run[splits[:-1][splits[:-1] < len(flat)]] = True
        # jieba never joins words over a space, which is a word of its own.
        pieces = [
            " " + text if new else text
            for text, new in zip(
                self._texts[flat[chinese]], opens_run[chinese].tolist(), strict=True
            )
        ]
        ends = np.cumsum(sizes[chinese] + opens_run[chinese])
        begins = np.zeros(int(ends[-1]) + 1, bool)
        words = self._jieba.cut("".join(pieces))
        begins[np.cumsum([len(word) for word in words])] = True
        marked[chinese] &= ~WORD
        marked[chinese[begins[ends - sizes[chinese]]]] |= WORD
        return marked


def make_word_marker(config: RowLayout, tokenizer: Tokenizer) -> WordMarker | None:
    """Returns the word marker of a layout, or None.

    Raises:
        ConfigError: jieba is not installed.
    """
    if config.words is None:
        return None
    return (ChineseWordMarker if config.words == "jieba" else WordMarker)(tokenizer)


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
    segmenter = jieba.Tokenizer()
    segmenter.initialize()
    return segmenter
