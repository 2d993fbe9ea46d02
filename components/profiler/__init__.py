"""Profiling: statistics, schema checks, drift and anomalies of documents.

Reading order: ``config`` (thresholds), ``engine`` (Beam), ``statistics`` with
``text_stats``, ``columns``, ``sketches`` and ``tokens`` (counting), ``description``,
``drift`` with ``baseline``, ``schema`` with ``schema_check``, ``anomalies``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textmill.components.artifacts import Documents, Profile, Vocabulary
from textmill.components.base import Component, Context, Input, Output
from textmill.components.profiler.config import ProfileConfig


@dataclass(frozen=True, kw_only=True)
class ProfilerConfig:
    """Configuration of a profiler node."""

    dataset: str = "data"
    """Name of the data set in the config file, for messages."""
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    """The data set's ``profile`` section, with absolute paths."""


def profile(
    *,
    documents: Input[Documents],
    vocabulary: Input[Vocabulary] | None = None,
    profile: Output[Profile],
    config: ProfilerConfig,
    context: Context,
) -> None:
    """Writes statistics per split, a schema, drift and anomalies.

    Raises:
        ConfigError: the schema or the baseline is invalid.
        DataError: an anomaly is of a kind that ``fail_on`` lists.
    """
    context.report({"phase": "importing"})
    from textmill.components.profiler.engine import make_profile

    num_documents = sum(documents.splits.values())
    context.report({"phase": f"counting {num_documents:,} documents"})

    make_profile(documents, vocabulary, profile, config, context)


class Profiler(Component, executor=profile):
    """Documents -> profile (TFX: StatisticsGen, SchemaGen, ExampleValidator)."""

    @classmethod
    def external_files(cls, config: ProfilerConfig) -> Sequence[Path]:
        """Returns the paths of the schema and the baseline, if configured.

        Raises:
            ConfigError: one of them is missing.
        """
        from textmill.components.profiler.baseline import find_profile

        files = []
        if config.profile.schema:
            from textmill.components.profiler.schema import read_schema

            files.append(Path(config.profile.schema))
            read_schema(files[0])
        if config.profile.baseline:
            files.append(find_profile(Path(config.profile.baseline)))
        return files
