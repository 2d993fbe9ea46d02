"""Validation during training, early stopping, and restoring the best weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np

from textmill.models.errors import ConfigError
from textmill.models.inference import row_batches
from textmill.models.rows import RowReader
from textmill.models.tasks.task import Task
from textmill.models.training.config import ValidationConfig
from textmill.models.training.optimizers.reduced_gradient import (
    ReducedGradientOptimizer,
)
from textmill.models.training.state import RunState
from textmill.models.training.step import Step
from textmill.models.training.strategy import ReplicaContext

_TOKENS = 8192
"""Approximate tokens per evaluation batch, at least a training batch."""


def never() -> bool:
    """Returns False."""
    return False


class Validator:
    """Evaluates a model during training, and remembers its best weights.

    Attributes:
        best: the trainable weights of the best evaluation, with ``best_metric``.
    """

    def __init__(
        self,
        task: Task,
        *,
        rows: RowReader | None,
        step: Step,
        optimizer: ReducedGradientOptimizer,
        replicas: ReplicaContext,
        config: ValidationConfig,
        batch: int,
        seed: int,
    ) -> None:
        if (config.best_metric or config.patience) and not rows:
            raise ConfigError(
                "train.best_metric: expected an eval split with rows, got none; give "
                "the data set one, or leave best_metric and patience out"
            )
        self._task, self._rows, self._step, self._seed = task, rows, step, seed
        self._replicas, self._config, self._batch = replicas, config, batch
        self._weights, self._averages = (
            task.model.trainable_variables,
            optimizer.averages,
        )
        self.best: list[np.ndarray] = []

    def validate(self, state: RunState, should_stop: Callable[[], bool]) -> bool:
        """Evaluates and records the metrics; returns False if interrupted."""
        with self._averaged():
            metrics = self.measure(should_stop)
            if not metrics:
                return False
            state.note({f"eval/{name}": value for name, value in metrics.items()})
            state.evaluated = state.step
            metric = self._config.best_metric or "loss"
            if state.update_best(metrics[metric], higher_is_better=metric != "loss"):
                self.best = values(self._weights) if self._config.best_metric else []
        return True

    def measure(self, should_stop: Callable[[], bool] = never) -> dict[str, float]:
        """Returns mean loss and accuracy over the eval rows, if any.

        Empty if ``should_stop`` interrupts it; several workers always finish.
        """
        if not self._rows:
            return {}
        sums = dict.fromkeys(self._task.sum_names, 0.0)
        alone = self._replicas.num_workers == 1
        batch = self._batch * max(1, _TOKENS // (self._batch * self._rows.row_length))
        row_slice = self._replicas.worker_slice(batch)
        for rows in row_batches(self._rows, batch, self._seed):
            if alone and should_stop():
                return {}
            share = {name: value[row_slice] for name, value in rows.items()}
            for name, value in self._step.measure(share).items():
                sums[name] += float(value)
        return self._task.means(sums)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Context manager: the model with its averaged weights, if any."""
        weights = values(self._weights) if self._averages else []
        if self._averages:
            assign(self._weights, values(self._averages))
        try:
            yield
        finally:
            if self._averages:
                assign(self._weights, weights)

    def assign_best(self, state: RunState) -> None:
        """Assigns the best or the averaged weights to the model, if configured."""
        if self.best and state.best:
            assign(self._weights, self.best)
            print(f"the best model is that of step {state.best[0]}", flush=True)
        elif self._averages:
            assign(self._weights, values(self._averages))


def values(variables: list[keras.Variable]) -> list[np.ndarray]:
    """Returns copies of values, which later steps do not change."""
    return [np.asarray(keras.ops.convert_to_numpy(v), order="C") for v in variables]


def assign(variables: list[keras.Variable], new: list[np.ndarray]) -> None:
    """Assigns new values to variables."""
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)
