"""Vocabulary: the train split's words become a tokenizer's entries, or a file does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.artifacts import Documents, Vocabulary
from components.base import Component, Context, Input, Output


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """How texts become tokens. Give either ``learn_from`` or ``file``."""

    kind: Literal["wordpiece", "sentencepiece", "character"] = "wordpiece"
    """WordPiece (BERT), SentencePiece Unigram, or one token a character."""
    size: int = 8000
    """Entries, special tokens included; character takes what the corpus holds."""
    learn_from: str | None = None
    """The data set whose train split is counted."""
    file: str | None = None
    """A ``vocab.txt`` (a token a line) or ``spiece.model``, in place of learn_from."""
    lowercase: bool = True
    """Whether text is lower-cased; wordpiece strips accents with it, as BERT does."""
    normalization: Literal["bert", "fast"] = "bert"
    """wordpiece: ``bert`` gives BERT's ids; ``fast`` folds by NFKC, faster."""
    max_sample_bytes: int | None = None
    """Text that is learned from, in shard order; None is 100 MB, or 10 MB for
    sentencepiece, whose learner is slower."""

    def __post_init__(self) -> None:
        if (self.learn_from is None) == (self.file is None):
            raise ValueError("either learn_from or file")
        if self.size < 16:
            raise ValueError(f"size of 16 or more, got {self.size}")
        if self.kind == "character" and self.file:
            raise ValueError("learn_from for kind character, got file")


def learn_vocabulary(
    *,
    documents: Input[Documents] | None = None,
    vocabulary: Output[Vocabulary],
    config: VocabularyConfig,
    context: Context,
) -> None:
    """Learns or imports a vocabulary.

    Raises:
        DataError: the corpus is too small for the size.
        IntegrityError: the file holds an empty or repeated entry.
    """
    from components.vocabulary_learner import importing, learning

    if config.file:
        tokenizer = importing.read_tokenizer(Path(config.file), config)
    else:
        assert documents is not None, "wired by create_pipeline"
        tokenizer = learning.learn_tokenizer(documents, config, context)
    vocabulary.path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(vocabulary.path)
    vocabulary.facts = {"kind": config.kind, "size": tokenizer.size}


class VocabularyLearner(Component, executor=learn_vocabulary):
    """Documents -> vocabulary."""

    @classmethod
    def external_files(cls, config: VocabularyConfig) -> list[Path]:
        """Returns the imported file, if any."""
        return [Path(config.file)] if config.file else []
