"""Imports tokenizers from Hugging Face and KerasHub files.

Only text, JSON and SentencePiece files are read, by name. Tokenizers that the graph ops
cannot reproduce exactly are refused, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.tokenizers.byte_pair import (
    BYTE_PAIR_SPECIALS,
    BytePair,
    Merge,
    byte_alphabet,
    read_merges,
)
from textmill.models.tokenizers.huggingface_json import (
    Unsupported,
    by_id,
    read_json,
    read_tokenizer_json,
    refuse_searched_tokens,
)
from textmill.models.tokenizers.sentencepiece import SentencePiece
from textmill.models.tokenizers.tokenizer import Tokenizer
from textmill.models.tokenizers.wordpiece import WordPiece
from textmill.models.vocabulary_files import (
    ADDED_TOKENS,
    TOKENIZER_JSON,
    find_entries,
    find_settings,
)

_MODEL_ENDINGS = (".model", ".spm")
_ROLES = {
    "pad": ("pad_token",),
    "start": ("cls_token", "bos_token"),
    "end": ("sep_token", "eos_token"),
    "mask": ("mask_token",),
}
_USUAL = {
    "pad": ("<|pad|>", "<pad>", "[PAD]"),
    "start": ("<|start|>", "<s>", "[CLS]"),
    "end": ("<|endoftext|>", "</s>", "[SEP]"),
    "mask": ("<|mask|>", "<mask>", "[MASK]"),
}
_USUAL_SETTINGS = {
    "do_basic_tokenize": True,
    "never_split": [],
    "word_tokenizer_type": "basic",
    "subword_tokenizer_type": "wordpiece",
}
"""Settings of ``BertTokenizer`` and its relatives that change ids."""


def import_tokenizer(
    path: Path,
    *,
    kind: str | None = None,
    lowercase: bool | None = None,
    normalization: str | None = None,
) -> Tokenizer:
    """Reads a tokenizer written by another library.

    Args:
        path: ``vocab.txt``, ``vocab.json`` and ``merges.txt``, ``tokenizer.json``, a
            SentencePiece model, or a Hugging Face or KerasHub folder with one of them.
        kind: the expected kind; None accepts all.
        lowercase: lower-case text; None takes the folder's setting, or else true for
            WordPiece only.
        normalization: depends on the kind; None is ``bert`` for WordPiece, else
            ``none``.

    Raises:
        ConfigError: the path has no tokenizer, its kind is another one, or a setting is
            unsupported.
        IntegrityError: a token is empty, repeated or missing.
    """
    files = find_entries(path)
    actual = _kind(files[0], kind)
    if kind is not None and actual != kind:
        raise ConfigError(
            f"vocabulary.kind: {path} holds a vocabulary of kind {actual}, not {kind}; "
            f"set vocabulary.kind to {actual}, or leave it out"
        )
    try:
        settings = _settings(path)
        _check_settings(path, settings)
        if actual == SentencePiece.kind:
            return _read_sentencepiece(files[0], lowercase, normalization)
        if lowercase is None:
            lowercase = _lowercase(settings)
        options = {"lowercase": lowercase, "normalization": normalization}
        if actual == BytePair.kind:
            return _read_byte_pair(files, settings, options)
        return _read_wordpiece(files[0], settings, options)
    except (ValueError, RuntimeError) as error:
        raise IntegrityError(
            f"{files[0]}: not a vocabulary of kind {actual}: {error}"
        ) from None


def _kind(file: Path, expected: str | None) -> str:
    if file.name == TOKENIZER_JSON:
        return read_tokenizer_json(file).kind
    if file.suffix == ".json":
        return BytePair.kind
    if file.suffix in _MODEL_ENDINGS:
        return SentencePiece.kind
    if file.suffix != ".txt" and expected == SentencePiece.kind:
        return expected
    return WordPiece.kind


def _settings(path: Path) -> dict[str, Any]:
    """Merges the settings files, under Hugging Face's names."""
    settings: dict[str, Any] = {}
    for name, file in sorted(find_settings(path).items(), reverse=True):
        value = read_json(file)
        if name == ADDED_TOKENS:
            settings[ADDED_TOKENS] = list(value)
        elif name != TOKENIZER_JSON:
            settings |= value
        elif isinstance(value.get("config"), dict):
            settings |= value["config"]
        elif "model" in value:
            settings = read_tokenizer_json(file).settings | settings
    return settings


