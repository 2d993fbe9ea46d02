"""Vocabularies that exist already."""

from __future__ import annotations

from pathlib import Path

from components.vocabulary_learner import VocabularyConfig
from models.tokenization import Tokenizer, import_tokenizer


def read_tokenizer(path: Path, config: VocabularyConfig) -> Tokenizer:
    """Reads a tokenizer from a file or folder.

    Raises:
        ConfigError: there is none, or it is not what the config says.
        IntegrityError: an entry is empty, repeated or missing.
    """
    return import_tokenizer(
        path,
        kind=config.kind,
        lowercase=config.lowercase,
        normalization=config.normalization,
    )
