"""Curves: the scalars of a run as JSON lines and as TensorBoard events."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram import metadata

_BUCKETS = 30

Points = Sequence[dict[str, Any]]


class Events:
    """Writes TensorBoard events during a run, to a folder that it empties first.

    A folder that cannot be written is a warning: training does not depend on it.

    Attributes:
        warning: the reason why events are not written, or None.
    """

    def __init__(self, folder: Path) -> None:
        self.warning: str | None = None
        shutil.rmtree(folder, ignore_errors=True)
        self._try(lambda: setattr(self, "_writer", _writer(folder)))

    def scalars(self, points: Points) -> None:
        """Appends points."""
        if points:
            self._try(lambda: _write_scalars(self._writer, points))

    def histogram(self, name: str, values: np.ndarray, step: int) -> None:
        """Appends the distribution of the finite ones of some values.

        Not by ``tf.summary.histogram``, which makes 30 float64 numbers of every value.
        """
        finite = values[np.isfinite(values)]
        # Edges of float32 would coincide where weights hardly differ.
        ends = (
            (np.float64(finite.min()), np.float64(finite.max()))
            if len(finite)
            else None
        )
        counts, edges = np.histogram(finite, _BUCKETS, ends)
        table = np.stack([edges[:-1], edges[1:], counts], axis=1)
        about = metadata.create_summary_metadata(display_name=None, description=None)
        write = partial(tf.summary.write, metadata=about)
        self._try(lambda: self._write(write, name, table, step))

    def text(self, name: str, text: str, step: int) -> None:
        """Appends a Markdown text."""
        self._try(lambda: self._write(tf.summary.text, name, text, step))

    def flush(self) -> None:
        """Writes buffered events to disk."""
        self._try(lambda: self._writer.flush())

    def close(self) -> None:
        """Closes the file."""
        self._try(lambda: self._writer.close())

    def _write(
        self, kind: Callable[..., Any], name: str, value: Any, step: int
    ) -> None:
        with self._writer.as_default():
            kind(name, value, step=step)

    def _try(self, act: Callable[[], Any]) -> None:
        if self.warning is not None:
            return
        try:
            act()
        except (OSError, tf.errors.OpError) as error:
            self.warning = f"TensorBoard events are not written: {error}"
            print(self.warning, flush=True)


def write_curves(
    history: Points, scalars: Path, events: Path, *, live: Path | None = None
) -> None:
    """Writes JSON lines of ``{"step", "name", "value"}``, and TensorBoard events.

    Args:
        history: the points.
        scalars: the JSON lines file.
        events: the folder of events.
        live: events written during training, which have more, if any.
    """
    with scalars.open("w", encoding="utf-8") as file:
        for point in history:
            file.write(json.dumps(point, sort_keys=True) + "\n")
    if live is not None:
        shutil.copytree(live, events, dirs_exist_ok=True)
        return
    writer = _writer(events)
    _write_scalars(writer, history)
    writer.close()


def _writer(folder: Path) -> tf.summary.SummaryWriter:
    return tf.summary.create_file_writer(str(folder))


def _write_scalars(writer: tf.summary.SummaryWriter, points: Points) -> None:
    with writer.as_default():
        for point in points:
            tf.summary.scalar(point["name"], point["value"], step=point["step"])
