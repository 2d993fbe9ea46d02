"""The loop: a model's training, from its first step or a checkpoint to its last step.

One call of the compiled loop runs many steps; how many has no influence on the result,
nor has a restart from a checkpoint. What a step computes is in ``step.py``, which rows
it sees in ``sampler.py``, at which rate in ``schedule.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textmill.models.errors import Diverged, MachineError, Preempted
from textmill.models.methods import build_methods
from textmill.models.rows import RowReader
from textmill.models.tasks.task import Task
from textmill.models.training.averaging import average_decays
from textmill.models.training.checkpoint import Checkpoints, Snapshot
from textmill.models.training.config import TrainingConfig
from textmill.models.training.monitor import LoopCall, TrainingMonitor
from textmill.models.training.optimizers.optimizer import make_optimizer
from textmill.models.training.prefetcher import Prefetcher
from textmill.models.training.sampler import Sampler
from textmill.models.training.schedule import learning_rates
from textmill.models.training.state import RunState
from textmill.models.training.step import Step
from textmill.models.training.strategy import ReplicaContext, set_precision
from textmill.models.training.validation import Validator, values

_SECONDS_A_CALL, _MOST_STEPS_A_CALL = 1.0, 100
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class NotFinite(Diverged):
    """A step whose loss or gradient is NaN or infinite."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"step {step}: the loss is {loss} or its gradient infinite; lower "
            "train.learning_rate or raise train.warmup"
        )
        self.step = step


