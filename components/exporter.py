"""Export: a trained model and its tokenizer become one SavedModel that takes text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

from textmill.components.artifacts import (
    Documents,
    ServingModel,
    TrainedModel,
    write_json,
)
from textmill.components.base import Component, Input, Output


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A stage's ``export`` section."""

    formats: tuple[Literal["saved_model"], ...] = ("saved_model",)
    """File formats."""
    parity_texts: int = 64
    """Number of documents whose answers are stored, for the infra validator."""
    max_tokens: int = 64
    """causal_lm: number of tokens that the served model generates."""


def export(
    *,
    documents: Input[Documents],
    model: Input[TrainedModel],
    serving: Output[ServingModel],
    config: ExportConfig,
) -> None:
    """Writes a SavedModel whose ``serving_default`` takes raw strings."""
    from textmill.models.export import saved_model as engine
    from textmill.models.export.server import ServingOptions
    from textmill.models.inference import load_task

    task, tokenizer = load_task(
        model.path / model.WEIGHTS, model.path / model.TOKENIZER, model.facts
    )
    labels = model.facts["labels"]
    options = ServingOptions(labels=tuple(labels), num_tokens=config.max_tokens)
    server = task.serve(tokenizer, options)
    engine.save(server, serving.path / serving.SAVED_MODEL)
    texts = list(_some_texts(documents, config.parity_texts))
    write_json(
        serving.file(serving.PARITY),
        {"texts": texts, "answers": engine.reference_answers(server, texts)},
    )
    serving.facts = {
        "task": model.facts["task"],
        "model": model.digest,
        "vocabulary": model.facts["vocabulary"],
        "labels": labels,
    }
    # The bytes of saved_model.pb differ between two exports of the same model.
    serving.identity = {**serving.facts, "export": asdict(config)}


def _some_texts(documents: Documents, count: int) -> Iterator[str]:
    split = "test" if documents.splits.get("test") else "eval"
    if not documents.splits.get(split):
        split = "train"
    return (d["text"] for d in islice(documents.read(split), count))


class Exporter(Component, executor=export):
    """Documents, trained model -> serving model."""
