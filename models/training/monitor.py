"""Watching: what a run shows to whoever looks on, and how well it uses the machine.

Curves, rates, histograms, samples and profiles go to TensorBoard events; all scalars
also to ``progress.jsonl`` beside them, for programs. Nothing of it changes a result.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from textmill.models.tasks.task import Task
from textmill.models.training.ceiling import measure_ceiling
from textmill.models.training.config import ProfileWindowConfig
from textmill.models.training.tensorboard import Events

PROGRESS = "progress.jsonl"
_TIME = "time/"


class Call(NamedTuple):
    """One call of the compiled loop."""

    first: int
    stop: int
    seconds: float
    """Wall time of it."""
    waited: float
    """Wall time until its rows were there."""
    blocks: list[tuple[int, int, int]]
    """Tokens, steps, and tokens a row with padding, of every shape in it."""
    batch: int
    """Rows a step."""
    compiled: bool
    """Whether it was traced, and perhaps compiled, first."""


class TrainingMonitor:
    """Shows a run. Use it as a context; with no folder it shows nothing.

    Args:
        folder: where TensorBoard events go; its parent takes ``progress.jsonl``.
        flops: floating point operations of one row of so many tokens, forward and
            backward; None where they are not known.
        samples: makes a text that shows what the model does; None shows none.
        profile: which steps the profiler looks at.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        flops: Callable[[int], float] | None = None,
        samples: Callable[[Task], str] | None = None,
        profile: ProfileWindowConfig | None = None,
    ) -> None:
        self._folder, self._flops = folder, flops
        self._samples, self._profile = samples, profile
        self._events: Events | None = None
        self._lines: Any = None
        self._ceiling = 0.0
        self._shown, self._profiling = 0, False
        self._calls: list[Call] = []
        self._useful, self._began = 0.0, time.monotonic()

    def __enter__(self) -> TrainingMonitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._profiling:
            self._end_profile()
        if self._events:
            self._events.close()
        if self._lines:
            self._lines.close()

    def begin(
        self, history: list[dict[str, Any]], *, note: str | None, devices: int = 1
    ) -> None:
        """Takes the points of a restored run, and how it will run.

        Args:
            history: the points so far.
            note: a remark for whoever reads the log.
            devices: how many compute at once; 0 where their ceiling is not known.
        """
        if note:
            print(note, flush=True)
        if self._folder is None:
            return
        self._events = Events(self._folder)
        step = history[-1]["step"] if history else 0
        earlier = [p for p in self._read() if p["step"] <= step]
        try:
            self._lines = (self._folder.parent / PROGRESS).open("w", encoding="utf-8")
        except OSError as error:
            print(f"{PROGRESS} is not written: {error}", flush=True)
        self._put([p for p in earlier if p["name"].startswith(_TIME)])
        self.show(history)
        if self._flops and devices:
            self._ceiling = devices * measure_ceiling(keras.config.dtype_policy())
        self._began = time.monotonic()

    def _read(self) -> list[dict[str, Any]]:
        assert self._folder is not None
        try:
            lines = (self._folder.parent / PROGRESS).read_text("utf-8").splitlines()
            # A kill may have cut the last line.
            return [json.loads(line) for line in lines if line.endswith("}")]
        except (OSError, ValueError):
            return []

    def before(self, step: int) -> None:
        """Opens and closes the profiler's window."""
        if self._profile is None or self._events is None:
            return
        if self._profiling and step >= self._profile.first + self._profile.steps:
            self._end_profile()
        elif step == self._profile.first:
            tf.profiler.experimental.start(str(self._folder))
            self._profiling = True

    def _end_profile(self) -> None:
        self._profiling = False
        tf.profiler.experimental.stop()

    def after(self, call: Call) -> None:
        """Takes note of a call."""
        self._calls.append(call)
        if not call.compiled:
            self._useful += call.seconds - call.waited

    def show(self, history: list[dict[str, Any]]) -> None:
        """Shows the points that are new, and the rates since the last ones."""
        if self._events is None or len(history) == self._shown:
            # A rollback takes points back.
            self._shown = min(self._shown, len(history))
            return
        points, self._shown = history[self._shown :], len(history)
        self._put(points)
        if timed := [call for call in self._calls if not call.compiled]:
            rates = self._rates(timed).items()
            step = history[-1]["step"]
            self._put([{"step": step, "name": _TIME + n, "value": v} for n, v in rates])
        self._calls = []

    def _put(self, points: list[dict[str, Any]]) -> None:
        assert self._events is not None
        self._events.scalars(points)
        self._events.flush()
        if self._lines:
            self._lines.writelines(json.dumps(p, sort_keys=True) + "\n" for p in points)
            self._lines.flush()

    def _rates(self, calls: list[Call]) -> dict[str, float]:
        """Returns rates over some calls: what shows where the time goes."""
        seconds = sum(call.seconds for call in calls)
        tokens = sum(block[0] for call in calls for block in call.blocks)
        rates = {
            "tokens_per_second": tokens / seconds,
            "input_wait": sum(call.waited for call in calls) / seconds,
            "goodput": self._useful / (time.monotonic() - self._began),
            "memory_gib": memory_gib(),
        }
        if self._flops and self._ceiling:
            done = sum(
                call.batch * steps * self._flops(width)
                for call in calls
                for _, steps, width in call.blocks
            )
            rates["mfu"] = done / seconds / self._ceiling
        return rates

    def look(self, task: Task, step: int) -> None:
        """Shows the weights' distributions, and samples of what the model does."""
        if self._events is None:
            return
        for name, variable in task.tensors().items():
            if variable.trainable:
                values = keras.ops.convert_to_numpy(variable)
                # After eval, time and train, which come first where names are sorted.
                self._events.histogram(f"weights/{name}", values, step)
        if self._samples and (text := self._samples(task)):
            self._events.text("samples", text, step)
        self._events.flush()


def memory_gib() -> float:
    """Returns the most memory in use so far: the accelerator's, else this process'."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
