"""Config of cleaning: one field per step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from textmill.components.ingester.dedup.config import NearConfig
from textmill.components.ingester.filters import QualityConfig
from textmill.components.ingester.filters.language import LanguageConfig
from textmill.components.text.privacy import PrivacyConfig
from textmill.models.checks import NOT_NEGATIVE


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """Steps that remove parts of documents, or drop documents.

    In this order: repair, unicode, control, markup, citations, boilerplate, whitespace,
    privacy, language, quality, length; then, over all documents, repeated ids, dedup
    and repeated passages.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"repeats": "repeated_passages"}
    """Former keys, for hints."""

    repair: bool = False
    """Repairs text decoded in a wrong encoding (ftfy; the extra ``data``)."""
    unicode: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode normalization form of the text; nfkc folds full-width forms too."""
    control: Literal["keep", "strip"] = "keep"
    """Whether control, direction and other invisible characters are removed."""
    markup: Literal["keep", "strip"] = "keep"
    """Whether HTML, Markdown, reStructuredText and MediaWiki marks are removed."""
    citations: Literal["keep", "strip"] = "keep"
    """Whether reference marks such as [12] and [citation needed] are removed."""
    boilerplate: Literal["keep", "strip"] = "keep"
    """Whether lines of navigation, cookie notices and copyright are removed."""
    whitespace: Literal["keep", "collapse"] = "keep"
    """Whether runs of white space become one space."""
    privacy: Literal["none", "mask", "drop", "tag"] = "none"
    """Replaces personal data, drops its documents, or names its kinds in the column
    ``personal``."""
    personal: PrivacyConfig = field(default_factory=PrivacyConfig)
    """Kinds of personal data, and their replacements."""
    language: LanguageConfig | None = None
    """Languages to keep. Not set: languages are not identified."""
    quality: QualityConfig = field(default_factory=QualityConfig)
    """Quality filters that documents must pass."""
    dedup: Literal["none", "exact", "near"] = "none"
    """Drops documents with the same text (case and white space folded), or, with
    ``near``, also with nearly the same. The longest of a cluster is kept; where splits
    are given by the source, one of test before eval before train."""
    near: NearConfig = field(default_factory=NearConfig)
    """MinHash for ``dedup: near``."""
    repeated_passages: Literal["keep", "paragraphs", "sentences"] = "keep"
    """Removes paragraphs, or runs of three sentences, that occur in an earlier document
    (in the order of the seeded hash) or earlier in the same one."""
    min_chars: Annotated[int, NOT_NEGATIVE] = 1
    """Documents with fewer characters are dropped."""
    max_chars: Annotated[int, NOT_NEGATIVE] | None = None
    """Documents with more characters are dropped."""
