"""Exports tokenizers as Hugging Face and KerasHub files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from textmill.models.errors import ConfigError
from textmill.models.tokenizers.byte_pair import MERGES_FILE, BytePair, write_merges
from textmill.models.tokenizers.character import Character
from textmill.models.tokenizers.sentencepiece import SentencePiece
from textmill.models.tokenizers.sentencepiece_proto import ModelProto
from textmill.models.tokenizers.tokenizer import (
    FORMS,
    SENTENCEPIECE_FILE,
    SPEC_FILE,
    SPECIAL_TOKENS,
    VOCABULARY_FILE,
    SpecialTokens,
    Tokenizer,
)
from textmill.models.tokenizers.wordpiece import PREFIX, WordPiece

Format = Literal["huggingface", "keras_hub"]
_CLASSES = {
    WordPiece.kind: "BertTokenizer",
    BytePair.kind: "GPT2Tokenizer",
    SentencePiece.kind: "PreTrainedTokenizerFast",
    Character.kind: "PreTrainedTokenizerFast",
}


def export_tokenizer(
    tokenizer: Tokenizer, folder: Path, format: Format, *, is_prompt: bool = False
) -> list[Path]:
    """Writes a tokenizer's files in another library's format; returns their paths.

    ``huggingface`` is ``tokenizer.json``, ``tokenizer_config.json``,
    ``special_tokens_map.json`` and ``vocab.txt``, ``vocab.json`` with ``merges.txt`` or
    ``spiece.model``; ``keras_hub`` is the tokenizer's part of a preset.
    ``models/README.md`` lists the differences in the other library's code.

    Args:
        tokenizer: the tokenizer.
        folder: receives the files.
        format: the other library.
        is_prompt: huggingface: texts are framed as prompts of a language model, after
            an end token, and not as start, tokens, end.

    Raises:
        ConfigError: the format does not support this kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.rglob("*"))
    if format == "keras_hub":
        _export_keras_hub(tokenizer, folder)
    else:
        _export_huggingface(tokenizer, folder, is_prompt)
    return sorted(f for f in set(folder.rglob("*")) - before if f.is_file())


def _export_huggingface(tokenizer: Tokenizer, folder: Path, is_prompt: bool) -> None:
    import tokenizers

    if isinstance(tokenizer, WordPiece):
        exported = _wordpiece(tokenizer)
        text = "".join(f"{token}\n" for token in tokenizer.tokens)
        (folder / "vocab.txt").write_text(text, encoding="utf-8")
    elif isinstance(tokenizer, BytePair):
        exported = _byte_pair(tokenizer)
        _write_json(folder / VOCABULARY_FILE, _ids(tokenizer))
        write_merges(folder / MERGES_FILE, tokenizer.merges)
    elif isinstance(tokenizer, SentencePiece):
        exported = _unigram(tokenizer)
        (folder / SENTENCEPIECE_FILE).write_bytes(tokenizer.model)
    else:
        exported = _character(tokenizer)
    names = _names(tokenizer)
    exported.add_special_tokens(
        [tokenizers.AddedToken(n, special=True) for n in dict.fromkeys(names.values())]
    )
    exported.post_processor = _frame(tokenizer, is_prompt)
    exported.save(str(folder / SPEC_FILE))
    config: dict[str, Any] = {"tokenizer_class": _CLASSES[tokenizer.kind], **names}
    if isinstance(tokenizer, WordPiece):
        config |= {
            "do_lower_case": tokenizer.lowercase,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
        }
    _write_json(folder / "tokenizer_config.json", config)
    _write_json(folder / "special_tokens_map.json", names)


def _ids(tokenizer: Tokenizer) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokenizer.tokens)}


def _names(tokenizer: Tokenizer) -> dict[str, str]:
    """Returns the control tokens by Hugging Face's role names."""
    s: SpecialTokens = tokenizer.specials
    ids = {"bos_token": s.start, "eos_token": s.end, "pad_token": s.pad}
    ids |= {"cls_token": s.start, "sep_token": s.end}
    more = {"mask_token": s.mask, "unk_token": s.unknown}
    ids |= {name: number for name, number in more.items() if number is not None}
    return {name: tokenizer.tokens[number] for name, number in sorted(ids.items())}


