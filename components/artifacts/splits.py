"""Names of splits and of their files."""

from __future__ import annotations

from collections.abc import Iterable

SPLITS = ("train", "eval", "test")


_FOLD = "fold_"


OUT_OF_FOLD = "folds"
"""In predictions, the rows of all folds, each predicted by a model that has not seen
its fold; the column ``fold`` counts from 1."""


def fold_name(fold: int) -> str:
    """Returns the split of a fold, counted from 1."""
    return f"{_FOLD}{fold}"


def order_splits(splits: Iterable[str]) -> list[str]:
    """Returns the names of splits in order: train, eval or the folds, test."""
    names = set(splits)
    folds = [name for name in names if name.startswith(_FOLD)]
    by_number = sorted(folds, key=lambda name: int(name.removeprefix(_FOLD)))
    return [name for name in ("train", "eval", *by_number, "test") if name in names]


def shard_name(split: str, index: int, count: int, ending: str) -> str:
    """Returns ``train-00000-of-00004.jsonl.zst``."""
    return f"{split}-{index:05d}-of-{count:05d}.{ending}"
