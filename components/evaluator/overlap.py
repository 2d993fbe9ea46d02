"""Evaluated documents that a stage's pretraining has read, without their targets.

Such pretraining is transductive: the model knows the texts that it is measured on, and
new ones will be less familiar to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.components.shards import read_shard
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS
from textmill.models.texts import texts_of

_MOST_READ = 200_000
"""Documents of train that are read; from more, the number is extrapolated."""


def documents_seen(
    documents: Documents,
    predictions: Predictions,
    pretraining: Mapping[str, Documents],
) -> dict[str, dict[str, Any]]:
    """Returns ``documents`` and ``share`` of those measured, by data set with them.

    A document is seen if train of the data set has all its texts. Shards are samples,
    since the hash of the id decides about a document's shard.

    Args:
        documents: the evaluated data set.
        predictions: whose task and split are measured.
        pretraining: the data sets of the stages that the model starts from, by name.
    """
    if not pretraining:
        return {}
    splits = documents.splits_of(predictions.facts["split"])
    field = TARGETS[TASKS[predictions.facts["task"]].target].field or "text"
    measured = documents.read_with(field, *splits)
    documents_keys = {tuple(map(_key, texts_of(document))) for document in measured}
    wanted = set(chain.from_iterable(documents_keys))
    seen = {}
    for name, other in pretraining.items():
        num_read, common = 0, set[bytes]()
        for document in _first_shards(other):
            num_read += 1
            common.update(wanted.intersection(map(_key, texts_of(document))))
        num_seen = sum(map(common.issuperset, documents_keys))
        if not num_seen:
            continue
        whole = other.splits["train"]
        share = min(1.0, num_seen * whole / num_read / len(documents_keys))
        seen[name] = {
            "documents": round(share * len(documents_keys)),
            "share": share,
            "is_estimate": num_read < whole,
        }
    return seen


def _first_shards(documents: Documents) -> Iterator[dict[str, Any]]:
    num_read = 0
    for shard in documents.shards("train"):
        if num_read >= _MOST_READ:
            return
        for document in read_shard(shard):
            num_read += 1
            yield document


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
