"""The pace of a run, as progress shows it: loss, rate and expected time left.

They are over recent steps, so that neither compilation nor a single batch moves them.
They change no result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median

_RECENT_STEPS = 100


class Pace:
    """The losses and times of recent steps."""

    def __init__(self) -> None:
        self._losses: deque[tuple[float, float]] = deque(maxlen=_RECENT_STEPS)
        self._seconds: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._evaluation_seconds: float | None = None

    def add_losses(self, sums: Iterable[float], weights: Iterable[float]) -> None:
        """Records the sum and the weight of the losses of steps."""
        self._losses.extend(zip(sums, weights, strict=True))

    def add_seconds(self, seconds: float, *, steps: int) -> None:
        """Records the time of steps, of which none was compiled."""
        self._seconds.extend([seconds / steps] * min(steps, _RECENT_STEPS))

    def add_evaluation(self, seconds: float) -> None:
        """Records the time of an evaluation; the first one also compiles."""
        is_first = self._evaluation_seconds is None
        self._evaluation_seconds = 0.0 if is_first else seconds

    @property
    def loss(self) -> float | None:
        """The mean loss of recent steps; None before the first."""
        if not self._losses:
            return None
        sums, weights = zip(*self._losses, strict=True)
        return sum(sums) / max(sum(weights), 1.0)

    @property
    def seconds_per_step(self) -> float | None:
        """The median over recent steps; None while only compiling steps have run."""
        return median(self._seconds) if self._seconds else None

    def seconds_left(self, steps: int, *, evaluations: int) -> float | None:
        """Returns the expected time of steps and evaluations."""
        if (seconds := self.seconds_per_step) is None:
            return None
        return steps * seconds + evaluations * (self._evaluation_seconds or 0.0)
