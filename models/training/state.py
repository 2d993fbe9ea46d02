"""The state of a run: saved in a checkpoint next to its variables."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RunState:
    """Position, metrics and curves of a run."""

    step: int = 0
    """Updates so far."""
    seconds: float = 0.0
    """Wall time so far, restarts included."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """``{"step", "name", "value"}`` of every point of the curves."""
    window: dict[str, float] = field(default_factory=dict)
    """Sums since the last point."""
    marked: dict[str, float] = field(default_factory=dict)
    """Seconds of the last point and of the last evaluation (see ``cadence``)."""
    evaluated: int = 0
    """The step of the last evaluation."""
    best: tuple[int, float] | None = None
    """Step and value of the best evaluation."""
    evaluations_since_best: int = 0
    """Evaluations since the best."""
    skipped: list[int] = field(default_factory=list)
    """Skipped steps, whose loss was not finite; one per rollback."""

    @classmethod
    def of(cls, saved: dict[str, Any]) -> RunState:
        """Returns the state of an ``asdict``, also after a round trip through JSON."""
        state = cls(**copy.deepcopy(saved))
        state.best = tuple(state.best) if state.best else None
        return state

    def add(self, names: Sequence[str], values: list[list[float]]) -> None:
        """Adds the sums of steps one by one, so that their grouping is irrelevant."""
        for step_values in values:
            for name, value in zip(names, step_values, strict=True):
                if name == "norm" and not math.isfinite(value):
                    value = 0.0  # float16 skipped this update.
                self.window[name] = self.window.get(name, 0.0) + value
            self.window["steps"] = self.window.get("steps", 0.0) + 1

    def note(self, points: dict[str, float]) -> None:
        """Adds points to the curves."""
        for name, value in points.items():
            self.history.append({"step": self.step, "name": name, "value": value})

    def update_best(self, value: float, *, higher_is_better: bool) -> bool:
        """Returns True if an evaluation is the best so far, and records it."""
        is_best = self.best is None or (
            value > self.best[1] if higher_is_better else value < self.best[1]
        )
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        if is_best:
            self.best = (self.step, value)
        return is_best
