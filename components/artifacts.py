"""Artifact types, each owning its file names.

Readers here return plain Python values; the heavy readers of token rows and weights are
in ``models``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.components.base import Artifact, DataWarnings
from textmill.components.shards import read_shard
from textmill.models.errors import DataError, IntegrityError

_MOST_CUT = 0.1
"""Share of the tokens of a split that may be cut without a warning."""
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


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_bytes())


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file that a person can read, the same bytes for the same value."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


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

    Facts: ``kind``; ``size`` (number of tokens, special tokens included); ``limit``,
    the configured size, where the corpus yields fewer tokens.
    """

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


class TrainedModel(Artifact):
    """Weights and everything else that rebuilds the model, tokenizer included.

    Its digest covers every tensor, the canonical config and the vocabulary's digest.

    Facts: ``task``, ``model`` (canonical config), ``labels``, ``vocabulary`` (digest);
    of a calibrated classifier also ``encoder`` and ``linear`` (facts of its parts, or
    None), ``calibration``, ``held_out`` and ``comparison``; of a linear model also
    ``documents_left_out``.
    """

    WEIGHTS = "weights.safetensors"
    TOKENIZER = "tokenizer"

    def note(self) -> str | None:
        """Returns why parts are joined or not, or how much limits left out."""
        if comparison := self.facts.get("comparison"):
            return str(comparison["sentence"])
        counts = {
            "documents": self.facts.get("documents_left_out", 0),
            "rare n-grams": self.facts["model"].get("ngrams_left_out", 0),
        }
        parts = [f"{count:,} {what}" for what, count in counts.items() if count]
        return f"left out: {', '.join(parts)}" if parts else None

    def stage_summary(self) -> dict[str, Any]:
        """Returns the parts of a calibrated classifier and its calibration."""
        if "calibration" not in self.facts:
            return {}
        parts = [name for name in ("encoder", "linear") if self.facts[name]]
        calibration = self.facts["calibration"]
        return {"model": {"parts": parts, **calibration, "sentence": self.note()}}

    def copy_tokenizer(self, files: Iterable[Path]) -> None:
        """Copies the files of a vocabulary into the model's folder."""
        folder = self.path / self.TOKENIZER
        folder.mkdir()
        for path in files:
            shutil.copyfile(path, folder / path.name)


class TrainingLogs(Artifact):
    """Scalars by step in ``scalars.jsonl`` and TensorBoard events below ``events/``."""

    SCALARS = "scalars.jsonl"
    EVENTS = "events"

    def read(self) -> Iterator[dict[str, Any]]:
        """Yields ``{"step", "name", "value"}`` in the order of writing."""
        for line in (self.path / self.SCALARS).read_text().splitlines():
            yield json.loads(line)


class Predictions(Artifact):
    """A model's outputs for rows: ``<split>.parquet``, a row group at a time.

    The evaluated split is there; the eval split is too, if a calibration needs it.

    Columns: ``id``; ``target`` for kinds that rows hold (see
    ``textmill.models.targets``); the task's outputs (see
    ``textmill.models.metrics.metric.PredictedRows``); slice columns, as text.

    Facts: ``task``; ``labels``; ``split``; ``rows``; ``slices`` (column names);
    ``group``, the column whose values mark rows that belong together, if there is one;
    ``tokens`` and ``bytes`` of the texts to predict; ``documents`` and, from the
    predictor, ``model`` (digests); ``held_out``, the split that a calibration is fitted
    to, if it is not eval; ``folds``, their number, with the split ``folds``.
    """

    SAMPLES = "samples.json"
    """Texts generated by the model, if any."""

    @staticmethod
    def file_name(split: str) -> str:
        """Returns the name of a split's file."""
        return f"{split}.parquet"

    @property
    def held_out_split(self) -> str:
        """The split that a calibration is fitted to."""
        return str(self.facts.get("held_out", "eval"))

    def check_model(self, model: TrainedModel) -> None:
        """Checks that the predictions are those of a model, if they name one.

        Raises:
            IntegrityError: they are not.
        """
        if self.facts.get("model", model.digest) != model.digest:
            raise IntegrityError(
                f"{self.path}: predictions of another model than {model.path}; run the "
                "pipeline again"
            )

    def read_groups(self, split: str | None = None) -> Iterator[dict[str, Any]]:
        """Yields the columns of each row group as NumPy arrays, text as lists.

        Args:
            split: the evaluated split if not given.
        """
        import pyarrow.parquet as pq

        paths = self.files(self.file_name(split or self.facts["split"]))
        if not paths:
            return  # a split without rows
        [path] = paths
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).combine_chunks()
            yield {name: _values(table[name].chunk(0)) for name in table.column_names}

    @property
    def samples(self) -> list[str]:
        """Texts generated by the model; empty if there are none."""
        path = self.path / self.SAMPLES
        texts: list[str] = read_json(path) if path.exists() else []
        return texts


