"""Monitoring of a training run: TensorBoard, progress lines, and utilization.

Curves, rates, histograms, samples and profiles go to TensorBoard events; scalars also
to ``progress.jsonl``, for programs. It never changes a result.
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


class LoopCall(NamedTuple):
    """One call of the compiled loop."""

    first: int
    stop: int
    seconds: float
    """Wall time."""
    waited: float
    """Wall time spent waiting for rows."""
    blocks: list[tuple[int, int, int]]
    """Tokens, steps, and tokens per row with padding, of every shape."""
    batch: int
    """Rows per step."""
    compiled: bool
    """True if the call first traced or compiled the step."""


class TrainingMonitor:
    """Logs a run. It is a context manager; without a folder it does nothing.

    Args:
        folder: folder of TensorBoard events; ``progress.jsonl`` is in its parent.
        flops: returns the floating point operations of one row by its tokens, forward
            and backward; None if unknown.
        samples: writes sample outputs of the model, if any.
        profile: the steps to profile.
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
        self._num_written, self._profiling = 0, False
        self._calls: list[LoopCall] = []
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
        """Opens the logs, and writes the points of a restored run.

        Args:
            history: the points so far.
            note: a remark for the log.
            devices: number of independent devices; 0 if their peak is unknown.
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
        self.log_scalars(history)
        if self._flops and devices:
            self._ceiling = devices * measure_ceiling(keras.config.dtype_policy())
        self._began = time.monotonic()

    def _read(self) -> list[dict[str, Any]]:
        assert self._folder is not None
        try:
            lines = (self._folder.parent / PROGRESS).read_text("utf-8").splitlines()
            # The last line may be incomplete after a kill.
            return [json.loads(line) for line in lines if line.endswith("}")]
        except (OSError, ValueError):
            return []

    def before(self, step: int) -> None:
        """Starts or stops the profiler before a step."""
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

    def log_call(self, call: LoopCall) -> None:
        """Records the timing of a call."""
        self._calls.append(call)
        if not call.compiled:
            self._useful += call.seconds - call.waited

    def log_scalars(self, history: list[dict[str, Any]]) -> None:
        """Writes the new points, and the throughput since the last ones."""
        if self._events is None or len(history) == self._num_written:
            # A rollback removes points.
            self._num_written = min(self._num_written, len(history))
            return
        points, self._num_written = history[self._num_written :], len(history)
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

    def _rates(self, calls: list[LoopCall]) -> dict[str, float]:
        """Returns throughput, input wait, goodput, memory and utilization."""
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

    def log_model(self, task: Task, step: int) -> None:
        """Writes histograms of the weights, and samples of the model's output."""
        if self._events is None:
            return
        for name, variable in task.tensors().items():
            if variable.trainable:
                values = keras.ops.convert_to_numpy(variable)
                # The name sorts after eval, time and train.
                self._events.histogram(f"weights/{name}", values, step)
        if self._samples and (text := self._samples(task)):
            self._events.text("samples", text, step)
        self._events.flush()


def memory_gib() -> float:
    """Returns the most memory in use so far: the accelerator's, else this process'."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
