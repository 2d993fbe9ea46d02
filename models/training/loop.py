"""The loop: every update of a model, the same under any strategy and after any kill.

A step sums token losses and weights over its rows, adds gradients and sums of all
replicas, divides once, clips, and applies. A call of the compiled loop runs many steps;
how many has no influence on the result, nor has a restart from a checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.faults import Diverged, Preempted
from models.inference import row_batches
from models.rows import RowReader
from models.tasks import Task
from models.training.checkpoint import Checkpoints
from models.training.config import TrainingConfig
from models.training.optimizer import make_optimizer
from models.training.order import DataOrder
from models.training.schedule import Schedule

_SECONDS_A_CALL, _MOST_STEPS_A_CALL = 1.0, 100
_BUCKET = 32

Sums = dict[str, tf.Tensor]


class TrainingRun:
    """One model's training, from its first step or a checkpoint to its last step.

    Attributes:
        task: the task, with the model's variables.
        num_steps: updates of the whole run.
        history: ``{"step", "name", "value"}`` of every point of the curves.
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
        self._config, self._seed, self._strategy = config, seed, strategy
        self._rows, self._eval_rows = rows, eval_rows
        self._order = DataOrder(
            len(rows),
            batch=config.global_batch,
            seed=seed,
            lengths=rows.lengths() if config.length_buckets else None,
            dupe_factor=config.dupe_factor,
        )
        self.num_steps = config.steps or self._order.steps(config.epochs or 1)
        # Layers are named by a counter of the process; names are part of the digest.
        keras.utils.clear_session()
        with strategy.scope():
            self.task = make_task()
            self._names = (*self.task.sum_names, "norm")
            self._schedule = Schedule(config, num_steps=self.num_steps)
            self._optimizer = make_optimizer(self.task.model, self._schedule, config)
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self._window: dict[str, float] = {}
        one = strategy.num_replicas_in_sync == 1
        compiled = config.xla and one
        self._train_step = tf.function(self._update, jit_compile=compiled)
        self._train_call = tf.function(self._many_steps, reduce_retracing=True)
        self._eval_call = tf.function(self._measure, jit_compile=compiled)

    def run(
        self,
        *,
        checkpoints: Checkpoints | None,
        report: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
        watch: Callable[[list[dict[str, Any]]], None] = lambda points: None,
    ) -> None:
        """Trains to the last step.

        Args:
            checkpoints: where the state is kept; None where nothing can resume.
            report: takes progress after every call of the compiled loop.
            should_stop: whether to commit the state and end.
            watch: takes the points of the curves as they come.

        Raises:
            Diverged: a loss or gradient is NaN or infinite.
            Preempted: ``should_stop`` said so; the state is committed.
        """
        self._restore(checkpoints)
        watched = 0
        steps_a_call, saved = 1, self.step if checkpoints else 0
        while self.step < self.num_steps:
            stop = min(self.step + steps_a_call, self._boundary())
            began, first = time.monotonic(), self.step
            self.advance(stop)
            seconds = (time.monotonic() - began) / (stop - first)
            steps_a_call = max(
                1, min(_MOST_STEPS_A_CALL, int(_SECONDS_A_CALL / seconds))
            )
            report(self._progress(seconds))
            watch(self.history[watched:])
            watched = len(self.history)
            if self.step == self.num_steps:
                break
            stopping = should_stop()
            if checkpoints and (stopping or self._due(self._config.checkpoint_every)):
                self._save(checkpoints)
                saved = self.step
            if stopping:
                raise Preempted(f"stopped at step {self.step}; step {saved} is kept")

    def evaluate(self) -> dict[str, float]:
        """Returns mean loss and accuracy over the eval rows; empty without any."""
        if not self._eval_rows:
            return {}
        sums = dict.fromkeys(self.task.sum_names, 0.0)
        batch = self._config.global_batch
        for rows in row_batches(self._eval_rows, batch, self._seed):
            features = self.task.features(rows)
            for name, value in self._eval_call(features, rows["valid"]).items():
                sums[name] += float(value)
        return _means(sums)

    def _boundary(self) -> int:
        every = [self._config.log_every, self._config.checkpoint_every]
        every.append(self._config.eval_every or self.num_steps)
        ahead = [self.step - self.step % n + n for n in every]
        return min([*ahead, self.num_steps])

    def _due(self, every: int | None) -> bool:
        return self.step == self.num_steps or bool(every and self.step % every == 0)

    def advance(self, stop: int) -> None:
        """Runs the steps up to ``stop`` in one call of the compiled loop.

        Raises:
            Diverged: a loss or gradient is NaN or infinite.
        """
        calls = [self._train_call(rows) for rows in self._batches(stop)]
        sums = np.concatenate([call.numpy() for call in calls]).astype(np.float64)
        values = dict(zip(self._names, sums.T, strict=True))
        bad = ~np.isfinite(values["loss"] + values["norm"])
        if bad.any():
            step = self.step + int(np.argmax(bad))
            raise Diverged(
                f"step {step}: the loss is {values['loss'][bad][0]}; lower "
                "train.learning_rate or raise train.warmup"
            )
        # One by one: the sum must not depend on how many steps a call took.
        for step_values in sums.tolist():
            for name, value in zip(self._names, step_values, strict=True):
                self._window[name] = self._window.get(name, 0.0) + value
            self._window["steps"] = self._window.get("steps", 0.0) + 1
        self.step = stop
        self._log()

    def _batches(self, stop: int) -> Iterator[dict[str, np.ndarray]]:
        """Yields rows ``[steps, batch, ...]``, cut to a multiple of 32 tokens each."""
        indices, keys = self._order.rows(self.step, stop)
        batch = self._rows.take(indices.reshape(-1))
        rows = {
            name: value.reshape(indices.shape + value.shape[1:])
            for name, value in batch.items()
        } | {"keys": keys}
        if not self._config.length_buckets:
            yield rows
            return
        longest = -(-rows["length"].max(axis=1) // _BUCKET) * _BUCKET
        changes = np.flatnonzero(np.diff(longest)) + 1
        for steps in np.split(np.arange(len(indices)), changes):
            width = longest[steps[0]]
            yield {
                name: value[steps][:, :, :width] if value.ndim == 3 else value[steps]
                for name, value in rows.items()
            }

    def _log(self) -> None:
        if self._due(self._config.log_every):
            window, self._window = self._window, {}
            points = {f"train/{k}": v for k, v in _means(window).items()}
            points["train/gradient_norm"] = window["norm"] / window["steps"]
            points["train/learning_rate"] = float(self._schedule(self.step - 1))
            self._note(points)
        if self._due(self._config.eval_every):
            self._note({f"eval/{k}": v for k, v in self.evaluate().items()})

    def _note(self, points: dict[str, float]) -> None:
        for name, value in points.items():
            self.history.append({"step": self.step, "name": name, "value": value})

    def _progress(self, seconds: float) -> dict[str, Any]:
        points = reversed(self.history)
        loss = next((p["value"] for p in points if p["name"] == "train/loss"), None)
        return {
            "step": self.step,
            "total": self.num_steps,
            "loss": _means(self._window)["loss"] if self._window else loss,
            "rate": self._config.global_batch / seconds,
            "unit": "rows/s",
        }

    def _many_steps(self, rows: dict[str, tf.Tensor]) -> tf.Tensor:
        count = tf.shape(rows["ids"])[0]
        out = tf.TensorArray(tf.float32, count)
        for i in tf.range(count):
            batch = {name: value[i] for name, value in rows.items()}
            features = self.task.features(batch)
            sums = self._strategy.run(self._train_step, args=(features,))
            out = out.write(i, self._strategy.experimental_local_results(sums)[0])
        return out.stack()

    def _update(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        variables = self.task.model.trainable_variables
        with tf.GradientTape() as tape:
            sums = self._sums(self._mine(features), training=True)
            objective = self.task.objective(sums)
        found = tape.gradient(objective, variables)
        pairs = [
            (tf.convert_to_tensor(g), v)
            for g, v in zip(found, variables, strict=True)
            if g is not None
        ]
        gradients, sums = self._reduce([g for g, _ in pairs], sums)
        scale = 1.0 / tf.maximum(sums["weight"], 1.0)
        gradients = [tf.cast(g, tf.float32) * scale for g in gradients]
        norm = tf.linalg.global_norm(gradients)
        if self._config.clip_norm:
            shrink = self._config.clip_norm / tf.maximum(norm, self._config.clip_norm)
            gradients = [g * shrink for g in gradients]
        self._optimizer.apply(gradients, [v for _, v in pairs])
        return tf.stack([sums[name] for name in self.task.sum_names] + [norm])

    def _mine(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        replicas = self._strategy.num_replicas_in_sync
        if replicas == 1:
            return features
        here = tf.distribute.get_replica_context().replica_id_in_sync_group
        each = self._config.global_batch // replicas
        mine = slice(here * each, (here + 1) * each)
        return {name: value[mine] for name, value in features.items()}

    def _reduce(self, gradients: list[tf.Tensor], sums: Sums) -> tuple[Any, Sums]:
        if self._strategy.num_replicas_in_sync == 1:
            return gradients, sums
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, (gradients, sums))

    def _measure(self, features: dict[str, tf.Tensor], valid: tf.Tensor) -> Sums:
        weights = features["weights"]
        valid = tf.reshape(valid, [-1] + [1] * (len(weights.shape) - 1))
        return self._sums({**features, "weights": weights * valid}, training=False)

    def _sums(self, features: dict[str, tf.Tensor], *, training: bool) -> Sums:
        sums = self.task.sums(features, training=training)
        return {name: tf.reduce_sum(value) for name, value in sums.items()}

    def _variables(self) -> dict[str, keras.Variable]:
        named = {"model": self.task.model.variables}
        named["optimizer"] = self._optimizer.variables
        return {
            f"{owner}/{i:05d}": v
            for owner, vs in named.items()
            for i, v in enumerate(vs)
        }

    def _save(self, checkpoints: Checkpoints) -> None:
        tensors = {
            name: np.asarray(keras.ops.convert_to_numpy(v), order="C")
            for name, v in self._variables().items()
        }
        state = {"history": self.history, "window": self._window}
        checkpoints.save(self.step, tensors, state)

    def _restore(self, checkpoints: Checkpoints | None) -> None:
        found = checkpoints.restore() if checkpoints else None
        if found:
            self.step, tensors, state = found
            for name, variable in self._variables().items():
                variable.assign(tensors[name])
            self.history, self._window = state["history"], state["window"]


def _means(sums: dict[str, float]) -> dict[str, float]:
    weight = max(sums["weight"], 1.0)
    means = {"loss": sums["loss"] / weight, "accuracy": sums["correct"] / weight}
    if "rows" in sums:
        means["next_loss"] = sums["next_loss"] / weight
        means["next_accuracy"] = sums["next_correct"] / max(sums["rows"], 1.0)
    return means
