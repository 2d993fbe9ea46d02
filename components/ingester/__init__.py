"""Ingestion: sources become documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textmill.components.artifacts import Documents
from textmill.components.base import (
    Component,
    Context,
    ExternalVersion,
    Input,
    Output,
)
from textmill.components.ingester import augment as augmentation
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.filters.language import resolved_method


@dataclass(frozen=True, kw_only=True)
class IngesterConfig:
    """A data set and the seed of its order."""

    dataset: DatasetConfig
    """What the user says of it, with absolute paths."""
    seed: int = 17
    """Seed of the order inside shards."""


def ingest(
    *,
    documents: Output[Documents],
    against: dict[str, Input[Documents]] | None = None,
    config: IngesterConfig,
    context: Context,
) -> None:
    """Writes the cleaned documents of every split.

    Raises:
        ConfigError: a pattern matches no file, or a package is not installed.
        DataError: no good document is left, or too many records are bad.
        IntegrityError: a compressed file was cut.
    """
    from textmill.components.ingester import engine as flow

    flow.run(
        documents,
        dataset=config.dataset,
        seed=config.seed,
        context=context,
        against=against,
    )


class Ingester(Component, executor=ingest):
    """Sources -> documents (TFX: ExampleGen)."""

    @classmethod
    def external_files(cls, config: IngesterConfig) -> Sequence[Path | ExternalVersion]:
        """Returns the source files, word lists, and what tells languages.

        Raises:
            ConfigError: a pattern matches no file, or a package is not installed.
        """
        from textmill.components.ingester.sources.files import external_files

        clean = config.dataset.clean
        found: list[Path | ExternalVersion] = [*clean.quality.files]
        for source in config.dataset.named_sources().values():
            found += external_files(source)
        if config.dataset.augment is not None:
            found += augmentation.external_files(config.dataset.augment)
        if clean.language is not None:
            method = resolved_method(clean.language)
            found.append(ExternalVersion("language identification", method))
        return found
