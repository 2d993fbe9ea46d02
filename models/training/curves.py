"""Curves: the scalars of a run as JSON lines and as TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf


def write_curves(
    history: Sequence[dict[str, Any]], scalars: Path, events: Path
) -> None:
    """Writes ``{"step", "name", "value"}`` a line, and the same for TensorBoard."""
    with scalars.open("w", encoding="utf-8") as file:
        for point in history:
            file.write(json.dumps(point, sort_keys=True) + "\n")
    writer = tf.summary.create_file_writer(str(events))
    with writer.as_default():
        for point in history:
            tf.summary.scalar(point["name"], point["value"], step=point["step"])
    writer.close()
