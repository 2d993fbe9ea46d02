"""The part of SentencePiece's model file that Textmill reads and writes.

The message is declared here, with the field numbers of ``sentencepiece_model.proto``,
because the library's generated module needs a newer protobuf than TensorFlow allows.
Undeclared fields survive reading and writing.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

UNIGRAM, BPE = 1, 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5

_FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "Piece": {
        "piece": (1, "STRING"),
        "score": (2, "FLOAT"),
        "type": (3, "INT32", NORMAL),
    },
    "TrainerSpec": {
        "model_type": (3, "INT32", UNIGRAM),
        "byte_fallback": (35, "BOOL"),
        "unk_id": (40, "INT32", 0),
        "bos_id": (41, "INT32", 1),
        "eos_id": (42, "INT32", 2),
        "pad_id": (43, "INT32", -1),
    },
    "NormalizerSpec": {
        "name": (1, "STRING"),
        "precompiled_charsmap": (2, "BYTES"),
        "add_dummy_prefix": (3, "BOOL", "true"),
        "remove_extra_whitespaces": (4, "BOOL", "true"),
        "escape_whitespaces": (5, "BOOL", "true"),
    },
    "Model": {
        "pieces": (1, "Piece"),
        "trainer_spec": (2, "TrainerSpec"),
        "normalizer_spec": (3, "NormalizerSpec"),
    },
}
"""Messages and their fields: number, type, default."""
_PACKAGE = "textmill.sentencepiece"


def _declare() -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="textmill/sentencepiece.proto", package=_PACKAGE, syntax="proto2"
    )
    for message_name, fields in _FIELDS.items():
        message = file.message_type.add(name=message_name)
        for name, (number, kind, *default) in fields.items():
            repeated = name == "pieces"
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            added = message.field.add(name=name, number=number, label=label)
            if default:
                added.default_value = str(default[0])
            if kind in _FIELDS:
                added.type = field.TYPE_MESSAGE
                added.type_name = f".{_PACKAGE}.{kind}"
            else:
                added.type = getattr(field, f"TYPE_{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.Model")
    )


ModelProto = _declare()
