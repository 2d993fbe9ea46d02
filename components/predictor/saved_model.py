"""Answers of an exported SavedModel to texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textmill.components.native_logs import native_silence
from textmill.models.errors import ConfigError

_BATCH = 64


def answer(saved_model: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Returns one answer a text; probabilities become a dict by label, highest first.

    Raises:
        ConfigError: the folder has no SavedModel exported by Textmill.
    """
    with native_silence():
        from textmill.models.export.runtime import SavedModelRuntime

    if not (saved_model / "saved_model.pb").is_file():
        raise ConfigError(f"{saved_model}: expected a SavedModel, got none")
    try:
        served = SavedModelRuntime(saved_model)
    except KeyError as missing:
        raise ConfigError(
            f"{saved_model}: expected a SavedModel that Textmill exported, "
            f"it has no signature {missing}"
        ) from None
    answers = []
    for start in range(0, len(texts), _BATCH):
        answers += served.answer(texts[start : start + _BATCH])
    for result in answers:
        if "probabilities" in result:
            pairs = zip(served.labels, result["probabilities"], strict=True)
            result["probabilities"] = dict(sorted(pairs, key=lambda pair: -pair[1]))
    return answers
