"""Recovery: resuming from a checkpoint, and rolling back after a NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import keras

from textmill.models.errors import Diverged
from textmill.models.training.checkpoint import Checkpoints, Snapshot
from textmill.models.training.config import RecoveryConfig
from textmill.models.training.state import RunState
from textmill.models.training.validation import Validator, values


class NotFinite(Diverged):
    """A step whose loss or gradient is NaN or infinite."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"step {step}: the loss is {loss} or its gradient infinite; lower "
            "train.learning_rate or raise train.warmup"
        )
        self.step = step


class Recovery:
    """Saves and restores the variables and the state of a run.

    Args:
        variables: all variables of the run, by owner.
        validator: has the best weights.
        config: the limits of rollbacks.
    """

    def __init__(
        self,
        variables: Mapping[str, Sequence[keras.Variable]],
        *,
        validator: Validator,
        config: RecoveryConfig,
    ) -> None:
        self._variables = {
            f"{owner}/{i:05d}": variable
            for owner, owned in variables.items()
            for i, variable in enumerate(owned)
        }
        self._validator, self._config = validator, config
        self._last: Snapshot | None = None

    def save(self, state: RunState, checkpoints: Checkpoints | None) -> int:
        """Saves a checkpoint; returns its step, or 0 without checkpoints."""
        snapshot = self._snapshot(state)
        if self._config.on_nan == "rollback":
            self._last = snapshot
        if checkpoints:
            checkpoints.save(snapshot)
        return state.step if checkpoints else 0

    def restore(self, state: RunState, checkpoints: Checkpoints | None) -> RunState:
        """Loads the last checkpoint; returns its state, or else the given one."""
        snapshot = checkpoints.restore() if checkpoints else None
        for warning in checkpoints.warnings if checkpoints else ():
            print(warning, flush=True)
        if snapshot:
            state = self._load(snapshot)
        if self._config.on_nan == "rollback":
            self._last = self._snapshot(state)
        return state

    def roll_back(self, state: RunState, error: NotFinite) -> RunState:
        """Returns to the last snapshot, from which the failed step is skipped.

        Raises:
            NotFinite: rollbacks are off, or there were too many.
        """
        skipped = sorted({*state.skipped, error.step})
        if not self._last or len(skipped) > self._config.max_rollbacks:
            raise error
        print(f"{error}; going back to step {self._last.step}", flush=True)
        state = self._load(self._last)
        state.skipped = skipped
        return state

    def _snapshot(self, state: RunState) -> Snapshot:
        copies = values(list(self._variables.values()))
        tensors = dict(zip(self._variables, copies, strict=True))
        tensors |= {f"best/{i:05d}": v for i, v in enumerate(self._validator.best)}
        return Snapshot(state.step, tensors, asdict(state))

    def _load(self, snapshot: Snapshot) -> RunState:
        for name, variable in self._variables.items():
            variable.assign(snapshot.tensors[name])
        names = sorted(name for name in snapshot.tensors if name.startswith("best/"))
        self._validator.best = [snapshot.tensors[name] for name in names]
        return RunState.of(snapshot.state)
