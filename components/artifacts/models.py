"""Artifacts of a model: its weights, logs of the training, and served forms."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from textmill.components.artifacts.json_files import read_json
from textmill.components.base import Artifact


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

    def copy_tokenizer(self, source: Path, files: Iterable[Path]) -> None:
        """Copies files of a tokenizer's folder into the model's folder."""
        for path in files:
            target = self.path / self.TOKENIZER / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


class TrainingLogs(Artifact):
    """Scalars by step in ``scalars.jsonl`` and TensorBoard events below ``events/``."""

    SCALARS = "scalars.jsonl"
    EVENTS = "events"

    def read(self) -> Iterator[dict[str, Any]]:
        """Yields ``{"step", "name", "value"}`` in the order of writing."""
        for line in (self.path / self.SCALARS).read_text().splitlines():
            yield json.loads(line)


class ServingModel(Artifact):
    """A model in some formats, each in a folder, and the answers it must give.

    ``saved_model/`` holds the SavedModel; ``parity.json`` texts and the trainer's
    answers to them.

    Facts: ``task``, ``model`` and ``vocabulary`` (digests), ``labels``, ``formats``.
    """

    SAVED_MODEL = "saved_model"
    OTHERS = "assets.extra"
    """Folder in a pushed version of its other formats."""
    PARITY = "parity.json"

    @property
    def reference(self) -> str:
        """The seal: one digest allows different bytes, and the bytes are served."""
        return self.seal


class Validation(Artifact):
    """Answers of a fresh process compared with the trainer's: ``validation.json``.

    Its ``formats`` has of each format the largest difference, the size, the memory of
    the process, and the latency of a single text in milliseconds.

    Facts: ``serving`` (the seal of the bytes that answered).
    """

    FILE = "validation.json"

    def read(self) -> dict[str, Any]:
        """Returns the comparison."""
        value: dict[str, Any] = read_json(self.path / self.FILE)
        return value
