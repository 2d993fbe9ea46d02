"""The steps of a run that log a point, evaluate the model, or save a checkpoint.

Without ``log_every`` a run has about 50 points of the curves or more, without
``eval_every`` about 10 evaluations, or fewer where those would take more than a tenth
of the training.
"""

from __future__ import annotations

import math
from typing import Literal

from textmill.models.training.config import TrainingConfig
from textmill.models.training.state import RunState

Mark = Literal["point", "evaluation", "checkpoint"]
_COUNTS: dict[Mark, int] = {"point": 50, "evaluation": 10}
_MOST_STEPS_A_POINT = 50
_EVALUATION_SHARE = 0.1
_PASSES_A_STEP = 3
"""The work of an update in forward passes: one forward, and twice that backward."""


class Cadence:
    """Decides when a run logs, evaluates and saves.

    Args:
        config: the knobs.
        num_steps: updates of the whole run; None under a time budget.
        num_eval_rows: rows of the eval split.
    """

    def __init__(
        self, config: TrainingConfig, *, num_steps: int | None, num_eval_rows: int
    ) -> None:
        self._budget, self._num_steps = config.seconds, num_steps
        passes = config.global_batch * _PASSES_A_STEP * _EVALUATION_SHARE
        self._least_between = math.ceil(num_eval_rows / passes)
        self._every: dict[Mark, int | None] = {
            "point": config.log_every,
            "evaluation": config.eval_every,
            "checkpoint": config.checkpoint_every,
        }
        if num_steps is None:
            return
        if config.log_every is None:
            steps = max(1, round(num_steps / _COUNTS["point"]))
            self._every["point"] = min(steps, _MOST_STEPS_A_POINT)
        if config.eval_every is None:
            steps = math.ceil(num_steps / _COUNTS["evaluation"])
            self._every["evaluation"] = max(steps, self._least_between)

    def is_due(self, mark: Mark, state: RunState) -> bool:
        """Returns True if a mark is due after the steps so far."""
        every = self._every[mark]
        if every is None:
            return self._is_due_by_time(mark, state)
        if mark == "point" and self._num_steps is not None:
            # The last window takes a short rest of the run.
            left = self._num_steps - state.step
            if 0 < left < every / 2:
                return False
        return state.step > 0 and state.step % every == 0

    def _is_due_by_time(self, mark: Mark, state: RunState) -> bool:
        assert self._budget is not None, "only a budget has marks without steps"
        if mark == "evaluation" and state.step - state.evaluated < self._least_between:
            return False
        since = state.seconds - state.marked.get(mark, 0.0)
        return state.step > 0 and since >= self._budget / _COUNTS[mark]

    def is_short(self, state: RunState) -> bool:
        """Returns True if the steps since the last point are too few for another."""
        every = self._every["point"]
        if every is not None:
            return state.window["steps"] < every / 2
        assert self._budget is not None
        since = state.seconds - state.marked.get("point", 0.0)
        return since < self._budget / _COUNTS["point"] / 2

    def next_stops(self, step: int) -> list[int]:
        """Returns the next step of every mark that steps decide."""
        return [step - step % n + n for n in self._every.values() if n is not None]

    def evaluations_left(self, step: int) -> int:
        """Returns the number of evaluations after a step of a run of known length."""
        every = self._every["evaluation"]
        if self._num_steps is None or every is None:
            return 0
        return math.ceil(self._num_steps / every) - step // every
