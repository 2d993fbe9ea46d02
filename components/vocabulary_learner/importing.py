"""Vocabularies that exist already: a ``vocab.txt`` or a SentencePiece model."""

from __future__ import annotations

from pathlib import Path

from components.vocabulary_learner import VocabularyConfig
from models.faults import ConfigError, IntegrityError
from models.tokenization import SentencePiece, Tokenizer, WordPiece


def read_tokenizer(file: Path, config: VocabularyConfig) -> Tokenizer:
    """Reads a tokenizer from a file.

    Raises:
        ConfigError: there is no such file.
        IntegrityError: an entry is empty or repeated, or a control token is missing.
    """
    if not file.is_file():
        raise ConfigError(f"vocabulary.file: expected a file, found none at {file}")
    try:
        if config.kind == SentencePiece.kind:
            return SentencePiece(file.read_bytes())
        return WordPiece(
            _read_tokens(file),
            lowercase=config.lowercase,
            normalization=config.normalization,
        )
    except (ValueError, RuntimeError) as error:
        raise IntegrityError(
            f"{file}: not a {config.kind} vocabulary: {error}"
        ) from None


def _read_tokens(file: Path) -> list[str]:
    tokens = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    seen: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        token = token.removesuffix("\r")
        if not token:
            raise IntegrityError(f"{file}:{number}: expected a token, found nothing")
        if token in seen:
            raise IntegrityError(
                f"{file}:{number}: {token!r} stands already in line {seen[token]}"
            )
        seen[token] = number
    return list(seen)
