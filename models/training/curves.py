"""Curves: the scalars of a run as JSON lines and as TensorBoard events."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

Points = Sequence[dict[str, Any]]


class LiveEvents:
    """TensorBoard events of a run that is going on.

    A resumed run starts the folder anew and writes its restored points first. A folder
    that cannot be written is a warning: training does not depend on being watched.

    Attributes:
        warning: why nothing is written, or None.
    """

    def __init__(self, folder: Path) -> None:
        self.warning: str | None = None
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._writer = tf.summary.create_file_writer(str(folder))
        except (OSError, tf.errors.OpError) as error:
            self._give_up(error)

    def write(self, points: Points) -> None:
        """Appends points and makes them visible."""
        if self.warning or not points:
            return
        try:
            _write_events(self._writer, points)
            self._writer.flush()
        except (OSError, tf.errors.OpError) as error:
            self._give_up(error)

    def close(self) -> None:
        """Ends the file."""
        if not self.warning:
            self._writer.close()

    def _give_up(self, error: Exception) -> None:
        self.warning = f"TensorBoard events are not written: {error}"
        print(self.warning, flush=True)


def write_curves(history: Points, scalars: Path, events: Path) -> None:
    """Writes ``{"step", "name", "value"}`` a line, and the same for TensorBoard."""
    with scalars.open("w", encoding="utf-8") as file:
        for point in history:
            file.write(json.dumps(point, sort_keys=True) + "\n")
    writer = tf.summary.create_file_writer(str(events))
    _write_events(writer, history)
    writer.close()


def _write_events(writer: tf.summary.SummaryWriter, points: Points) -> None:
    with writer.as_default():
        for point in points:
            tf.summary.scalar(point["name"], point["value"], step=point["step"])
