"""SentencePiece: Unigram pieces over text with its spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text as tf_text
from typing_extensions import override

from textmill.models.tokenizers.offsets import (
    Characters,
    Ranges,
    through_texts,
    whole_characters,
)
from textmill.models.tokenizers.sentencepiece_proto import (
    CONTROL,
    UNIGRAM,
    UNKNOWN,
    ModelProto,
)
from textmill.models.tokenizers.sentencepiece_resource import named_tokenizer
from textmill.models.tokenizers.tokenizer import (
    SENTENCEPIECE_FILE,
    SpecialTokens,
    Tokenizer,
    write_spec,
)

SPACE = "\u2581"
_NAMES = {
    "pad": ("[PAD]", "<pad>"),
    "start": ("[CLS]", "<s>", "<cls>", "<bos>"),
    "end": ("[SEP]", "</s>", "<sep>", "<eos>"),
    "mask": ("[MASK]", "<mask>"),
}
_TRAINED = {"pad": "pad_id", "start": "bos_id", "end": "eos_id"}


class SentencePiece(Tokenizer):
    """SentencePiece Unigram by ``FastSentencepieceTokenizer``; the model normalizes.

    Pieces with SentencePiece's space ``▁`` in front begin a word. A model without a
    padding or start piece uses the end piece instead. Pieces in these roles become
    control pieces of the model, even if they were user-defined ones that match text.
    """

    kind = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        super().__init__()
        proto = _parse(model)
        self.tokens = tuple(piece.piece for piece in proto.pieces)
        self.size = len(self.tokens)
        self.specials = _specials(proto)
        for i in self.specials.control:
            if proto.pieces[i].type not in (CONTROL, UNKNOWN):
                proto.pieces[i].type = CONTROL
                model = b""
        self.model = model or proto.SerializeToString(deterministic=True)
        self._op = tf_text.FastSentencepieceTokenizer(self.model)
        self._with_offsets = named_tokenizer(self.model)

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._op.tokenize(texts)

    @override
    def _tokens_of_characters(
        self, texts: tf.Tensor, characters: Characters
    ) -> tuple[tf.RaggedTensor, Ranges]:
        # The fast op has no offsets; the ids of both are the same.
        ids, starts, ends = self._with_offsets.tokenize_with_offsets(texts)
        tokens = Ranges(through_texts(starts, texts), through_texts(ends, texts))
        has_text = [token.strip(SPACE) != "" for token in self.tokens]
        assert self.specials.unknown is not None
        has_text[self.specials.unknown] = False  # it may be spaces
        flags = tf.gather(tf.constant(has_text), ids.flat_values)
        return ids, whole_characters(tokens, characters, flags)

    @override
    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self._op.detokenize(self._drop_specials(ids))

    @override
    def save(self, folder: Path) -> None:
        write_spec(folder, kind=self.kind)
        (folder / SENTENCEPIECE_FILE).write_bytes(self.model)

    @override
    def _begins_word(self, token: str) -> bool:
        return token.startswith(SPACE)


def _parse(model: bytes) -> Any:
    """Parses a model.

    Raises:
        ValueError: it is not a model, or the op would give other pieces for it.
    """
    from google.protobuf.message import DecodeError

    try:
        proto = ModelProto.FromString(model)
    except DecodeError:
        proto = ModelProto()
    if not proto.pieces or any(not piece.piece for piece in proto.pieces):
        raise ValueError("it is not a SentencePiece model; name a file with one")
    trainer = proto.trainer_spec
    if trainer.model_type != UNIGRAM:
        raise ValueError(
            "its SentencePiece model is not of type unigram, the only one that the "
            "graph's op splits as SentencePiece does; train it with "
            "--model_type=unigram, or use kind bpe"
        )
    if trainer.byte_fallback:
        raise ValueError(
            "its SentencePiece model falls back to bytes, which the graph's op does "
            "not; train it without --byte_fallback"
        )
    return proto


def _specials(proto: Any) -> SpecialTokens:
    index = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    unknown = [i for i, piece in enumerate(proto.pieces) if piece.type == UNKNOWN]
    if len(unknown) != 1:
        raise ValueError(f"expected one unknown piece, got {len(unknown)}")
    ids_by_role: dict[str, int | None] = {"unknown": unknown[0]}
    for role, names in _NAMES.items():
        ids = [index[name] for name in names if name in index]
        ids += _trained_id(proto, role)
        ids_by_role[role] = ids[0] if ids else None
    if ids_by_role["end"] is None:
        raise ValueError(f"the vocabulary lacks {' or '.join(_NAMES['end'])}")
    for role in ("pad", "start"):
        if ids_by_role[role] is None:
            ids_by_role[role] = ids_by_role["end"]
    return SpecialTokens(**ids_by_role)  # type: ignore[arg-type]


def _trained_id(proto: Any, role: str) -> list[int]:
    """Returns the id of a role in the model's training settings, if any."""
    given = getattr(proto.trainer_spec, _TRAINED[role]) if role in _TRAINED else -1
    inside = 0 <= given < len(proto.pieces)
    return [given] if inside and proto.pieces[given].type == CONTROL else []