def _check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Refuses settings that change ids, and that the graph ops do not support."""
    added = settings.get("added_tokens_decoder") or {}
    reason = None
    try:
        refuse_searched_tokens(added.values())
        known = {token["content"] for token in added.values()} | _special(settings)
    except Unsupported as unsupported:
        reason = str(unsupported)
    except (KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path}: not a tokenizer's settings: {error!r}") from None
    else:
        searched = [t for t in settings.get(ADDED_TOKENS, ()) if t not in known]
        if searched:
            reason = f"it searches texts for {', '.join(map(repr, searched))}"
    for name, usual in _USUAL_SETTINGS.items():
        if reason is None and settings.get(name, usual) not in (usual, None):
            reason = f"its {name} is {settings[name]!r}, not {usual!r}"
    if reason is not None:
        raise ConfigError(
            f"{path}: {reason}, which the graph ops do not support; name another "
            "tokenizer or learn a vocabulary"
        )


def _special(settings: Mapping[str, Any]) -> set[str]:
    """Returns the tokens that settings name as special, in either notation."""
    values = [v for name, v in settings.items() if name.endswith("_token")]
    more = settings.get("additional_special_tokens") or []
    values += more.values() if isinstance(more, dict) else more
    names = (v.get("content") if isinstance(v, dict) else v for v in values)
    return {name for name in names if isinstance(name, str)}


def _lowercase(settings: Mapping[str, Any]) -> bool | None:
    for name in ("do_lower_case", "lowercase"):
        if isinstance(settings.get(name), bool):
            return bool(settings[name])
    return None


def _read_wordpiece(
    file: Path, settings: Mapping[str, Any], options: Mapping[str, Any]
) -> WordPiece:
    lowercase = True if options["lowercase"] is None else options["lowercase"]
    strips = settings.get("strip_accents")
    if "do_lower_case" in settings and strips not in (None, lowercase):
        raise ConfigError(
            f"{file}: strip_accents is {strips} and lower-casing is {lowercase}, which "
            "BERT's normalization does together or not at all; set both equally in "
            "tokenizer_config.json, or vocabulary.lowercase"
        )
    if settings.get("tokenize_chinese_chars") is False:
        raise ConfigError(
            f"{file}: tokenize_chinese_chars is false, but the graph always splits "
            "around Chinese characters; learn a vocabulary instead"
        )
    if file.name == TOKENIZER_JSON:
        tokens: Sequence[str] = read_tokenizer_json(file).tokens
    else:
        tokens = _read_lines(file)
    form = options["normalization"] or "bert"
    return WordPiece(tokens, lowercase=lowercase, normalization=form)


def _read_lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{file}: expected UTF-8 text: {error}") from None
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        token = line.removesuffix("\r")
        if not token:
            raise IntegrityError(
                f"{file}:{number}: expected a token, got an empty line"
            )
        if token in seen:
            raise IntegrityError(
                f"{file}:{number}: {token!r} repeats line {seen[token]}"
            )
        seen[token] = number
    return list(seen)


def _read_sentencepiece(
    file: Path, lowercase: bool | None, normalization: str | None
) -> SentencePiece:
    if (lowercase, normalization) != (None, None):
        raise ConfigError(
            f"{file}: normalizes text by its own rules; leave vocabulary.lowercase and "
            "vocabulary.normalization out"
        )
    if file.name == TOKENIZER_JSON:
        return SentencePiece(read_tokenizer_json(file).model)
    return SentencePiece(file.read_bytes())


def _read_byte_pair(
    files: Sequence[Path], settings: Mapping[str, Any], options: Mapping[str, Any]
) -> BytePair:
    if settings.get("add_prefix_space"):
        raise ConfigError(
            f"{files[0]}: add_prefix_space is true, but the graph adds no space; "
            "set it to false"
        )
    if files[0].name == TOKENIZER_JSON:
        parsed = read_tokenizer_json(files[0])
        tokens, merges = parsed.tokens, parsed.merges
    elif len(files) == 1:
        raise ConfigError(
            f"{files[0]}: expected merges.txt in the same folder, found none"
        )
    else:
        tokens, merges = by_id(read_json(files[0])), read_merges(files[1])
    _check_pairs(tokens, merges)
    form = options["normalization"] or settings.get("normalization") or "none"
    return BytePair(
        tokens,
        merges,
        specials=_roles(tokens, settings),
        lowercase=bool(options["lowercase"]),
        normalization=form,
    )


def _check_pairs(tokens: Sequence[str], merges: Sequence[Merge]) -> None:
    known = set(tokens)
    if lacking := [c for c in byte_alphabet() if c not in known]:
        raise ValueError(
            f"{len(lacking)} of the 256 bytes have no token, first {lacking[0]!r}"
        )
    if any(right.endswith("</w>") for _, right in merges):
        raise ValueError("merges end words with '</w>', which GPT-2's do not")
    for number, (left, right) in enumerate(merges, 1):
        for part in (left, right, left + right):
            if part not in known:
                raise ValueError(
                    f"merge {number}, {left!r} with {right!r}: no token {part!r}"
                )


def _roles(tokens: Sequence[str], settings: Mapping[str, Any]) -> dict[str, str | None]:
    """Finds the token of each role, by the settings or else by common names."""
    known = set(tokens)
    roles: dict[str, str | None] = {}
    for role, keys in _ROLES.items():
        values = [settings.get(key) for key in keys]
        names = [v.get("content") if isinstance(v, dict) else v for v in values]
        usable = [n for n in (*names, *_USUAL[role]) if isinstance(n, str)]
        roles[role] = next((name for name in usable if name in known), None)
    if roles["end"] is None:
        raise ValueError(f"the vocabulary lacks {BYTE_PAIR_SPECIALS['end']}")
    for role in ("pad", "start"):
        roles[role] = roles[role] or roles["end"]
    return roles