class TrainingRun:
    """One model's training.

    Attributes:
        task: the task, with the model's variables.
        num_steps: updates of the whole run; None under a time budget.
        state: how far it is, with the points of the curves.
    """

    def __init__(
        self,
        make_task: Callable[[], Task],
        *,
        rows: RowReader,
        eval_rows: RowReader | None,
        config: TrainingConfig,
        seed: int,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._config, self._shares = config, ReplicaContext(strategy)
        self._has_eval = bool(eval_rows)
        smallest = config.initial_batch or config.global_batch
        self._shares.check(smallest, accumulate=config.accumulate)
        self._order = Sampler(
            len(rows),
            config,
            seed=seed,
            lengths=rows.lengths(),
            dupe_factor=config.dupe_factor,
        )
        self.num_steps = None
        if config.budget is None:
            self.num_steps = config.steps or self._order.steps(config.epochs or 1)
        self._length = config.seconds or self.num_steps or 1
        self._feed = Prefetcher(
            rows, self._order, shares=self._shares, cut=config.length_buckets
        )
        # Layers are named by a counter of the process; names are part of the digest.
        keras.utils.clear_session()
        set_precision(config.precision)  # It was cleared, too.
        with strategy.scope():
            self.task = make_task()
            self._methods = build_methods(config.methods, self.task)
            self._optimizer = make_optimizer(
                self.task.model, config, averages=config.average is not None
            )
            self._step = Step(
                self.task,
                self._optimizer,
                strategy=strategy,
                shares=self._shares,
                config=config,
                methods=list(self._methods.values()),
            )
        self._validator = Validator(
            self.task,
            rows=eval_rows,
            step=self._step,
            optimizer=self._optimizer,
            shares=self._shares,
            config=config,
            batch=config.global_batch,
            seed=seed,
        )
        self.state = RunState()
        self._safe: Snapshot | None = None
        self._seconds_per_step = _SECONDS_A_CALL

    @property
    def step(self) -> int:
        """Number of updates so far."""
        return self.state.step

    @property
    def history(self) -> list[dict[str, Any]]:
        """The points of the curves."""
        return self.state.history

    def run(
        self,
        *,
        checkpoints: Checkpoints | None,
        report: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
        watcher: TrainingMonitor | None = None,
    ) -> None:
        """Trains to the last step, or to where it stops early.

        Args:
            checkpoints: where the state is kept; None where nothing can resume.
            report: takes progress after every call of the compiled loop.
            should_stop: whether to commit the state and end.
            watcher: shows the run to whoever looks on.

        Raises:
            Diverged: a loss or gradient is NaN or infinite.
            Preempted: ``should_stop`` said so; the state is committed.
            MachineError: another worker of the run is gone.
        """
        try:
            with watcher or TrainingMonitor(None) as watching:
                self._run(checkpoints, report, should_stop, watching)
        except _LOST as error:
            if self._shares.workers == 1:
                raise
            raise MachineError(
                f"a worker of the run is gone ({type(error).__name__}); start all of "
                "them again, and they go on from the last checkpoint"
            ) from error
        finally:
            self._feed.close()
            if checkpoints:
                checkpoints.join()

    def _run(
        self,
        checkpoints: Checkpoints | None,
        report: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
        watcher: TrainingMonitor,
    ) -> None:
        saved = self._restore(checkpoints)
        spent, began = self.state.seconds, time.monotonic()
        watcher.begin(self.history, note=self._step.note, devices=self._shares.devices)
        while True:
            self.state.seconds = spent + time.monotonic() - began
            stopping = self._sync(should_stop())
            self._log()
            if self._needs_validation() and not stopping:
                stopping = not self._validator.validate(self.state, should_stop)
                watcher.log_model(self.task, self.step)
            watcher.log_scalars(self.history)
            if self._finished and not self._needs_validation():
                break
            if saved < self.step and (stopping or self._is_due("checkpoint_every")):
                saved = self._save(checkpoints)
            if stopping:
                raise Preempted(f"stopped at step {self.step}; step {saved} is kept")
            self._advance_or_go_back(watcher)
            report(self._progress())
        self._validator.choose(self.state)

    @property
    def _finished(self) -> bool:
        config, state = self._config, self.state
        if config.patience and state.evaluations_since_best >= config.patience:
            return True
        if config.seconds:
            return state.seconds >= config.seconds
        return state.step == self.num_steps

    def _is_due(self, every: str) -> bool:
        steps = getattr(self._config, every)
        return self._finished or bool(steps and self.step and self.step % steps == 0)

    def _needs_validation(self) -> bool:
        is_new = self.state.evaluated < self.step
        return self._has_eval and is_new and self._is_due("eval_every")

    def _advance_or_go_back(self, watcher: TrainingMonitor) -> None:
        first, stop = self.step, self._feed.planned(self.step)
        watcher.before(first)
        try:
            call = self.advance(stop or self._next_stop(first))
        except NotFinite as fault:
            skipped = sorted({*self.state.skipped, fault.step})
            if not self._safe or len(skipped) > self._config.max_rollbacks:
                raise
            print(f"{fault}; going back to step {self._safe.step}", flush=True)
            self._load(self._safe)
            self.state.skipped = skipped
        else:
            watcher.log_call(call)
        while self.step in self.state.skipped:
            self.state.step += 1

    def advance(self, stop: int) -> LoopCall:
        """Runs the steps up to ``stop`` in one call of the compiled loop.

        Raises:
            Diverged: a loss or gradient is NaN or infinite.
        """
        first, began = self.step, time.monotonic()
        blocks, waited = self._feed.take(first, stop)
        self._feed.prepare(stop, self._next_stop(stop))
        step_inputs, at, results = self._step_inputs(first, stop), 0, []
        traces = self._step.num_traces
        for block in blocks:
            here = slice(at, at := at + block.num_steps)
            inputs = {name: value[here] for name, value in step_inputs.items()}
            results.append(self._step.many(block.rows, inputs))
        sums = np.concatenate([r.numpy() for r in results]).astype(np.float64)
        self._check(sums, first)
        self.state.add(self._step.names, sums.tolist())
        self.state.window["learning_rate"] = float(step_inputs["learning_rate"][-1])
        self.state.step = stop
        seconds = time.monotonic() - began
        self._seconds_per_step = seconds / (stop - first)
        return LoopCall(
            first=first,
            stop=stop,
            seconds=seconds,
            waited=waited,
            blocks=[(b.tokens, b.num_steps, b.width) for b in blocks],
            batch=self._order.batch(first),
            compiled=self._step.num_traces > traces,
        )

    def _step_inputs(self, first: int, stop: int) -> dict[str, np.ndarray]:
        """Returns the inputs of steps: number, learning rate, decay of the average."""
        number, config = np.arange(first, stop), self._config
        position = number.astype(np.float64)
        if config.budget:
            position = self.state.seconds + (number - first) * self._seconds_per_step
        return {
            "number": number.astype(np.int32),
            "learning_rate": learning_rates(config, position, length=self._length),
            "average_decay": average_decays(
                config, position, number.astype(np.float64), length=self._length
            ),
        }

    def _check(self, sums: np.ndarray, first: int) -> None:
        columns = dict(zip(self._step.names, sums.T, strict=True))
        loss, norm, scale = columns["loss"], columns["norm"], columns["scale"]
        # A gradient that float16 cannot hold is no fault until no scale is left.
        bad = ~np.isfinite(loss) | (~np.isfinite(norm) & (scale <= 1.0))
        if bad.any():
            at = int(np.argmax(bad))
            raise NotFinite(first + at, loss[at])

    def _next_stop(self, step: int) -> int:
        """Returns where the call that begins at a step ends."""
        if step == self.num_steps:
            return step
        config = self._config
        every = (config.log_every, config.checkpoint_every, config.eval_every)
        marks = [step - step % n + n for n in every if n]
        marks += [n for n in (self.num_steps, self._order.next_size(step)) if n]
        if config.profile:
            marks += [config.profile.first, config.profile.first + config.profile.steps]
        seconds = _SECONDS_A_CALL
        if config.seconds:
            seconds = min(seconds, config.seconds - self.state.seconds)
        most = max(1, min(_MOST_STEPS_A_CALL, int(seconds / self._seconds_per_step)))
        return min(n for n in (*marks, *self.state.skipped, step + most) if n > step)

    def _log(self) -> None:
        if not self.state.window or not self._is_due("log_every"):
            return
        window, self.state.window = self.state.window, {}
        means = self.task.means(window)
        points = {f"train/{name}": value for name, value in means.items()}
        points["train/gradient_norm"] = window["norm"] / window["steps"]
        points["train/learning_rate"] = window["learning_rate"]
        if self._step.scale:
            points["train/loss_scale"] = window["scale"] / window["steps"]
        self.state.note(points)

    def evaluate(self) -> dict[str, float]:
        """Returns mean loss and accuracy over the eval rows; empty without any."""
        return self._validator.measure()

    def _progress(self) -> dict[str, Any]:
        total = self.num_steps
        if self._config.seconds:
            left = max(0.0, self._config.seconds - self.state.seconds)
            total = self.step + int(left / self._seconds_per_step)
        return {
            "step": self.step,
            "total": total,
            "loss": self.state.last_loss(),
            "rate": self._order.batch(max(0, self.step - 1)) / self._seconds_per_step,
            "unit": "rows/s",
        }

    def _sync(self, stopping: bool) -> bool:
        """Gives all workers the clock of the chief, and stops all when one stops."""
        if self._shares.workers == 1:
            return stopping
        stopping, self.state.seconds, self._seconds_per_step = self._shares.sync(
            stopping, self.state.seconds, self._seconds_per_step, step=self.step
        )
        return stopping

    def _variables(self) -> dict[str, keras.Variable]:
        named = {
            "model": self.task.model.variables,
            "optimizer": self._optimizer.variables,
            "scale": self._step.scale.variables if self._step.scale else [],
        }
        for name, method in self._methods.items():
            named[f"method-{name}"] = method.variables
        return {
            f"{owner}/{i:05d}": v
            for owner, vs in named.items()
            for i, v in enumerate(vs)
        }

    def _snapshot(self) -> Snapshot:
        variables = self._variables()
        tensors = dict(zip(variables, values(list(variables.values())), strict=True))
        tensors |= {
            f"best/{i:05d}": value for i, value in enumerate(self._validator.best)
        }
        return Snapshot(self.step, tensors, asdict(self.state))

    def _load(self, snapshot: Snapshot) -> None:
        for name, variable in self._variables().items():
            variable.assign(snapshot.tensors[name])
        names = sorted(name for name in snapshot.tensors if name.startswith("best/"))
        self._validator.best = [snapshot.tensors[name] for name in names]
        self.state = RunState.of(snapshot.state)

    def _save(self, checkpoints: Checkpoints | None) -> int:
        snapshot = self._snapshot()
        if self._config.on_nan == "rollback":
            self._safe = snapshot
        if checkpoints:
            checkpoints.save(snapshot)
        return self.step if checkpoints else 0

    def _restore(self, checkpoints: Checkpoints | None) -> int:
        """Loads the last checkpoint, if there is one, and returns its step."""
        found = checkpoints.restore() if checkpoints else None
        for warning in checkpoints.warnings if checkpoints else ():
            print(warning, flush=True)
        if found:
            self._load(found)
        if self._config.on_nan == "rollback":
            self._safe = self._snapshot()
        return self.step
