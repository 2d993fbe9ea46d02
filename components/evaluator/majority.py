"""The majority baseline: the most frequent label of train, whatever the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from textmill.components.artifacts import Documents, Predictions
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS


def label_shares(documents: Documents, predictions: Predictions) -> np.ndarray | None:
    """Returns each label's share of train, or of all folds, float32 ``[labels]``.

    None for a task without a label, and without such splits.
    """
    if TASKS[predictions.facts["task"]].target != "label":
        return None
    field, labels = TARGETS["label"].field, predictions.facts["labels"]
    splits = documents.folds or ["train"]
    counts = Counter(d[field] for d in documents.read_with(field, *splits))
    if not counts:
        return None
    return np.array([counts[name] / counts.total() for name in labels], np.float32)


def majority_chunks(
    predictions: Predictions, shares: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Yields the columns of predictions, with the shares as every row's answer."""
    for chunk in predictions.read_groups():
        num_rows = len(chunk["id"])
        others = {k: v for k, v in chunk.items() if k != "confident"}
        yield others | {"probabilities": np.tile(shares, (num_rows, 1))}
