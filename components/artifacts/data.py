"""Artifacts of the data: documents, their profile, vocabulary and token rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.components.artifacts.json_files import read_json
from textmill.components.artifacts.splits import (
    OUT_OF_FOLD,
    SPLITS,
    fold_name,
    order_splits,
)
from textmill.components.base import Artifact, DataWarnings
from textmill.components.shards import read_shard
from textmill.models.errors import DataError

_MOST_CUT = 0.1
"""Share of the tokens of a split that may be cut without a warning."""


class _Sharded(Artifact):
    """Shards by split, named in the manifest.

    Facts: ``splits`` maps a split to its number of records.
    """

    def shards(self, *splits: str) -> list[Path]:
        """Returns the shards of splits in order; none of one without records."""
        return [path for split in splits for path in self.files(f"{split}-")]

    @property
    def splits(self) -> dict[str, int]:
        """Number of records by split."""
        return dict(self.facts["splits"])

    @property
    def folds(self) -> list[str]:
        """The splits that are folds, in order."""
        return [split for split in order_splits(self.splits) if split not in SPLITS]

    def splits_of(self, predicted: str) -> list[str]:
        """Returns the splits whose rows a split of predictions has, in its order."""
        return self.folds if predicted == OUT_OF_FOLD else [predicted]

    def train_splits(self, fold: int | None) -> list[str]:
        """Returns the splits to train on: train, or all folds but one."""
        if fold is None:
            return ["train"]
        return [split for split in self.folds if split != self.held_out_split(fold)]

    def held_out_split(self, fold: int | None) -> str:
        """Returns the split to validate on: eval, or a fold, counted from 1.

        Raises:
            DataError: the fold does not exist.
        """
        if fold is None:
            return "eval"
        if (split := fold_name(fold)) not in self.splits:
            raise DataError(
                f"{self.path}: expected a split {split}, got {', '.join(self.splits)}; "
                "split the documents into folds first"
            )
        return split


class Documents(_Sharded):
    """Cleaned documents: JSON objects in lines, ``<split>-00000-of-00004.jsonl.zst``.

    Splits are train, eval and test, or ``fold_1``, ``fold_2``, ... and test.

    Every object has ``id`` and ``text`` (and further texts in ``text_2`` and
    ``text_3``), the target under the name of its kind
    (``label``, ``number``, ...; see ``textmill.models.targets``) if the source names
    one, and the source's other columns. Inside a shard, lines are in the order of a
    seeded hash.

    Facts: ``splits``; ``columns`` (names other than id, text and target); ``labels``
    (the names seen in train, sorted; empty without labels); ``target`` for kinds other
    than none and label; of folds, ``folds``: the number of groups, of duplicates and of
    documents left out, and the labels with fewer groups than folds; ``texts``, their
    number in every document where it is not one.
    """

    LEDGER = "ledger.json"
    DEAD_LETTERS = "dead_letters.jsonl"
    SAMPLE = "sample.jsonl"
    """Documents of an ingestion that failed: some of those that could be read."""
    KEPT_ON_FAILURE = (LEDGER, DEAD_LETTERS, SAMPLE)

    @property
    def labels(self) -> list[str]:
        """Label names in the order of their indices."""
        return list(self.facts["labels"])

    @property
    def num_texts(self) -> int:
        """Number of texts of every document."""
        return int(self.facts.get("texts", 1))

    @property
    def target(self) -> str:
        """Kind of target of every document."""
        kind = "label" if self.labels else "none"
        return str(self.facts.get("target", kind))

    @property
    def ledger(self) -> dict[str, Any]:
        """Counts: read = kept + dropped by reason + bad by reason."""
        value: dict[str, Any] = read_json(self.path / self.LEDGER)
        return value

    def note(self) -> str | None:
        """Returns the counts of dropped and bad records, or of groups and folds."""
        if "folds" in self.facts:
            return self._note_folds(**self.facts["folds"])
        if not self.files(self.LEDGER):
            return None
        ledger = self.ledger
        counts = [
            f"{name} {_count_reasons(ledger[name])}"
            for name in ("dropped", "bad")
            if ledger.get(name)
        ]
        return f"of {ledger['read']:,} records {'; '.join(counts)}" if counts else None

    def _note_folds(
        self, groups: int, duplicates: int, unlabelled: int, rare: list[str]
    ) -> str:
        """Returns the outcome of dealing documents to folds."""
        words = [f"{groups:,} groups in {len(self.folds)} folds"]
        if duplicates:
            words.append(f"{duplicates:,} duplicates with their originals")
        if unlabelled:
            words.append(f"{unlabelled:,} documents without a label left out")
        if rare:
            words.append(f"fewer groups than folds have {', '.join(rare)}")
        return "; ".join(words)

    def read(self, *splits: str) -> Iterator[dict[str, Any]]:
        """Yields the documents of splits in shard order."""
        for shard in self.shards(*splits):
            yield from read_shard(shard)

    def read_with(self, field: str, *splits: str) -> Iterator[dict[str, Any]]:
        """Yields the documents of splits that have a field, such as a target."""
        return (document for document in self.read(*splits) if field in document)


def _count_reasons(counts: Mapping[str, int]) -> str:
    """Returns ``8 too_short, 6 no_label``, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {reason}" for reason, number in ranked)


