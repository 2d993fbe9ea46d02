"""What a user says of a data set: where it is, how it is cleaned, how it is split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from textmill.components.ingester.augment import AugmentConfig
from textmill.components.ingester.cleaning.privacy import PrivacyConfig
from textmill.components.ingester.filters import QualityConfig
from textmill.components.ingester.filters.language import LanguageConfig
from textmill.components.ingester.sources.config import SourceConfig


@dataclass(frozen=True, kw_only=True)
class NearConfig:
    """How near duplicates are found: MinHash of word 5-grams (FineWeb's settings)."""

    bands: int = 14
    """Documents of similarity s meet with probability 1 - (1 - s^hashes)^bands."""
    hashes: int = 8
    """Hashes a band."""
    ngrams: int = 5
    """Words a shingle; a character is one in scripts without spaces."""
    verify: float | None = None
    """Joins only documents whose shingles have this Jaccard similarity or more; None
    joins all that meet in a band."""
    action: Literal["drop", "tag"] = "drop"
    """Keeps one document a cluster, or keeps all and names their ``cluster``."""

    def __post_init__(self) -> None:
        if min(self.bands, self.hashes, self.ngrams) < 1:
            raise ValueError("bands, hashes and ngrams of 1 or more")
        if self.verify is not None and not 0 < self.verify <= 1:
            raise ValueError(f"verify in (0, 1], got {self.verify:g}")


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """What is cut from documents, and which of them are dropped.

    In this order: repair, unicode, control, markup, citations, boilerplate, whitespace,
    privacy, language, quality, length; then, over all documents, repeated ids, dedup
    and repeats.
    """

    repair: bool = False
    """Undoes text that was decoded in the wrong encoding (ftfy; the extra ``data``)."""
    unicode: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode normalization form of the text; nfkc folds full-width forms too."""
    control: Literal["keep", "strip"] = "keep"
    """Whether control, direction and other invisible characters are cut."""
    markup: Literal["keep", "strip"] = "keep"
    """Whether HTML, Markdown, reStructuredText and MediaWiki marks are cut."""
    citations: Literal["keep", "strip"] = "keep"
    """Whether reference marks such as [12] and [citation needed] are cut."""
    boilerplate: Literal["keep", "strip"] = "keep"
    """Whether lines of navigation, cookie notices, copyright and the like are cut."""
    whitespace: Literal["keep", "collapse"] = "keep"
    """Whether runs of white space become one space."""
    privacy: Literal["none", "mask", "drop", "tag"] = "none"
    """What becomes of personal data: it is replaced, its document is dropped, or the
    document says in ``personal`` which kinds it holds."""
    personal: PrivacyConfig = field(default_factory=PrivacyConfig)
    """What counts as personal, and what replaces it."""
    language: LanguageConfig | None = None
    """Which languages stay; None looks at none."""
    quality: QualityConfig = field(default_factory=QualityConfig)
    """Published filters that documents must pass."""
    dedup: Literal["none", "exact", "near"] = "none"
    """Drops documents with the same text (case and white space folded), or, with
    ``near``, also with nearly the same. Of a cluster the longest one stays; where
    splits are given by the source, one of test before eval before train."""
    near: NearConfig = field(default_factory=NearConfig)
    """How near duplicates are found."""
    repeated_passages: Literal["keep", "paragraphs", "sentences"] = "keep"
    """Cuts paragraphs, or runs of three sentences, that stand in an earlier document
    (in the order of the seeded hash) or further up in the same one."""
    min_chars: int = 1
    """Documents with fewer characters are dropped."""
    max_chars: int | None = None
    """Documents with more characters are dropped."""


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares of the documents; the same key always falls into the same split."""

    train: float = 0.9
    """Share used for training."""
    eval: float = 0.1
    """Share used to watch training."""
    test: float = 0.0
    """Share kept for the evaluator; with 0 it uses eval."""
    by: str = "id"
    """The column whose SHA-256 decides, so that its values never straddle splits;
    ``position`` cuts every document at its shares instead (train first); ``source``
    keeps the splits of the source, and takes the share of eval out of its train where
    it has no eval."""

    def __post_init__(self) -> None:
        shares = (self.train, self.eval, self.test)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError(
                f"shares of 0 or more that add up to 1, got {sum(shares):g}"
            )


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """How several sources share the train split; documents are chosen by hash."""

    temperature: float | None = None
    """Gives sources without a rate the rate size^(1/temperature); 1 leaves sizes as
    they are, more evens them out."""
    max_epochs: float = 1.0
    """No source with a rate is used more often than this; above 1 documents repeat."""

    def __post_init__(self) -> None:
        if self.temperature is not None and self.temperature < 1:
            raise ValueError(f"temperature of 1 or more, got {self.temperature:g}")
        if self.max_epochs <= 0:
            raise ValueError(f"max_epochs of more than 0, got {self.max_epochs:g}")


@dataclass(frozen=True, kw_only=True)
class DecontaminateConfig:
    """Which other data sets' eval and test documents must not be learned from."""

    against: tuple[str, ...]
    """Data sets of this file."""
    ngrams: int = 13
    """Words that a passage in common has (Brown et al. 2020, appendix C)."""
    max_share: float = 0.0
    """Documents with a larger share of their n-grams in common are contaminated."""
    action: Literal["drop", "tag"] = "drop"
    """Drops contaminated documents, or keeps them with ``contaminated: true``."""

    def __post_init__(self) -> None:
        if not self.against:
            raise ValueError("at least one data set as against, got none")
        if self.ngrams < 1 or not 0 <= self.max_share < 1:
            raise ValueError("ngrams of 1 or more and max_share in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """Bounds that keep bad input from becoming bad data."""

    max_line_bytes: int = 1 << 20
    """Longer lines become dead letters."""
    max_bad_fraction: float = 0.001
    """The run fails when a larger share of the records is bad."""
    max_expanded_bytes: int = 64 << 30
    """A compressed file may grow to this size, and to 200 times its own."""
    keep_raw: bool = False
    """Whether dead letters hold the offending text itself."""


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """One data set of the file."""

    source: SourceConfig | None = None
    """Where the documents come from."""
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)
    """In place of ``source``: several, by name; documents get the column ``source``."""
    mix: MixConfig = field(default_factory=MixConfig)
    """How several sources share the train split."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    """What is cut from them, and which are dropped."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """How they are divided."""
    decontaminate: DecontaminateConfig | None = None
    """What must not be learned from; None looks at nothing."""
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
        """Whether documents have labels."""
        return any(source.label for source in self.named_sources().values())
