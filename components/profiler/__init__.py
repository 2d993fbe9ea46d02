"""Profiling: what is in the documents, what they differ from, and what looks wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textmill.components.artifacts import Documents, Profile, Vocabulary
from textmill.components.base import Component, Context, Input, Output
from textmill.components.profiler.config import ProfileConfig


@dataclass(frozen=True, kw_only=True)
class ProfilerConfig:
    """A data set's profile."""

    dataset: str = "data"
    """The data set's name in the user's file, for messages."""
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    """What the user says of it, with absolute paths."""


def profile(
    *,
    documents: Input[Documents],
    vocabulary: Input[Vocabulary] | None = None,
    profile: Output[Profile],
    config: ProfilerConfig,
    context: Context,
) -> None:
    """Writes statistics a split, a schema, drift and anomalies.

    Raises:
        ConfigError: the schema or the baseline is not one.
        DataError: an anomaly is of a kind that ``fail_on`` lists.
    """
    from textmill.components.profiler.engine import make_profile

    make_profile(documents, vocabulary, profile, config, context)


class Profiler(Component, executor=profile):
    """Documents -> profile (TFX: StatisticsGen, SchemaGen, ExampleValidator)."""

    @classmethod
    def external_files(cls, config: ProfilerConfig) -> Sequence[Path]:
        """Returns the schema and the baseline that are named.

        Raises:
            ConfigError: one of them is not there.
        """
        from textmill.components.profiler.baseline import find_profile

        named = []
        if config.profile.schema:
            from textmill.components.profiler.schema import read_schema

            named.append(Path(config.profile.schema))
            read_schema(named[0])
        if config.profile.baseline:
            named.append(find_profile(Path(config.profile.baseline)))
        return named
