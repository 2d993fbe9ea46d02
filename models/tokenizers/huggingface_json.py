"""Reads Hugging Face's ``tokenizer.json``; refuses steps that the graph ops lack."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.tokenizers.byte_pair import Merge
from textmill.models.tokenizers.sentencepiece_proto import (
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    ModelProto,
)

_COMPOSING = {"NFC": "nfc", "NFKC": "nfkc"}


@dataclass(frozen=True)
class TokenizerJson:
    """The content of a ``tokenizer.json``."""

    kind: str
    tokens: list[str]
    merges: list[Merge] = field(default_factory=list)
    model: bytes = b""
    """Unigram: an equivalent SentencePiece model."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings by their names in ``tokenizer_config.json``, and ``normalization``."""


def read_json(file: Path) -> dict[str, Any]:
    """Reads a JSON object, and refuses repeated keys.

    Raises:
        IntegrityError: it is not a JSON object, or a key is repeated.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique_keys: dict[str, Any] = {}
        for key, value in pairs:
            if key in unique_keys:
                raise IntegrityError(f"{file}: {key!r} occurs twice")
            unique_keys[key] = value
        return unique_keys

    try:
        value = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{file}: expected JSON: {error}") from None
    if not isinstance(value, dict):
        raise IntegrityError(f"{file}: expected a JSON object, got another value")
    return value


def by_id(vocabulary: Mapping[str, Any]) -> list[str]:
    """Returns tokens in the order of their ids.

    Raises:
        ValueError: ids are not 0, 1, 2 and so on, or a token is empty.
    """
    tokens: dict[int, str] = {}
    for token, number in vocabulary.items():
        if not token:
            raise ValueError(f"token {number} is empty")
        if not isinstance(number, int) or number in tokens:
            raise ValueError(f"{token!r}: expected a unique id, got {number!r}")
        tokens[number] = token
    for number in range(len(tokens)):
        if number not in tokens:
            raise ValueError(f"no token has the id {number}")
    return [tokens[number] for number in range(len(tokens))]


def read_tokenizer_json(file: Path) -> TokenizerJson:
    """Reads a tokenizer of type WordPiece, BPE or Unigram.

    Raises:
        ConfigError: the graph ops cannot reproduce it.
        IntegrityError: it is malformed.
    """
    value = read_json(file)
    model = value.get("model")
    readers = {"WordPiece": _wordpiece, "BPE": _byte_pair, "Unigram": _unigram}
    kind = model.get("type") if isinstance(model, dict) else None
    if not isinstance(kind, str) or kind not in readers:
        raise ConfigError(
            f"{file}: expected a model of type WordPiece, BPE or Unigram, got "
            f"{kind!r}; name another tokenizer"
        )
    try:
        refuse_searched_tokens(value.get("added_tokens") or [])
        return readers[kind](value)
    except Unsupported as reason:
        raise ConfigError(
            f"{file}: {reason}, which the graph ops do not support; name another "
            "tokenizer or learn a vocabulary"
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{file}: not a tokenizer: {error}") from None


class Unsupported(Exception):
    """A step of a tokenizer that the graph ops lack."""


def _refuse(reason: str, condition: object) -> None:
    if condition:
        raise Unsupported(reason)


def refuse_searched_tokens(added: Iterable[Mapping[str, Any]]) -> None:
    """Refuses added tokens that the library searches every text for.

    Special ones are control tokens, which no text tokenizes to here.

    Raises:
        Unsupported: a token is not special.
    """
    searched = [repr(token["content"]) for token in added if not token["special"]]
    _refuse(f"it searches texts for {', '.join(searched)} (added_tokens)", searched)


def _parts(value: Any, plural: str) -> Iterator[dict[str, Any]]:
    """Yields the steps of a normalizer or pre-tokenizer, with sequences flattened."""
    if value is None:
        return
    if value["type"] == "Sequence":
        for part in value[plural]:
            yield from _parts(part, plural)
    else:
        yield value


def _tokens(value: Mapping[str, Any]) -> list[str]:
    vocabulary = dict(value["model"]["vocab"])
    for added in value.get("added_tokens") or []:
        vocabulary.setdefault(added["content"], added["id"])
    return by_id(vocabulary)


def _wordpiece(value: Mapping[str, Any]) -> TokenizerJson:
    model = value["model"]
    for name, wanted in (
        ("continuing_subword_prefix", "##"),
        ("unk_token", "[UNK]"),
        ("max_input_chars_per_word", 100),
    ):
        value_of_file = model.get(name, wanted)
        reason = f"its {name} is {value_of_file!r}, not {wanted!r}"
        _refuse(reason, value_of_file != wanted)
    steps = list(_parts(value.get("normalizer"), "normalizers"))
    kinds = [step["type"] for step in steps]
    _refuse(
        f"it normalizes by {kinds or None}, not by one BertNormalizer",
        kinds != ["BertNormalizer"],
    )
    [step] = steps
    _refuse("its clean_text is false", not step.get("clean_text", True))
    settings = {
        "do_lower_case": step["lowercase"],
        "strip_accents": step["strip_accents"],
        "tokenize_chinese_chars": step["handle_chinese_chars"],
    }
    splits = [s["type"] for s in _parts(value.get("pre_tokenizer"), "pretokenizers")]
    _refuse(f"it splits words by {splits}", splits != ["BertPreTokenizer"])
    return TokenizerJson("wordpiece", _tokens(value), settings=settings)


def _byte_pair(value: Mapping[str, Any]) -> TokenizerJson:
    model = value["model"]
    for name in (
        "dropout",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "byte_fallback",
        "ignore_merges",
    ):
        _refuse(f"it sets {name}", model.get(name))
    splits = list(_parts(value.get("pre_tokenizer"), "pretokenizers"))
    plain = len(splits) == 1 and splits[0]["type"] == "ByteLevel"
    _refuse("it does not split words by GPT-2's pattern", not plain)
    _refuse("it does not split words at all", not splits[0].get("use_regex", True))
    _refuse("it puts a space before the text", splits[0].get("add_prefix_space"))
    normalization, lowercase = None, False
    for step in _parts(value.get("normalizer"), "normalizers"):
        known = step["type"] in _COMPOSING and normalization is None and not lowercase
        lowercase = lowercase or step["type"] == "Lowercase"
        if known:
            normalization = _COMPOSING[step["type"]]
        _refuse(
            f"it normalizes by {step['type']}",
            not known and step["type"] != "Lowercase",
        )
    merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
    if wrong := [m for m in merges if len(m) != 2]:
        raise ValueError(f"expected merges of two tokens, got {wrong[0]!r}")
    settings = {"do_lower_case": lowercase, "normalization": normalization}
    return TokenizerJson("bpe", _tokens(value), merges=merges, settings=settings)


def _unigram(value: Mapping[str, Any]) -> TokenizerJson:
    model = value["model"]
    _refuse("it falls back to bytes", model.get("byte_fallback"))
    proto = ModelProto()
    special = {a["content"] for a in value.get("added_tokens") or [] if a["special"]}
    unknown = model["vocab"][model["unk_id"]][0]
    _refuse(f"its unknown token {unknown!r} is not special", unknown not in special)
    for number, (piece, score) in enumerate(model["vocab"]):
        role = CONTROL if piece in special else NORMAL
        role = UNKNOWN if number == model["unk_id"] else role
        proto.pieces.add(piece=piece, score=score, type=role)
    proto.trainer_spec.model_type = UNIGRAM
    proto.trainer_spec.unk_id = model["unk_id"]
    for name in ("bos_id", "eos_id", "pad_id"):
        setattr(proto.trainer_spec, name, -1)
    _normalize_unigram(proto.normalizer_spec, value)
    tokens = [piece for piece, _ in model["vocab"]]
    return TokenizerJson(
        "sentencepiece", tokens, model=proto.SerializeToString(deterministic=True)
    )


def _normalize_unigram(spec: Any, value: Mapping[str, Any]) -> None:
    spec.name, spec.escape_whitespaces = "imported", True
    spec.add_dummy_prefix = spec.remove_extra_whitespaces = False
    collapses = strips = marks = False
    for step in _parts(value.get("normalizer"), "normalizers"):
        kind = step["type"]
        if kind == "Precompiled":
            spec.precompiled_charsmap = base64.b64decode(step["precompiled_charsmap"])
        elif kind == "Replace" and step["pattern"] == {"Regex": " {2,}"}:
            content = step["content"]
            _refuse(f"it replaces spaces by {content!r}", content not in (" ", "▁"))
            collapses = True
        else:
            _refuse(f"it normalizes by {kind}", kind != "Strip")
            strips = step["strip_right"]
    for step in _parts(value.get("pre_tokenizer"), "pretokenizers"):
        kind = step["type"]
        known = kind in ("Metaspace", "WhitespaceSplit")
        _refuse(f"it splits words by {kind}", not known)
        if kind == "Metaspace":
            spec.add_dummy_prefix, marks = _adds_space(step), True
        else:
            collapses = strips = True
    _refuse("it has no Metaspace", not marks)
    _refuse("it collapses spaces, or strips them, but not both", collapses != strips)
    _refuse("it keeps runs of spaces", spec.add_dummy_prefix and not collapses)
    spec.remove_extra_whitespaces = collapses


def _adds_space(metaspace: Mapping[str, Any]) -> bool:
    """Returns whether a space is put before the text; old files say so by a flag."""
    mark = metaspace.get("replacement", "▁")
    _refuse(f"it writes spaces as {mark!r}", mark != "▁")
    usual = "always" if metaspace.get("add_prefix_space", True) else "never"
    scheme = metaspace.get("prepend_scheme", usual)
    _refuse(f"it sets prepend_scheme {scheme}", scheme == "first")
    return bool(scheme == "always")