def _write_json(file: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def _frame(tokenizer: Tokenizer, is_prompt: bool) -> Any:
    """Returns a post-processor that frames texts, or begins them with an end token."""
    from tokenizers import processors

    s = tokenizer.specials
    start, end = tokenizer.tokens[s.start], tokenizer.tokens[s.end]
    if is_prompt:
        return processors.TemplateProcessing(
            single=f"{end} $A", special_tokens=[(end, s.end)]
        )
    return processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1",
        special_tokens=[(start, s.start), (end, s.end)],
    )


def _normalizer(tokenizer: BytePair | Character) -> Any:
    from tokenizers import normalizers

    steps: list[Any] = []
    if tokenizer.normalization in FORMS:
        steps.append(getattr(normalizers, FORMS[tokenizer.normalization])())
    if tokenizer.lowercase:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps) if steps else None


def _wordpiece(tokenizer: WordPiece) -> Any:
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    exported = tokenizers.Tokenizer(
        models.WordPiece(
            _ids(tokenizer),
            unk_token=SPECIAL_TOKENS[1],
            continuing_subword_prefix=PREFIX,
            max_input_chars_per_word=100,
        )
    )
    if tokenizer.normalization != "bert":
        raise ConfigError(
            f"export: Hugging Face has no normalization {tokenizer.normalization} for "
            "WordPiece; export for KerasHub, or set vocabulary.normalization to bert"
        )
    exported.normalizer = normalizers.BertNormalizer(lowercase=tokenizer.lowercase)
    exported.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    exported.decoder = decoders.WordPiece(prefix=PREFIX)
    return exported


def _byte_pair(tokenizer: BytePair) -> Any:
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    exported = tokenizers.Tokenizer(models.BPE(_ids(tokenizer), list(tokenizer.merges)))
    if normalizer := _normalizer(tokenizer):
        exported.normalizer = normalizer
    exported.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    exported.decoder = decoders.ByteLevel()
    return exported


def _unigram(tokenizer: SentencePiece) -> Any:
    import tokenizers
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

    proto = ModelProto.FromString(tokenizer.model)
    spec = proto.normalizer_spec
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    exported = tokenizers.Tokenizer(models.Unigram(pieces, tokenizer.specials.unknown))
    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    exported.normalizer = normalizers.Sequence(steps)
    scheme = "always" if spec.add_dummy_prefix else "never"
    exported.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    exported.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return exported


def _character(tokenizer: Tokenizer) -> Any:
    import tokenizers
    from tokenizers import Regex, decoders, models, pre_tokenizers

    assert isinstance(tokenizer, Character), tokenizer.kind
    unknown = SPECIAL_TOKENS[1]
    exported = tokenizers.Tokenizer(
        models.WordLevel(_ids(tokenizer), unk_token=unknown)
    )
    if normalizer := _normalizer(tokenizer):
        exported.normalizer = normalizer
    exported.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    exported.decoder = decoders.Fuse()
    return exported


def _export_keras_hub(tokenizer: Tokenizer, folder: Path) -> None:
    import keras_hub.tokenizers as hub

    if isinstance(tokenizer, WordPiece):
        lower = tokenizer.lowercase
        exported = hub.BertTokenizer(
            vocabulary=list(tokenizer.tokens), lowercase=lower, strip_accents=lower
        )
    elif isinstance(tokenizer, BytePair) and _normalizer(tokenizer) is None:
        exported = hub.BytePairTokenizer(
            vocabulary=_ids(tokenizer),
            merges=[" ".join(merge) for merge in tokenizer.merges],
            unsplittable_tokens=list(dict.fromkeys(tokenizer.names.values())),
        )
    elif isinstance(tokenizer, SentencePiece):
        exported = hub.SentencePieceTokenizer(proto=tokenizer.model)
    else:
        raise ConfigError(
            f"export: KerasHub has no tokenizer of kind {tokenizer.kind} that "
            "has the same normalization; export for Hugging Face"
        )
    exported.save_to_preset(str(folder))
