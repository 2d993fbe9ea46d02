"""Reading back what a tokenizer saved."""

from __future__ import annotations

import json
from pathlib import Path

from models.tokenization.byte_pair import MERGES_FILE, BytePair, read_merges
from models.tokenization.character import Character
from models.tokenization.sentencepiece import SentencePiece
from models.tokenization.tokenizer import (
    SENTENCEPIECE_FILE,
    SPEC_FILE,
    VOCABULARY_FILE,
    Tokenizer,
)
from models.tokenization.wordpiece import WordPiece


def load_tokenizer(folder: Path) -> Tokenizer:
    """Reads a tokenizer that ``save`` wrote."""
    spec = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    kind = spec.pop("kind")
    if kind == SentencePiece.kind:
        return SentencePiece((folder / SENTENCEPIECE_FILE).read_bytes())
    entries = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8"))
    if kind == BytePair.kind:
        return BytePair(entries, read_merges(folder / MERGES_FILE), **spec)
    return {WordPiece.kind: WordPiece, Character.kind: Character}[kind](entries, **spec)