class Profile(Artifact):
    """Statistics, schema and anomalies of documents, in ``profile.json``.

    ``speed.json`` has the speed of tokenizing; no digest covers it.

    Facts: ``splits`` (documents); ``anomalies`` (number by kind).
    """

    FILE, SPEED = "profile.json", "speed.json"

    def warnings(self) -> DataWarnings | None:
        """Returns the number of anomalies by kind."""
        counts: dict[str, int] = self.facts["anomalies"]
        if not counts:
            return None
        kinds = [
            kind if count == 1 else f"{count} {kind}" for kind, count in counts.items()
        ]
        return DataWarnings(sum(counts.values()), ", ".join(kinds))

    def read(self) -> dict[str, Any]:
        """Returns the profile."""
        value: dict[str, Any] = read_json(self.path / self.FILE)
        return value

    def read_speed(self) -> dict[str, Any]:
        """Returns ``bytes`` and ``seconds`` of tokenizing; empty without tokens."""
        path = self.path / self.SPEED
        value: dict[str, Any] = read_json(path) if path.exists() else {}
        return value


class Vocabulary(Artifact):
    """A tokenizer's files: ``tokenizer.json`` and ``vocab.json`` or ``spiece.model``.

    ``target/`` has those of the tokenizer of targets with a vocabulary of their own.

    Facts: ``kind``; ``size`` (number of tokens, special tokens included); ``limit``,
    the configured size, where the corpus yields fewer tokens; ``target``, the same
    facts of the targets' vocabulary.
    """

    @property
    def largest_size(self) -> int:
        """The number of tokens of the larger vocabulary."""
        target = self.facts.get("target", self.facts)
        return max(self.facts["size"], target["size"])

    def note(self) -> str | None:
        """Returns the size, if it is smaller than the configured one."""
        if "limit" not in self.facts:
            return None
        size, limit = self.facts["size"], self.facts["limit"]
        return f"{size:,} tokens learned, of {limit:,} allowed"


class TokenRows(_Sharded):
    """Fixed-length token rows: ``<split>-00000-of-00004.tfrecord``.

    Facts: ``splits`` (rows); ``schema`` (see ``textmill.models.rows``); ``labels``;
    ``vocabulary`` (digest); ``tokens`` (by split: in, out, dropped); ``answers``,
    tokens and bytes of the responses in rows of prompts and responses, by split;
    ``unlabelled``, the documents left out because they have no target, by split.
    """

    @property
    def evaluated_split(self) -> str:
        """The split that is evaluated: test, or eval if test has no rows."""
        return "test" if self.splits.get("test") else "eval"

    def note(self) -> str | None:
        """Returns the number of documents that were left out, if there are any."""
        if not (counts := self.facts.get("unlabelled")):
            return None
        return f"{sum(counts.values()):,} documents without a target left out"

    def warnings(self) -> DataWarnings | None:
        """Returns a warning if truncated documents lose more than a tenth of a split.

        It is about the first such split.
        """
        length = self.facts["schema"]["sequence_length"]
        by_split = self.facts["tokens"]
        for split, counts in ((s, by_split[s]) for s in order_splits(by_split)):
            share = counts["dropped"] / max(1, counts["in"])
            if share > _MOST_CUT and counts["truncated"]:
                return DataWarnings(
                    1,
                    f"{share:.0%} of the tokens are cut in {split}, where "
                    f"{counts['truncated']:,} of {counts['documents']:,} documents do "
                    f"not fit into {length} tokens",
                )
        return None
