"""Mixes sources in the train split by the number of uses of each document.

The mixture is the largest one in which the sources with a rate have their shares and
none is used more than ``max_epochs`` times. A hash chooses the documents of a share, so
that they do not depend on any order.
"""

from __future__ import annotations

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.config import DatasetConfig
from textmill.models.hashing import mix64, odd_constant

_DRAW = odd_constant("mixture draw")


def source_epochs(sizes: dict[str, int], dataset: DatasetConfig) -> dict[str, float]:
    """Returns the number of uses of the documents of each source.

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
    """Returns the number of uses of each row, 1 outside train; int64 [n]."""
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
    """Returns a new sort key in the shard for each further copy; uint64 [n]."""
    return np.asarray(mix64(order + copy.astype(np.uint64) * _DRAW))