def _values(array: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string(array.type):
        return array.to_pylist()
    if pa.types.is_fixed_size_list(array.type):
        return array.flatten().to_numpy().reshape(len(array), -1)
    return array.to_numpy(zero_copy_only=False)  # bits of booleans are unpacked


class Evaluation(Artifact):
    """Metrics with intervals, slices, confusion matrix, thresholds: ``metrics.json``.

    ``rows.parquet`` has every metric's statistics by row, for a paired comparison with
    the next model (see ``textmill.components.evaluator.pushed``).

    Facts: ``blessed`` (None where no threshold was set); ``model``, ``documents`` and
    ``vocabulary`` (digests); ``split``; ``task``; ``task_config``.
    """

    FILE = "metrics.json"
    ROWS = "rows.parquet"

    def read(self) -> dict[str, Any]:
        """Returns the evaluation.

        Raises:
            IntegrityError: its file was altered.
        """
        value: dict[str, Any] = read_json(self.verify_file(self.FILE))
        return value

    @property
    def blessed(self) -> bool | None:
        """True if every threshold was met; None if none was set."""
        value: bool | None = self.facts["blessed"]
        return value

    def stage_summary(self) -> dict[str, Any]:
        """Returns task, split, rows, metrics, those of baselines, and the gate."""
        evaluation = self.read()
        baselines = {
            name: {
                **_summarize(b["metrics"]),
                "differences": b["differences"],
                **_summarize_calibration(b),
            }
            for name, b in evaluation.get("baselines", {}).items()
        }
        return {
            "task": evaluation["task"],
            "split": evaluation["split"],
            "rows": evaluation["rows"],
            **{k: evaluation[k] for k in _SUMMARIZED if k in evaluation},
            **_summarize(evaluation["metrics"]),
            "thresholds": evaluation["thresholds"],
            "blessed": self.blessed,
            **({"baselines": baselines} if baselines else {}),
            **({"absent_labels": absent} if (absent := _absent(evaluation)) else {}),
            **_summarize_folds(evaluation),
            **_summarize_calibration(evaluation),
        }


_SUMMARIZED = (
    *("groups", "grouped_by"),
    *("seen_in_pretraining", "calibrated_on_these_rows"),
)


def _summarize_calibration(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``calibration`` without its tables; empty for other tasks."""
    if "calibration" not in measured:
        return {}
    scores = measured["calibration"]
    summary = {name: scores[name] for name in ("ece", "ece_by_chance", "brier")}
    if "risk_coverage" in scores:
        summary["aurc"] = scores["risk_coverage"]["aurc"]
    if "confident" in scores:
        summary["confident"] = scores["confident"]
    return {"calibration": summary}


def _summarize_folds(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``folds``: metrics of all together and of each; empty without folds."""
    folds = evaluation.get("folds")
    if folds is None:
        return {}
    others = {name: folds[name] for name in ("rows", "by_fold", "spread")}
    return {"folds": {**others, **_summarize(folds["metrics"])}}


def _absent(evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the labels without a row in the evaluated split."""
    scores = evaluation.get("per_class", {})
    return [label for label in scores if not scores[label]["support"]]


def _summarize(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metrics": {name: m["value"] for name, m in metrics.items()},
        "intervals": {name: [m["low"], m["high"]] for name, m in metrics.items()},
    }


class ServingModel(Artifact):
    """A model in some formats, each in a folder, and the answers it must give.

    ``saved_model/`` holds the SavedModel; ``parity.json`` texts and the trainer's
    answers to them.

    Facts: ``task``, ``model`` and ``vocabulary`` (digests), ``labels``, ``formats``.
    """

    SAVED_MODEL = "saved_model"
    PARITY = "parity.json"

    @property
    def reference(self) -> str:
        """The seal: one digest allows different bytes, and the bytes are served."""
        return self.seal


class Validation(Artifact):
    """Answers of a fresh process compared with the trainer's: ``validation.json``.

    Facts: ``serving`` (the seal of the bytes that answered).
    """

    FILE = "validation.json"

    def read(self) -> dict[str, Any]:
        """Returns the comparison."""
        value: dict[str, Any] = read_json(self.path / self.FILE)
        return value


class PushedModel(Artifact):
    """The destination of a pushed model, or the reason for none: ``push.json``.

    Facts: ``pushed`` (bool), ``version``, ``reason`` and ``destination``, which is
    relative to this folder, so that a project can be moved; ``previous``, the newest
    version of a different model at that time: ``version``, ``metrics``, ``model`` (a
    digest) and ``same_documents``.
    """

    FILE = "push.json"

    @property
    def destination(self) -> Path:
        """The folder of the pushed version."""
        return (self.path / self.facts["destination"]).resolve()

    def stage_summary(self) -> dict[str, Any]:
        """Returns the folder of the pushed version, if there is one."""
        return {"pushed": self.destination if self.facts["pushed"] else None}

    def missing_reason(self) -> str | None:
        """Returns the reason if the pushed version is gone or damaged."""
        if not self.facts["pushed"]:
            return None
        if not (self.destination / PushedVersion.MODEL).exists():
            return f"{self.destination / PushedVersion.MODEL} is gone"
        try:
            PushedVersion(self.destination).verify()
        except IntegrityError as error:
            return str(error)
        return None


class PushedVersion(Artifact):
    """A SavedModel below ``pushed/<stage>/<version>/``, with its evaluation.

    Facts: ``serving`` (the seal of the serving model).
    """

    MODEL = "saved_model.pb"
    CARD = "assets.extra/evaluation.json"
    """The model's digest and evaluation."""
    ROWS = "assets.extra/evaluation_rows.parquet"
    """``rows.parquet`` of its evaluation; older versions have none."""

    @classmethod
    def all(cls, folder: Path) -> list[Path]:
        """Returns the folders of the versions below a folder, newest first."""
        versions = [
            version
            for version in folder.glob("*")
            if version.name.isdecimal() and (version / cls.MODEL).is_file()
        ]
        return sorted(versions, key=lambda version: int(version.name), reverse=True)

    @classmethod
    def latest_other(
        cls, folder: Path, model: str
    ) -> tuple[int, dict[str, Any]] | None:
        """Returns number and card of the newest version with a different model.

        Versions without a card were not pushed by Textmill, and do not count.

        Raises:
            IntegrityError: a version's card was altered.
        """
        for path in cls.all(folder):
            if (path / cls.CARD).is_file():
                card = cls(path).read_card()
                if card["model"] != model:
                    return int(path.name), card
        return None

    def read_card(self) -> dict[str, Any]:
        """Returns the verified evaluation card.

        Raises:
            IntegrityError: the card or the manifest was altered, or is missing.
        """
        card: dict[str, Any] = read_json(self.verify_file(self.CARD))
        return card


class Report(Artifact):
    """The page about a pipeline: ``report.html`` and its data, ``report.json``."""

    PAGE = "report.html"
    DATA = "report.json"
