"""Vocabulary: learned from the train split, or imported from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from textmill.components.artifacts import Documents, Vocabulary
from textmill.components.base import Component, Context, Input, Output
from textmill.components.shards import Side
from textmill.models.checks import COUNT, Bounds, check_bounds
from textmill.models.paths import FilePath
from textmill.models.vocabulary_files import TARGET_DIR

if TYPE_CHECKING:
    from textmill.models.tokenizers import Tokenizer

_FORMS = {
    "wordpiece": ("bert", "fast"),
    "sentencepiece": (),
    "bpe": ("none", "nfc", "nfkc"),
    "character": ("none", "nfc", "nfkc"),
}
_SMALLEST_BPE = 4 + 256


@dataclass(frozen=True, kw_only=True)
class TargetVocabularyConfig:
    """Tokenizer and vocabulary of the targets, learned from them or of a file."""

    kind: Literal["wordpiece", "sentencepiece", "bpe", "character"] | None = None
    """WordPiece (BERT), SentencePiece Unigram, byte-level BPE (GPT-2), or one token per
    character. Not set: wordpiece, or the kind of the file."""
    size: Annotated[int, Bounds(at_least=16, at_most=10_000_000)] = 8000
    """Greatest number of tokens, special tokens included; a corpus that yields fewer
    gives a smaller vocabulary. Files ignore it."""
    file: FilePath | None = None
    """Not learned: vocab.txt, vocab.json next to merges.txt, tokenizer.json
    or spiece.model, or a Hugging Face or KerasHub folder with one of them."""
    lowercase: bool | None = None
    """Lower-case text; wordpiece also strips accents, as BERT does. Not set: false for
    bpe, the folder's setting for an import, and true otherwise."""
    normalization: Literal["bert", "fast", "none", "nfc", "nfkc"] | None = None
    """wordpiece: bert gives BERT's ids, fast folds by NFKC and is faster; bpe and
    character: a Unicode form, or none; sentencepiece has its own, NFKC. Not set: bert
    for wordpiece, none for bpe and character."""
    max_sample_bytes: Annotated[int, COUNT] | None = None
    """Bytes of text to learn from, an equal part of every shard. Not set: 100 MB,
    or 10 MB for sentencepiece, whose learner is slower."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.kind == "character" and self.file:
            raise ValueError("no file for kind character, which is learned, got file")
        if self.kind == "bpe" and not self.file and self.size < _SMALLEST_BPE:
            raise ValueError(
                f"size of {_SMALLEST_BPE} or more for kind bpe, which has a token for "
                f"every byte, got {self.size}"
            )
        kind = self.kind or (None if self.file else "wordpiece")
        form = self.normalization
        if form is not None and kind is not None and form not in _FORMS[kind]:
            known = " or ".join(_FORMS[kind]) or "no normalization"
            raise ValueError(f"{known} for kind {kind}, got {form}")


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig(TargetVocabularyConfig):
    """Tokenizer and vocabulary. Give either ``learn_from`` or ``file``."""

    learn_from: str | None = None
    """Data set to learn from; its train split is counted."""
    target: TargetVocabularyConfig | None = None
    """seq2seq: a vocabulary of their own for the targets. Not set: texts and targets
    share one, learned from both."""

    def __post_init__(self) -> None:
        if (self.learn_from is None) == (self.file is None):
            raise ValueError("either learn_from or file")
        super().__post_init__()
        if self.target is not None and not (self.learn_from or self.target.file):
            raise ValueError("target.file where the vocabulary is a file")


def learn_vocabulary(
    *,
    documents: Input[Documents] | None = None,
    vocabulary: Output[Vocabulary],
    config: VocabularyConfig,
    context: Context,
) -> None:
    """Learns or imports a vocabulary.

    Raises:
        ConfigError: the file is missing, or its kind is not the configured one.
        DataError: ``size`` has no room for the characters of the corpus.
        IntegrityError: the file has an empty or repeated token.
    """
    side: Side = "all" if config.target is None else "texts"
    tokenizer = _tokenizer(documents, config, context, side)
    vocabulary.path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(vocabulary.path)
    vocabulary.facts = _facts(tokenizer, config)
    if config.target is not None:
        target = _tokenizer(documents, config.target, context, "targets")
        folder = vocabulary.path / TARGET_DIR
        folder.mkdir()
        target.save(folder)
        vocabulary.facts["target"] = _facts(target, config.target)


def _tokenizer(
    documents: Documents | None,
    config: TargetVocabularyConfig,
    context: Context,
    side: Side,
) -> Tokenizer:
    """Imports a tokenizer, or learns one from a side of the documents."""
    if config.file:
        from textmill.models.tokenizers import import_tokenizer

        return import_tokenizer(
            Path(config.file),
            kind=config.kind,
            lowercase=config.lowercase,
            normalization=config.normalization,
        )
    context.report({"phase": "importing"})
    from textmill.components.vocabulary_learner.engine import learn_tokenizer

    assert documents is not None, "wired by create_pipeline"
    return learn_tokenizer(documents, config, context, side=side)


def _facts(tokenizer: Tokenizer, config: TargetVocabularyConfig) -> dict[str, Any]:
    facts = {"kind": tokenizer.kind, "size": tokenizer.size}
    if not config.file and tokenizer.size < config.size:
        facts["limit"] = config.size
    return facts


class VocabularyLearner(Component, executor=learn_vocabulary):
    """Documents -> vocabulary."""

    @classmethod
    def external_files(cls, config: VocabularyConfig) -> list[Path]:
        """Returns the imported files, if any.

        Raises:
            ConfigError: the file or folder has no vocabulary.
        """
        from textmill.models.vocabulary_files import vocabulary_files

        files = [part.file for part in (config, config.target) if part and part.file]
        return [path for file in files for path in vocabulary_files(Path(file))]
