"""The five sets of ``bench_classifiers.py``, each with a given split and five folds."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_BUCKETS = 10
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Example:
    """A labelled text."""

    id: str
    text: str
    label: str
    group: str
    """Texts of one group are never in two splits."""
    split: str
    """The given split: train, eval or test."""


def write_splits(examples: Iterable[Example], split: str, folder: Path) -> None:
    """Writes ``train.jsonl``, ``eval.jsonl`` and ``test.jsonl``.

    Args:
        examples: a whole set.
        split: ``given``, or the number of a fold. A fold tests a fifth of the given
            train and eval groups and takes a tenth for eval; the given test split is
            in none.
        folder: receives the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {"train": [], "eval": [], "test": []}
    for example in examples:
        part = example.split if split == "given" else _part(example, int(split))
        if part is not None:
            record = {k: v for k, v in asdict(example).items() if k != "split"}
            lines[part].append(json.dumps(record, ensure_ascii=False))
    for name, records in lines.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{r}\n" for r in records))


def _part(example: Example, fold: int) -> str | None:
    if example.split == "test":
        return None
    distance = (_bucket(f"fold {example.group}") - 2 * fold) % _BUCKETS
    return "test" if distance < 2 else "eval" if distance == 2 else "train"


def _bucket(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % _BUCKETS


def _by_bucket(group: str) -> str:
    return {8: "eval", 9: "test"}.get(_bucket(group), "train")


def read_specs(folder: Path) -> Iterator[Example]:
    """Yields paragraphs of enhancement proposals, with their area."""
    with gzip.open(folder / "specs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield Example(
                id=record["id"],
                text=record["text"],
                label=record["area"],
                group=record["document"],
                split=_by_bucket(record["document"]),
            )


def read_agnews(folder: Path) -> Iterator[Example]:
    """Yields AG News, title and description: 5,940 to train, the last 1,000 to test."""
    with (folder / "agnews/agnews_7600.csv").open(encoding="utf-8") as lines:
        rows = list(enumerate(csv.reader(lines)))
    random.Random(0).shuffle(rows)
    for place, (number, (label, title, description)) in enumerate(rows):
        yield Example(
            id=str(number),
            text=f"{title}\n{description}",
            label=label,
            group=str(number),
            split="train" if place < 5940 else "eval" if place < 6600 else "test",
        )


def read_thucnews(folder: Path) -> Iterator[Example]:
    """Yields Chinese titles: 10,000 to train and eval, 10,000 to test."""
    for part in ("train", "test"):
        text = (folder / f"thucnews/{part}_10k.tsv").read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines()):
            title, label = line.split("\t")
            learns = "eval" if _bucket(title) == 8 else "train"
            yield Example(
                id=f"{part}_{number}",
                text=title,
                label=label,
                group=title,
                split="test" if part == "test" else learns,
            )


def read_hotels(folder: Path) -> Iterator[Example]:
    """Yields Chinese hotel reviews, positive or negative."""
    path = folder / "chnsenticorp/hotel_reviews.csv"
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            if row["review"].strip():
                yield Example(
                    id=str(number),
                    text=row["review"],
                    label=row["label"],
                    group=row["review"],
                    split=_by_bucket(row["review"]),
                )


READERS = {
    "specs areas": read_specs,
    "AG News": read_agnews,
    "hotel reviews": read_hotels,
    "THUCNews": read_thucnews,
}
"""Sets of files; the quickstart's comes from its own ingestion."""
