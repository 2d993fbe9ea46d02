"""The training loop, from the first step or a checkpoint to the last step.

One call of the compiled loop runs many steps; neither their number nor a restart from a
checkpoint changes the result. ``step.py`` has the computation of a step, ``sampler.py``
its rows, ``schedule.py`` its learning rate, ``recovery.py`` the restarts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textmill.models.errors import ConfigError, MachineError, Preempted
from textmill.models.methods import build_methods
from textmill.models.rows import RowReader
from textmill.models.tasks.task import Task
from textmill.models.training.averaging import average_decays
from textmill.models.training.cadence import Cadence, Mark
from textmill.models.training.checkpoint import Checkpoints
from textmill.models.training.config import TrainingConfig
from textmill.models.training.monitor import LoopCall, TrainingMonitor
from textmill.models.training.optimizers.optimizer import make_optimizer
from textmill.models.training.pace import Pace
from textmill.models.training.prefetcher import Prefetcher
from textmill.models.training.recovery import NotFinite, Recovery
from textmill.models.training.row_weight import mean_row_weight
from textmill.models.training.sampler import Sampler
from textmill.models.training.schedule import learning_rates
from textmill.models.training.state import RunState
from textmill.models.training.step import Step
from textmill.models.training.strategy import ReplicaContext, set_precision
from textmill.models.training.validation import Validator

_SECONDS_A_CALL, _MOST_STEPS_A_CALL = 1.0, 100
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


def _silent(event: dict[str, Any]) -> None:
    return None


class TrainingRun:
    """One model's training.

    Attributes:
        task: the task, with the model's variables.
        num_steps: updates of the whole run; None under a time budget.
        state: its position, metrics and curves.
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
        self._config, self._replicas = config, ReplicaContext(strategy)
        self._has_eval = bool(eval_rows)
        self._build(make_task, strategy)
        self._sampler = Sampler(
            len(rows),
            config,
            seed=seed,
            lengths=rows.widths(),
            key_epochs=self.task.key_epochs,
        )
        self._row_weight = None
        if config.length_buckets:
            self._row_weight = mean_row_weight(self.task, rows, seed=seed)
        self.num_steps = None
        if config.budget is None:
            self.num_steps = config.steps or self._sampler.steps(config.epochs or 1)
            _check_phases(config, self.num_steps, num_rows=len(rows))
        self._length = config.seconds or self.num_steps or 1
        self._cadence = Cadence(
            config,
            num_steps=self.num_steps,
            num_eval_rows=len(eval_rows) if eval_rows else 0,
        )
        self._prefetcher = Prefetcher(
            rows,
            self._sampler,
            replicas=self._replicas,
            truncate=config.bucket_width if config.length_buckets else None,
        )
        self._validator = Validator(
            self.task,
            rows=eval_rows,
            step=self._step,
            optimizer=self._optimizer,
            replicas=self._replicas,
            config=config,
            batch=config.global_batch,
            seed=seed,
        )
        self._recovery = self._make_recovery()
        self.state = RunState()
        self._seconds_per_step = _SECONDS_A_CALL
        self._pace = Pace()
        self._report: Callable[[dict[str, Any]], None] = _silent

    def _build(
        self, make_task: Callable[[], Task], strategy: tf.distribute.Strategy
    ) -> None:
        config = self._config
        # Layer names are part of the digest, and contain a counter of the process.
        keras.utils.clear_session()
        set_precision(config.precision)  # clear_session resets it.
        with strategy.scope():
            self.task = make_task()
            self._replicas.check(
                config.initial_batch or config.global_batch,
                accumulate=config.accumulate,
                group=self.task.group_size,
            )
            self._methods = build_methods(config.methods, self.task)
            self._optimizer = make_optimizer(
                self.task.model, config, averages=config.average is not None
            )
            self._step = Step(
                self.task,
                self._optimizer,
                strategy=strategy,
                replicas=self._replicas,
                config=config,
                methods=list(self._methods.values()),
            )

    def _make_recovery(self) -> Recovery:
        variables = {
            "model": self.task.model.variables,
            "optimizer": self._optimizer.variables,
            "scale": self._step.scale.variables if self._step.scale else [],
        }
        for name, method in self._methods.items():
            variables[f"method-{name}"] = method.variables
        return Recovery(variables, validator=self._validator, config=self._config)

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
        monitor: TrainingMonitor | None = None,
    ) -> None:
        """Trains to the last step, or until early stopping.

        Args:
            checkpoints: stores the state; None for a run that cannot resume.
            report: receives progress after every call of the compiled loop, and the
                name of a phase when one begins.
            should_stop: returns True to save the state and stop.
            monitor: logs the run.

        Raises:
            Diverged: a loss or gradient is NaN or infinite.
            Preempted: ``should_stop`` returned True; the state is saved.
            MachineError: another worker of the run is lost.
        """
        self._report = report
        try:
            with monitor or TrainingMonitor(None) as active:
                self._run(checkpoints, should_stop, active)
        except _LOST as error:
            if self._replicas.num_workers == 1:
                raise
            raise MachineError(
                f"lost a worker of the run ({type(error).__name__}); start all workers "
                "again: they resume from the last checkpoint"
            ) from error
        finally:
            self._prefetcher.close()
            if checkpoints:
                checkpoints.join()

    def _run(
        self,
        checkpoints: Checkpoints | None,
        should_stop: Callable[[], bool],
        monitor: TrainingMonitor,
    ) -> None:
        self.state = self._recovery.restore(self.state, checkpoints)
        saved = self.step
        self._report({"phase": "starting"} | ({"resumed": saved} if saved else {}))
        spent, began = self.state.seconds, time.monotonic()
        monitor.begin(
            self.history, note=self._step.note, devices=self._replicas.devices
        )
        while True:
            self.state.seconds = spent + time.monotonic() - began
            stopping = self._sync(should_stop())
            self._log()
            if self._needs_validation() and not stopping:
                stopping = not self._evaluate(should_stop, monitor)
            monitor.log_scalars(self.history)
            if self._finished and not self._needs_validation():
                break
            if saved < self.step and (stopping or self._is_due("checkpoint")):
                self._report({"phase": f"saving step {self.step}"})
                saved = self._recovery.save(self.state, checkpoints)
                self._report(self._progress())
            if stopping:
                raise Preempted(f"stopped at step {self.step}; step {saved} is saved")
            self._advance_or_roll_back(monitor)
            self._report(self._progress())
        self._validator.assign_best(self.state)

    @property
    def _finished(self) -> bool:
        config, state = self._config, self.state
        if config.patience and state.evaluations_since_best >= config.patience:
            return True
        if config.seconds:
            return state.seconds >= config.seconds
        return state.step == self.num_steps

    def _is_due(self, mark: Mark) -> bool:
        return self._finished or self._cadence.is_due(mark, self.state)

    def _needs_validation(self) -> bool:
        is_new = self.state.evaluated < self.step
        return self._has_eval and is_new and self._is_due("evaluation")

    def _evaluate(
        self, should_stop: Callable[[], bool], monitor: TrainingMonitor
    ) -> bool:
        """Evaluates and logs the model; returns False if interrupted."""
        self._report({"phase": "evaluating"})
        began = time.monotonic()
        is_complete = self._validator.validate(self.state, should_stop)
        monitor.log_model(self.task, self.step)
        if is_complete:
            self._pace.add_evaluation(time.monotonic() - began)
            self.state.marked["evaluation"] = self.state.seconds
        self._report(self._progress())
        return is_complete

    def _advance_or_roll_back(self, monitor: TrainingMonitor) -> None:
        first, stop = self.step, self._prefetcher.planned(self.step)
        monitor.before(first)
        try:
            call = self.advance(stop or self._next_stop(first))
        except NotFinite as error:
            self.state = self._recovery.roll_back(self.state, error)
        else:
            monitor.log_call(call)
        while self.step in self.state.skipped:
            self.state.step += 1

    def advance(self, stop: int) -> LoopCall:
        """Runs the steps up to ``stop`` in one call of the compiled loop.

        Raises:
            Diverged: a loss or gradient is NaN or infinite.
        """
        first, began = self.step, time.monotonic()
        blocks, waited = self._prefetcher.take(first, stop)
        self._prefetcher.prepare(stop, self._next_stop(stop))
        step_inputs = self._step_inputs(first, stop)
        traces, done, results = self._step.num_traces, 0, []
        for block in blocks:
            steps = slice(done, done := done + block.num_steps)
            inputs = {name: value[steps] for name, value in step_inputs.items()}
            if self._step.is_new(block.rows):
                self._report({"phase": self._compiling()})
            results.append(self._step.many(block.rows, inputs))
        sums = np.concatenate([r.numpy() for r in results]).astype(np.float64)
        self._check(sums, first)
        self.state.add(self._step.names, sums.tolist())
        self.state.window["learning_rate"] = float(step_inputs["learning_rate"][-1])
        self.state.step = stop
        seconds = time.monotonic() - began
        self._seconds_per_step = seconds / (stop - first)
        compiled = self._step.num_traces > traces
        self._add_to_pace(sums, seconds, compiled=compiled)
        return LoopCall(
            first=first,
            stop=stop,
            seconds=seconds,
            waited=waited,
            blocks=[(b.tokens, b.num_steps, b.width) for b in blocks],
            batch=self._sampler.batch(first),
            compiled=compiled,
        )

    def _compiling(self) -> str:
        """Returns the phase of a call with a batch shape that is not compiled yet."""
        total = self._prefetcher.num_widths * self._sampler.num_sizes
        number = self._step.num_traces + 1
        return f"compiling {number} of {total}" if total > 1 else "compiling"

    def _add_to_pace(self, sums: np.ndarray, seconds: float, *, compiled: bool) -> None:
        columns = dict(zip(self._step.names, sums.T.tolist(), strict=True))
        self._pace.add_losses(columns["loss"], columns["weight"])
        if not compiled:
            self._pace.add_seconds(seconds, steps=len(sums))

    def _step_inputs(self, first: int, stop: int) -> dict[str, np.ndarray]:
        """Returns the inputs of steps, as ``Step.many`` reads them."""
        number, config = np.arange(first, stop), self._config
        position = number.astype(np.float64)
        if config.budget:
            position = self.state.seconds + (number - first) * self._seconds_per_step
        inputs = {
            "number": number.astype(np.int32),
            "learning_rate": learning_rates(config, position, length=self._length),
            "average_decay": average_decays(
                config, position, number.astype(np.float64), length=self._length
            ),
        }
        if self._row_weight is not None:
            weight = self._row_weight * self._sampler.batch(first)
            inputs["expected_weight"] = np.full(stop - first, weight, np.float32)
        return inputs

    def _check(self, sums: np.ndarray, first: int) -> None:
        columns = dict(zip(self._step.names, sums.T, strict=True))
        loss, norm, scale = columns["loss"], columns["norm"], columns["scale"]
        # A float16 overflow only lowers the scale, until the scale is 1.
        bad = ~np.isfinite(loss) | (~np.isfinite(norm) & (scale <= 1.0))
        if bad.any():
            index = int(np.argmax(bad))
            raise NotFinite(first + index, loss[index])

    def _next_stop(self, step: int) -> int:
        """Returns the end of the call that begins at a step."""
        if step == self.num_steps:
            return step
        config = self._config
        marks = self._cadence.next_stops(step)
        marks += [n for n in (self.num_steps, self._sampler.next_size(step)) if n]
        if config.profile:
            marks += [config.profile.first, config.profile.first + config.profile.steps]
        seconds = _SECONDS_A_CALL
        if config.seconds:
            seconds = min(seconds, config.seconds - self.state.seconds)
        most = max(1, min(_MOST_STEPS_A_CALL, int(seconds / self._seconds_per_step)))
        return min(n for n in (*marks, *self.state.skipped, step + most) if n > step)

    def _log(self) -> None:
        state = self.state
        if not state.window or not self._is_due("point"):
            return
        # The mean over a few last steps would not compare with the other points.
        if self._finished and "point" in state.marked and self._cadence.is_short(state):
            return
        state.marked["point"] = state.seconds
        window, state.window = state.window, {}
        means = self.task.means(window)
        points = {f"train/{name}": value for name, value in means.items()}
        points["train/gradient_norm"] = window["norm"] / window["steps"]
        points["train/learning_rate"] = window["learning_rate"]
        if self._step.scale:
            points["train/loss_scale"] = window["scale"] / window["steps"]
        state.note(points)

    def evaluate(self) -> dict[str, float]:
        """Returns mean loss and accuracy over the eval rows; empty without any."""
        return self._validator.measure()

    def _progress(self) -> dict[str, Any]:
        pace, total, seconds_left = self._pace, self.num_steps, None
        seconds_per_step = pace.seconds_per_step
        if self._config.seconds:
            seconds_left = max(0.0, self._config.seconds - self.state.seconds)
            if seconds_per_step:
                total = self.step + int(seconds_left / seconds_per_step)
        elif total is not None:
            evaluations = self._cadence.evaluations_left(self.step)
            seconds_left = pace.seconds_left(
                total - self.step, evaluations=evaluations if self._has_eval else 0
            )
        batch = self._sampler.batch(max(0, self.step - 1))
        return {
            "step": self.step,
            "total": total,
            "loss": pace.loss,
            "rate": batch / seconds_per_step if seconds_per_step else None,
            "unit": "rows/s",
            "seconds_left": seconds_left,
        }

    def _sync(self, stopping: bool) -> bool:
        """Shares the chief's clock with all workers; stops all if one stops."""
        if self._replicas.num_workers == 1:
            return stopping
        stopping, self.state.seconds, self._seconds_per_step = self._replicas.sync(
            stopping, self.state.seconds, self._seconds_per_step, step=self.step
        )
        return stopping


def _check_phases(config: TrainingConfig, num_steps: int, *, num_rows: int) -> None:
    """Checks the phases of the schedule once ``epochs`` is a number of steps."""
    try:
        config.check_phases(num_steps)
    except ValueError as error:
        raise ConfigError(
            f"train: expected {error} steps, which {config.epochs:g} epochs of "
            f"{num_rows:,} rows take; give warmup as a share below 1, or more epochs"
        ) from None
