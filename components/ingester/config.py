"""The config of a data set, from the configs of its wings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from textmill.components.ingester.augment import AugmentConfig
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.dedup.config import DecontaminateConfig
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import MixConfig, SplitConfig
from textmill.components.ingester.sources.config import SourceConfig


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """One data set of the file."""

    source: SourceConfig | None = None
    """Where the documents come from."""
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)
    """In place of ``source``: several, by name; documents get the column ``source``."""
    mix: MixConfig = field(default_factory=MixConfig)
    """Shares of several sources in the train split."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    """Cleaning, filtering and deduplication."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Shares of train, eval and test."""
    decontaminate: DecontaminateConfig | None = None
    """Removal of documents that overlap with other data sets' eval and test."""
    augment: AugmentConfig | None = None
    """Changed copies of labelled documents, added to train; None adds none."""
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    """Bounds on bad input."""
    num_shards: int = 4
    """Shards a split; more of them let more workers tokenize at once."""

    def __post_init__(self) -> None:
        if (self.source is None) == (not self.sources):
            raise ValueError("either source or sources")
        if self.split.by == "source":
            for name, source in self.named_sources().items():
                if not source.names_splits:
                    where = f" in sources.{name}" if name else ""
                    raise ValueError(
                        f"files by split (train, eval, test), tfds or folder{where} "
                        "for split.by: source"
                    )
        if self.augment is not None and not self.is_labelled:
            raise ValueError("a label column for augment, got none")
        labels = {source.label is not None for source in self.named_sources().values()}
        if len(labels) > 1:
            raise ValueError("a label column in every source or in none")

    def named_sources(self) -> dict[str, SourceConfig]:
        """Returns the sources by name, sorted; a single one has the name ''."""
        if self.source is not None:
            return {"": self.source}
        return dict(sorted(self.sources.items()))

    @property
    def is_labelled(self) -> bool:
        """Returns whether documents have labels."""
        return any(source.label for source in self.named_sources().values())
