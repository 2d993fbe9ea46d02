"""Parts and shards: what a unit of work leaves behind, and what a shard is made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Part:
    """What one unit of work left behind: a spill file, its index, and counts."""

    number: int
    spill: str
    index: str
    """The place of rows of INDEX, as .npy."""
    dead_letters: list[bytes]
    labels: list[str]
    columns: set[str]
    num_read: int
    dropped: Counter[str]
    bad: Counter[str]
    examples: dict[str, str]
    cut: Counter[str] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    near: str | None = None
    spans: str | None = None


@dataclass
class Shard:
    """The lines of one shard in order: spill file, offset and length of each."""

    name: str
    spills: list[str]
    part: np.ndarray
    offset: np.ndarray
    length: np.ndarray
