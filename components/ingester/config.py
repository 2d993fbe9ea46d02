"""The config of a data set, from the configs of its wings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from textmill.components.ingester.augment import AugmentConfig
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.dedup.config import DecontaminateConfig
from textmill.components.ingester.labels import LabelsConfig
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import MixConfig, SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.checks import Bounds, check_bounds
from textmill.models.targets import TARGETS


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """One data set of the file."""

    source: SourceConfig | None = None
    """Where the documents come from."""
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)
    """In place of ``source``: several, by name; documents get the column ``source``,
    unless the data has one."""
    mix: MixConfig = field(default_factory=MixConfig)
    """Shares of several sources in the train split."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    """Cleaning, filtering and deduplication."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Shares of train, eval and test."""
    decontaminate: DecontaminateConfig | None = None
    """Removal of documents that overlap with other data sets' eval and test."""
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    """Names of labels, other spellings, and values that stand for none."""
    augment: AugmentConfig | None = None
    """Changed copies of labelled documents, added to train. Not set: none."""
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    """Bounds on bad input."""
    num_shards: Annotated[int, Bounds(at_least=1, at_most=100_000)] = 4
    """Shards per split; more of them let more workers tokenize at once."""

    def __post_init__(self) -> None:
        if (self.source is None) == (not self.sources):
            raise ValueError("either source or sources")
        check_bounds(self)
        if self.split.by == "source":
            for name, source in self.named_sources().items():
                if not source.names_splits:
                    where = f" in sources.{name}" if name else ""
                    raise ValueError(
                        f"files by split (train, eval, test), tfds or folder{where} "
                        "for split.by: source"
                    )
        self._check_targets()

    def _check_targets(self) -> None:
        kinds = {name: source.target for name, source in self.named_sources().items()}
        if len(set(kinds.values())) > 1:
            got = ", ".join(f"{kind} in {name}" for name, kind in kinds.items())
            raise ValueError(f"the same kind of target in every source, got {got}")
        kind, target = self.target, TARGETS[self.target]
        self._check_labels(kind)
        self._check_texts()
        if self.augment is not None and (kind == "none" or not target.suits_parts):
            raise ValueError(
                f"a label, labels or number column for augment, got {kind}"
            )
        if self.split.by == "position" and not target.suits_parts:
            raise ValueError(
                f"a target that a part of a text has too (label, labels or number) for "
                f"split.by: position, got {kind}"
            )
        if self.clean.repeated_passages != "keep" and target.has_spans:
            raise ValueError(
                f"clean.repeated_passages: keep for a source with {kind}, whose texts "
                f"may not change, got {self.clean.repeated_passages}"
            )

    def _check_texts(self) -> None:
        """Refuses sources of unlike numbers of texts, and steps that need one text."""
        sources = self.named_sources().items()
        counts = {name: len(source.text_columns) for name, source in sources}
        if len(set(counts.values())) > 1:
            got = ", ".join(f"{number} in {name}" for name, number in counts.items())
            raise ValueError(f"the same number of texts in every source, got {got}")
        for name, is_used in (
            ("augment", self.augment is not None),
            ("split.by: position", self.split.by == "position"),
        ):
            if is_used and self.num_texts > 1:
                raise ValueError(f"one text a document for {name}, got several")

    def _check_labels(self, kind: str) -> None:
        if kind == "none" and self.labels != LabelsConfig():
            raise ValueError("a target column in the source for labels, got none")
        is_tagged = self.clean.dedup == "near" and self.clean.near.action == "tag"
        if self.labels.rare == "train" and (self.split.by == "source" or is_tagged):
            other = "clean.near.action: tag" if is_tagged else "split.by: source"
            raise ValueError(f"fail or drop as labels.rare with {other}, got train")

    def named_sources(self) -> dict[str, SourceConfig]:
        """Returns the sources by name, sorted; a single one has the name ''."""
        if self.source is not None:
            return {"": self.source}
        return dict(sorted(self.sources.items()))

    @property
    def num_texts(self) -> int:
        """The number of texts of every document."""
        return len(next(iter(self.named_sources().values())).text_columns)

    @property
    def target(self) -> str:
        """The kind of target of all documents, by its name in TARGETS."""
        return next(iter(self.named_sources().values())).target
