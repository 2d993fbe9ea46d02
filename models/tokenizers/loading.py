"""Loads tokenizers that ``Tokenizer.save`` wrote."""

from __future__ import annotations

import json
from pathlib import Path

from textmill.models.tokenizers.byte_pair import MERGES_FILE, BytePair, read_merges
from textmill.models.tokenizers.character import Character
from textmill.models.tokenizers.sentencepiece import SentencePiece
from textmill.models.tokenizers.tokenizer import (
    SENTENCEPIECE_FILE,
    SPEC_FILE,
    VOCABULARY_FILE,
    Tokenizer,
)
from textmill.models.tokenizers.wordpiece import WordPiece
from textmill.models.vocabulary_files import TARGET_DIR


def load_tokenizer(folder: Path) -> Tokenizer:
    """Loads a tokenizer from its folder, and that of targets with their own."""
    tokenizer = _load(folder)
    if (folder / TARGET_DIR).is_dir():
        tokenizer.target = _load(folder / TARGET_DIR)
    return tokenizer


def _load(folder: Path) -> Tokenizer:
    spec = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    kind = spec.pop("kind")
    if kind == SentencePiece.kind:
        return SentencePiece((folder / SENTENCEPIECE_FILE).read_bytes())
    tokens = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8"))
    if kind == BytePair.kind:
        return BytePair(tokens, read_merges(folder / MERGES_FILE), **spec)
    return {WordPiece.kind: WordPiece, Character.kind: Character}[kind](tokens, **spec)
