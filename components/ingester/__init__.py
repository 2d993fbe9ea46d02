"""Ingestion: sources become documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.artifacts import Documents
from components.base import Component, Context, Output
from components.ingester.config import DatasetConfig


@dataclass(frozen=True, kw_only=True)
class IngesterConfig:
    """A data set and the seed of its order."""

    dataset: DatasetConfig
    """What the user says of it, with absolute paths."""
    seed: int = 17
    """Seed of the order inside shards."""


def ingest(
    *, documents: Output[Documents], config: IngesterConfig, context: Context
) -> None:
    """Writes the cleaned documents of every split.

    Raises:
        ConfigError: a pattern matches no file, or a package is not installed.
        DataError: no good document is left, or too many records are bad.
        IntegrityError: a compressed file was cut.
    """
    from components.ingester import flow

    flow.run(documents, dataset=config.dataset, seed=config.seed, context=context)


class Ingester(Component, executor=ingest):
    """Sources -> documents (TFX: ExampleGen)."""

    @classmethod
    def external_files(cls, config: IngesterConfig) -> Sequence[Path]:
        """Returns the source files, sorted.

        Raises:
            ConfigError: a pattern matches no file, or a package is not installed.
        """
        from components.ingester.sources import find_files

        return [Path(file.path) for file in find_files(config.dataset.source)]
