"""Export: a trained model and its tokenizer become one model that takes text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Annotated, ClassVar

from textmill.components.artifacts import (
    Documents,
    ServingModel,
    TrainedModel,
    write_json,
)
from textmill.components.base import Component, Input, Output
from textmill.models.checks import Bounds, check_bounds
from textmill.models.export import FORMATS, FormatName
from textmill.models.generation.config import GenerateConfig
from textmill.models.texts import texts_of


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A stage's ``export`` section."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "max_tokens": "stages.NAME.generate.max_tokens"
    }
    """Former names of keys."""

    formats: tuple[FormatName, ...] = ("saved_model",)
    """File formats. A pushed version is the SavedModel, and has each other format in a
    folder of its name below ``assets.extra``."""
    parity_texts: Annotated[int, Bounds(at_least=0, at_most=100_000)] = 64
    """Number of documents whose answers are stored, for the infra validator."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.formats:
            raise ValueError("one of formats or more, got none")


@dataclass(frozen=True, kw_only=True)
class ExporterConfig(ExportConfig):
    """The section, and how the served model writes."""

    generate: GenerateConfig | None = None
    """For a task that writes texts."""
    seed: int | None = None
    """Likewise: the seed of the tokens that it draws."""


def export(
    *,
    documents: Input[Documents],
    model: Input[TrainedModel],
    serving: Output[ServingModel],
    config: ExporterConfig,
) -> None:
    """Writes the model in every format, and the trainer's answers to some texts."""
    from textmill.models.servable import load_servable
    from textmill.models.tasks.server import ServingOptions

    trained, tokenizer = load_servable(
        model.path / model.WEIGHTS, model.path / model.TOKENIZER, model.facts
    )
    labels = model.facts["labels"]
    options = ServingOptions(labels=tuple(labels))
    if config.generate is not None and config.seed is not None:
        options = replace(options, generate=config.generate, seed=config.seed)
    for name in config.formats:
        FORMATS[name].load().write(trained, tokenizer, serving.path / name, options)
    server = trained.serve(tokenizer, options)
    texts = list(_some_texts(documents, config.parity_texts, server.num_texts))
    answers = server.reference_answers(texts)
    write_json(serving.file(serving.PARITY), {"texts": texts, "answers": answers})
    serving.facts = {
        "task": model.facts["task"],
        "model": model.digest,
        "vocabulary": model.facts["vocabulary"],
        "labels": labels,
    }
    # The bytes of saved_model.pb differ between two exports of the same model.
    serving.identity = {**serving.facts, "export": asdict(config)}
    serving.facts["formats"] = list(config.formats)


def _some_texts(
    documents: Documents, count: int, num_texts: int
) -> Iterator[str | list[str]]:
    split = "test" if documents.splits.get("test") else "eval"
    if not documents.splits.get(split):
        split = "train"
    for document in islice(documents.read(split), count):
        texts = texts_of(document)[:num_texts]
        yield texts[0] if num_texts == 1 else texts


class Exporter(Component, executor=export):
    """Documents, trained model -> serving model."""
