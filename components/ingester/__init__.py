"""Ingestion: sources become documents.

Reading order: this file; ``config``, whose parts are in the wings; ``engine``, the Beam
pipeline; ``partitions`` and ``documents``, from a file range to lines and an index;
``selection``, the rules over the whole data set; ``refusals``; ``positions`` of bad
records; ``spill_files``, ``shard_writer``.
Wings: ``sources``, ``readers``, ``cleaning``, ``filters``, ``dedup``, ``sampling``,
``augment``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textmill.components.artifacts import Documents
from textmill.components.base import Component, Context, ExternalVersion, Input, Output
from textmill.components.ingester import augment
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.filters.language import resolved_method


@dataclass(frozen=True, kw_only=True)
class IngesterConfig:
    """A data set and the seed of its order."""

    dataset: DatasetConfig
    """Its sources, cleaning and splits, with absolute paths."""
    seed: int = 17
    """Seed of the order inside shards."""
    keep_unlabelled: bool = False
    """Keep documents without a target, for stages that need none."""
    name: str = "data"
    """Name of the data set in the config file, for messages."""


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
        IntegrityError: a file is damaged.
    """
    context.report({"phase": "importing"})
    from textmill.components.ingester import engine

    engine.run(
        documents,
        dataset=config.dataset,
        seed=config.seed,
        keep_unlabelled=config.keep_unlabelled,
        name=config.name,
        context=context,
        against=against,
    )


class Ingester(Component, executor=ingest):
    """Sources -> documents (TFX: ExampleGen)."""

    @classmethod
    def external_files(cls, config: IngesterConfig) -> Sequence[Path | ExternalVersion]:
        """Returns source files, word lists and the version of language identification.

        Raises:
            ConfigError: a pattern matches no file, or a package is not installed.
        """
        from textmill.components.ingester.sources.files import external_files

        clean = config.dataset.clean
        files: list[Path | ExternalVersion] = [*clean.quality.files]
        for source in config.dataset.named_sources().values():
            files += external_files(source)
        if config.dataset.augment is not None:
            files += augment.external_files(config.dataset.augment)
        if clean.language is not None:
            method = resolved_method(clean.language)
            files.append(ExternalVersion("language identification", method))
        return files
