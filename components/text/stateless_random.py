"""Draws: random choices that are a function of names, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_BLOCK_NUMBERS = 8


class Draws:
    """Endless choices, a function of what it was made from alone."""

    def __init__(self, *parts: str | int) -> None:
        self._key = blake2b(ascii(parts).encode(), digest_size=32).digest()
        self._numbers = self._stream()

    def _stream(self) -> Iterator[int]:
        block = 0
        while True:
            digest = blake2b(block.to_bytes(8, "little"), key=self._key).digest()
            for i in range(_BLOCK_NUMBERS):
                yield int.from_bytes(digest[8 * i : 8 * i + 8], "little")
            block += 1

    def below(self, bound: int) -> int:
        """Returns a number from 0 to bound - 1."""
        return next(self._numbers) * bound >> 64

    def pick(self, choices: Sequence[T]) -> T:
        """Returns one of the choices."""
        return choices[self.below(len(choices))]

    def sample(self, population: int, count: int) -> list[int]:
        """Returns so many different numbers below the population, in order."""
        chosen: set[int] = set()
        # Floyd's: the last ``count`` numbers each stand for one not yet chosen.
        for top in range(population - count, population):
            number = self.below(top + 1)
            chosen.add(top if number in chosen else number)
        return sorted(chosen)
