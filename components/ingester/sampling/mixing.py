"""Mixing: how often each document of each source is used in the train split.

The largest mixture is made in which the sources with a rate have their shares and none
of them is used more than ``max_epochs`` times. Which documents a share takes is decided
by hash, so that the same documents are taken whatever their order.
"""

from __future__ import annotations

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.config import DatasetConfig
from textmill.models.hashing import mix64, odd_constant

_DRAW = odd_constant("mixture draw")


def source_epochs(sizes: dict[str, int], dataset: DatasetConfig) -> dict[str, float]:
    """Returns how often the documents of each source are used.

    Args:
        sizes: bytes of text in train by source.
        dataset: its sources and their mixture.
    """
    sources, temperature = dataset.named_sources(), dataset.mix.temperature
    epochs = {name: source.epochs or 1.0 for name, source in sources.items()}
    rates = {}
    for name, source in sources.items():
        if source.epochs is not None or not sizes.get(name):
            continue
        if source.rate is not None:
            rates[name] = source.rate
        elif temperature is not None:
            rates[name] = float(sizes[name]) ** (1 / temperature)
    if len(rates) < 2:
        return epochs
    largest = min(dataset.mix.max_epochs * sizes[n] / rates[n] for n in rates)
    return epochs | {n: largest * rates[n] / sizes[n] for n in rates}


def copies(rows: np.ndarray, dataset: DatasetConfig) -> np.ndarray:
    """Returns how often each row is used, 0 or more; 1 outside train; int64 [n]."""
    names = list(dataset.named_sources())
    train = rows["split"] == SPLITS.index("train")
    sizes = {
        name: int(rows["text_bytes"][train & (rows["source"] == code)].sum())
        for code, name in enumerate(names)
    }
    epochs = source_epochs(sizes, dataset)
    wanted = np.array([epochs[name] for name in names])[rows["source"]]
    draw = (mix64(rows["order"] ^ _DRAW) >> np.uint64(11)) * 2.0**-53
    used = np.floor(wanted) + (draw < wanted - np.floor(wanted))
    return np.where(train, used, 1).astype(np.int64)


def reorder(order: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """Returns another place in the shard's order for each further copy; uint64 [n]."""
    return np.asarray(mix64(order + copy.astype(np.uint64) * _DRAW))
