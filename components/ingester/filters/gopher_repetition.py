"""Gopher's repetition rules (Rae et al. 2021, https://arxiv.org/abs/2112.11446, A1).

Measured as datatrove does: of equal parts all but the first are repeated; a repeated
n-gram is counted once and the words that it covers are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.components.ingester.filters.filter import Filter, Violation
from textmill.components.ingester.filters.text_view import (
    TextView,
    count_repeated,
    share,
)
from textmill.models.checks import NOT_NEGATIVE

_REPEATED = range(5, 11)


@dataclass(frozen=True, kw_only=True)
class GopherRepetitionConfig:
    """Greatest shares of a document that may be repeated."""

    repeated_lines: Annotated[float, NOT_NEGATIVE] = 0.30
    """Share of the lines that occurred before."""
    repeated_paragraphs: Annotated[float, NOT_NEGATIVE] = 0.30
    """Share of the paragraphs that occurred before."""
    repeated_line_chars: Annotated[float, NOT_NEGATIVE] = 0.20
    """Share of the characters that are in such lines."""
    repeated_paragraph_chars: Annotated[float, NOT_NEGATIVE] = 0.20
    """Share of the characters that are in such paragraphs."""
    top_2_gram: Annotated[float, NOT_NEGATIVE] = 0.20
    """Share of the characters that are in the most frequent 2-gram, if it occurs
    twice."""
    top_3_gram: Annotated[float, NOT_NEGATIVE] = 0.18
    """The same of the most frequent 3-gram."""
    top_4_gram: Annotated[float, NOT_NEGATIVE] = 0.16
    """The same of the most frequent 4-gram."""
    repeated_5_grams: Annotated[float, NOT_NEGATIVE] = 0.15
    """Share of the characters that are in 5-grams that occurred before."""
    repeated_6_grams: Annotated[float, NOT_NEGATIVE] = 0.14
    """The same of 6-grams."""
    repeated_7_grams: Annotated[float, NOT_NEGATIVE] = 0.13
    """The same of 7-grams."""
    repeated_8_grams: Annotated[float, NOT_NEGATIVE] = 0.12
    """The same of 8-grams."""
    repeated_9_grams: Annotated[float, NOT_NEGATIVE] = 0.11
    """The same of 9-grams."""
    repeated_10_grams: Annotated[float, NOT_NEGATIVE] = 0.10
    """The same of 10-grams."""
    cjk_chars_per_word: Annotated[int, NOT_NEGATIVE] = 2
    """In mostly Chinese or Japanese text an n-gram is n times this many characters."""


class GopherRepetition(Filter):
    """Drops documents that repeat themselves."""

    config_class = GopherRepetitionConfig

    def __init__(self, name: str, config: GopherRepetitionConfig) -> None:
        super().__init__(name, config)
        self._tops = [(n, getattr(config, f"top_{n}_gram")) for n in (2, 3, 4)]
        bounds = [getattr(config, f"repeated_{n}_grams") for n in _REPEATED]
        # Longer n-grams repeat no more than these: the least bound settles the rest.
        least = [min(bounds[i:]) for i in range(len(bounds))]
        self._repeats = list(zip(_REPEATED, bounds, least, strict=True))

    def check(self, view: TextView) -> Violation | None:
        """Returns the first rule that a document breaks."""
        return self._check_parts(view) or self._check_n_grams(view)

    def _check_parts(self, view: TextView) -> Violation | None:
        for name, parts in (("paragraph", view.paragraphs), ("line", view.lines)):
            if len(parts) < 2:
                continue
            count, num_chars = count_repeated(parts)
            if not count:
                continue
            for rule, value in (
                (f"repeated_{name}s", count / len(parts)),
                (f"repeated_{name}_chars", num_chars / len(view.text)),
            ):
                bound = getattr(self.config, rule)
                if value > bound:
                    return Violation(rule, f"{share(value)} > {share(bound)}")
        return None

    def _check_n_grams(self, view: TextView) -> Violation | None:
        from textmill.components.ingester.filters.n_grams import NGrams

        size = len(view.text)
        times = self.config.cjk_chars_per_word if view.is_cjk else 1
        n_grams = NGrams(view.words, spaces=not view.is_cjk)
        if not n_grams.has_repeated_pairs:
            return None
        for n, bound in self._tops:
            value = n_grams.top_chars(n * times, above=bound * size) / size
            if value > bound:
                return Violation(f"top_{n}_gram", f"{share(value)} > {share(bound)}")
        for n, bound, least in self._repeats:
            if n_grams.covered_chars(n * times) <= least * size:
                return None
            value = n_grams.repeated_chars(n * times) / size
            if value > bound:
                rule = f"repeated_{n}_grams"
                return Violation(rule, f"{share(value)} > {share(bound)}")
        return None
