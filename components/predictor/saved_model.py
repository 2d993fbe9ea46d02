"""Answers of an exported SavedModel to texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.native_logs import silence_native_logs
from textmill.models.errors import ConfigError

if TYPE_CHECKING:
    from textmill.models.export.runtime import SavedModelRuntime

_BATCH = 64


def load_saved_model(folder: Path) -> SavedModelRuntime:
    """Loads an exported SavedModel, without TensorFlow's messages.

    Raises:
        ConfigError: the folder has no SavedModel exported by Textmill.
    """
    with silence_native_logs():
        from textmill.models.export.runtime import SavedModelRuntime

    if not (folder / "saved_model.pb").is_file():
        raise ConfigError(f"{folder}: expected a SavedModel, got none")
    try:
        return SavedModelRuntime(folder)
    except KeyError as missing:
        raise ConfigError(
            f"{folder}: expected a SavedModel that Textmill exported, "
            f"it has no signature {missing}"
        ) from None


def predict_texts(
    model: SavedModelRuntime, texts: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns an answer for each text; probabilities by label, highest first."""
    answers = []
    for start in range(0, len(texts), _BATCH):
        answers += model.answer(texts[start : start + _BATCH])
    for answer in answers:
        if "probabilities" in answer:
            pairs = zip(model.labels, answer["probabilities"], strict=True)
            answer["probabilities"] = dict(sorted(pairs, key=lambda pair: -pair[1]))
    return answers
