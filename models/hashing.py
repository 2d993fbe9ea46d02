"""Hashes and random choices that depend on their inputs alone, on every machine alike.

Every number in the project that must not depend on batches, workers or time is made
here: SplitMix64 (Steele et al., 2014) for arrays, BLAKE2b for names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

GOLDEN = 0x9E3779B97F4A7C15
"""SplitMix64's increment: 2**64 over the golden ratio."""
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def mix64(values: np.ndarray) -> np.ndarray:
    """Hashes uint64 to uint64, 0 to 0: SplitMix64's finalizer, a permutation."""
    values = values ^ (values >> 30)
    values *= _FACTORS[0]
    values ^= values >> 27
    values *= _FACTORS[1]
    values ^= values >> 31
    return values


def splitmix64(values: np.ndarray) -> np.ndarray:
    """Returns the first output of SplitMix64 for every uint64 seed."""
    return mix64(values + GOLDEN)


def odd_constant(name: str) -> int:
    """Returns an odd 64-bit constant derived from a name; the same in every release."""
    digest = blake2b(f"textmill words {name}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little") | 1


class StatelessRandom:
    """Random choices, a pure function of the parts that name them."""

    def __init__(self, *parts: str | int) -> None:
        key = blake2b(ascii(parts).encode(), digest_size=32).digest()
        self._numbers = _blake2b_stream(key)

    @classmethod
    def splitmix(cls, *parts: object) -> StatelessRandom:
        """Returns a generator over SplitMix64, for rows already made with it."""
        random = cls.__new__(cls)
        name = "\0".join(map(str, parts)).encode()
        seed = int.from_bytes(blake2b(name, digest_size=8).digest())
        random._numbers = _splitmix64_stream(seed)
        return random

    def bits(self) -> int:
        """Returns 64 random bits."""
        return next(self._numbers)

    def integer(self, bound: int) -> int:
        """Returns an integer from 0 to bound - 1."""
        return self.bits() * bound >> 64

    def choice(self, choices: Sequence[T]) -> T:
        """Returns one of the choices."""
        return choices[self.integer(len(choices))]

    def sample(self, population: int, count: int) -> list[int]:
        """Returns distinct integers below the population, in ascending order."""
        chosen: set[int] = set()
        # Floyd's: the last ``count`` numbers each stand for one not yet chosen.
        for top in range(population - count, population):
            number = self.integer(top + 1)
            chosen.add(top if number in chosen else number)
        return sorted(chosen)

    def chance(self, probability: float) -> bool:
        """Returns True with this probability."""
        return self.bits() < probability * 2.0**64

    def heads(self, coins: int) -> int:
        """Returns the number of heads among fair coins."""
        count = 0
        while coins > 0:
            count += (self.bits() & ((1 << min(coins, 64)) - 1)).bit_count()
            coins -= 64
        return count


def _blake2b_stream(key: bytes) -> Iterator[int]:
    block = 0
    while True:
        digest = blake2b(block.to_bytes(8, "little"), key=key).digest()
        for start in range(0, len(digest), 8):
            yield int.from_bytes(digest[start : start + 8], "little")
        block += 1


def _splitmix64_stream(state: int) -> Iterator[int]:
    while True:
        state = (state + GOLDEN) & _MASK
        value = ((state ^ (state >> 30)) * _FACTORS[0]) & _MASK
        value = ((value ^ (value >> 27)) * _FACTORS[1]) & _MASK
        yield value ^ (value >> 31)
