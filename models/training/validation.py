"""Judging: what the eval split says of the weights, and which of them are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np

from textmill.models.errors import ConfigError
from textmill.models.inference import row_batches
from textmill.models.rows import RowReader
from textmill.models.tasks.task import Task
from textmill.models.training.config import TrainingConfig
from textmill.models.training.optimizers.reduced_gradient import (
    ReducedGradientOptimizer,
)
from textmill.models.training.state import RunState, means
from textmill.models.training.step import Step
from textmill.models.training.strategy import ReplicaContext

_TOKENS = 8192
"""About how many are evaluated at once, or as many rows as are trained on."""


def never() -> bool:
    """Says no."""
    return False


class Judge:
    """Evaluates a model while it is trained, and remembers the best of its weights.

    Attributes:
        best: the trainable weights of the best evaluation, where those are wanted.
    """

    def __init__(
        self,
        task: Task,
        *,
        rows: RowReader | None,
        step: Step,
        optimizer: ReducedGradientOptimizer,
        shares: ReplicaContext,
        config: TrainingConfig,
        seed: int,
    ) -> None:
        if (config.best or config.patience) and not rows:
            raise ConfigError(
                "train.best: expected an eval split with rows, found none; give the "
                "data set one, or leave best and patience out"
            )
        self._task, self._rows, self._step, self._seed = task, rows, step, seed
        self._shares, self._config = shares, config
        self._weights, self._averages = (
            task.model.trainable_variables,
            optimizer.averages,
        )
        self.best: list[np.ndarray] = []

    def judge(self, state: RunState, should_stop: Callable[[], bool]) -> bool:
        """Evaluates, and takes note of it; returns False where it was stopped."""
        with self._averaged():
            found = self.measure(should_stop)
            if not found:
                return False
            state.note({f"eval/{name}": value for name, value in found.items()})
            state.evaluated = state.step
            metric = self._config.best or "loss"
            if state.judge(found[metric], higher_is_better=metric != "loss"):
                self.best = values(self._weights) if self._config.best else []
        return True

    def measure(self, should_stop: Callable[[], bool] = never) -> dict[str, float]:
        """Returns mean loss and accuracy over the eval rows; empty without any.

        Empty, too, once ``should_stop`` says so; many workers go on to the end.
        """
        if not self._rows:
            return {}
        sums = dict.fromkeys(self._task.sum_names, 0.0)
        batch, alone = self._config.global_batch, self._shares.workers == 1
        batch *= max(1, _TOKENS // (batch * self._rows.row_length))
        mine = self._shares.of_worker(batch)
        for rows in row_batches(self._rows, batch, self._seed):
            if alone and should_stop():
                return {}
            share = {name: value[mine] for name, value in rows.items()}
            for name, value in self._step.measure(share).items():
                sums[name] += float(value)
        return means(sums)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Lends the model the average of its weights, where there is one."""
        kept = values(self._weights) if self._averages else []
        if self._averages:
            assign(self._weights, values(self._averages))
        try:
            yield
        finally:
            if self._averages:
                assign(self._weights, kept)

    def choose(self, state: RunState) -> None:
        """Leaves the model with the weights that the run was for."""
        if self.best and state.best:
            assign(self._weights, self.best)
            print(f"the best model is that of step {state.best[0]}", flush=True)
        elif self._averages:
            assign(self._weights, values(self._averages))


def values(variables: list[keras.Variable]) -> list[np.ndarray]:
    """Returns copies, so that the next step does not write into them."""
    return [np.asarray(keras.ops.convert_to_numpy(v), order="C") for v in variables]


def assign(variables: list[keras.Variable], new: list[np.ndarray]) -> None:
    """Gives variables new values."""
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)
