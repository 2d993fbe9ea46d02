"""The step: one update of a model, the same under any strategy.

Every replica sums token losses and weights over its rows, in one part or several, and
takes the gradient of the sum. Gradients and sums of all replicas are added together,
divided once, clipped, and applied. Dropout is a function of (seed, step, replica, part)
and leaves no state behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textmill.models.methods.method import Method
from textmill.models.tasks.task import Task
from textmill.models.training.config import StepConfig
from textmill.models.training.optimizers.reduced_gradient import (
    ReducedGradientOptimizer,
    matches,
)
from textmill.models.training.strategy import ReplicaContext

Tensors = dict[str, tf.Tensor]
Gradients = list[tf.Tensor]
_NUMBERS_A_STEP = 0x9E3779B1


class LossScale:
    """Factor of a float16 loss that keeps its gradients in range.

    It halves when a gradient of any replica is not finite, which leaves that update
    out, and doubles after 2,000 that were (Micikevicius et al., 2018).
    """

    def __init__(self) -> None:
        self.value = keras.Variable(2.0**15, trainable=False, name="loss_scale")
        self._good = keras.Variable(0, dtype="int32", trainable=False, name="good")
        self.variables = [self.value, self._good]

    def adapt(self, finite: tf.Tensor) -> None:
        """Takes note of one step; not inside a replica."""
        good = tf.where(finite, tf.convert_to_tensor(self._good) + 1, 0)
        grows = good >= 2000
        factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self.value.assign(tf.clip_by_value(self.value * factor, 1.0, 2.0**24))
        self._good.assign(tf.where(grows, 0, good))


class Step:
    """Updates of one model, many a call.

    Attributes:
        names: what ``many`` returns of every step: the task's sums, the norm of the
            gradient before clipping, and the scale of the loss.
        scale: the loss scale of float16, else None.
        note: what XLA leaves out under this strategy, or None.
    """

    def __init__(
        self,
        task: Task,
        optimizer: ReducedGradientOptimizer,
        *,
        strategy: tf.distribute.Strategy,
        shares: ReplicaContext,
        config: StepConfig,
        methods: Sequence[Method] = (),
    ) -> None:
        self._task, self._optimizer, self._methods = task, optimizer, methods
        self._strategy, self._shares, self._config = strategy, shares, config
        self.names = (*task.sum_names, "norm", "scale")
        self.scale = LossScale() if config.precision == "mixed_float16" else None
        self._variables = task.model.trainable_variables
        self._connected = [True] * len(self._variables)
        self._seeds = [
            v for v in task.model.variables if v.path.endswith("seed_generator_state")
        ]
        is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
        compiled = config.xla and not is_tpu
        self._alone = shares.replicas == 1
        self.note = None
        if compiled and not self._alone:
            self.note = (
                f"{type(strategy).__name__}: XLA compiles each replica's gradient; the "
                "all-reduce and the optimizer run outside of it"
            )
        self._whole = _graph(self._update, compiled)
        self._gradients = _graph(self._add_up, compiled)
        self._measures = _graph(self._measure, compiled)
        self._traced: dict[tuple[Any, ...], Any] = {}
        self.measure = _graph(self._measure_batch)

    @property
    def num_traces(self) -> int:
        """Shapes of batches that were traced, and compiled, so far."""
        return len(self._traced)

    def many(
        self, rows: dict[str, np.ndarray], step_inputs: dict[str, np.ndarray]
    ) -> tf.Tensor:
        """Makes updates.

        Args:
            rows: ``[steps, batch, ...]``, this worker's share.
            step_inputs: of every step, ``number``, ``learning_rate`` and
                ``average_decay`` (see ``schedule.py``).

        Returns:
            float32 ``[steps, names]``.
        """
        # One trace a shape, whatever came before: graphs that are traced for several
        # shapes round otherwise, and a resumed run would end with other bits.
        shape = tuple(value.shape[1:] for value in rows.values())
        tensors = (
            {k: tf.constant(v) for k, v in part.items()} for part in (rows, step_inputs)
        )
        rows, step_inputs = tensors
        if shape not in self._traced:
            specs = tf.nest.map_structure(_any_number_of, (rows, step_inputs))
            self._traced[shape] = _graph(self._many).get_concrete_function(*specs)
        return self._traced[shape](rows, step_inputs)

    def _many(self, rows: Tensors, step_inputs: Tensors) -> tf.Tensor:
        count = tf.shape(step_inputs["number"])[0]

        def one(i: tf.Tensor, out: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            batch = {name: value[i] for name, value in rows.items()}
            inputs = {name: value[i] for name, value in step_inputs.items()}
            inputs["scale"] = (
                tf.convert_to_tensor(self.scale.value) if self.scale else 1.0
            )
            found = self._one(batch, inputs)
            for method in self._methods:
                self._if_finite(found, partial(method.after_update, inputs["number"]))
            if self.scale:
                self.scale.adapt(tf.math.is_finite(found[-2]))
            return i + 1, out.write(i, found)

        start = (tf.constant(0), tf.TensorArray(tf.float32, count))
        _, out = tf.while_loop(lambda i, _: i < count, one, start)
        return out.stack()

    def _one(self, batch: Tensors, inputs: Tensors) -> tf.Tensor:
        if self._alone:
            inputs["replica"] = 0
            return self._whole(self._task.features(batch), inputs)
        gradients, all_found = self._strategy.run(self._share, args=(batch, inputs))
        found = self._strategy.experimental_local_results(all_found)[0]
        self._if_finite(
            found, lambda: self._strategy.run(self._apply, args=(gradients, inputs))
        )
        return found

    def _update(self, features: Tensors, inputs: Tensors) -> tf.Tensor:
        gradients, sums = self._add_up(features, inputs)
        gradients, found = self._settle(gradients, sums, inputs)
        self._if_finite(found, lambda: self._apply(gradients, inputs))
        return found

    def _if_finite(self, found: tf.Tensor, apply: Any) -> None:
        """Applies an update; in float16 only where no replica's gradient overflowed."""
        if not self.scale:
            apply()
            return

        def applied() -> tf.Tensor:
            apply()
            return tf.constant(True)

        finite = tf.math.is_finite(found[-2])
        tf.cond(finite, applied, lambda: tf.constant(False))

    def _share(self, batch: Tensors, inputs: Tensors) -> tuple[Gradients, tf.Tensor]:
        """Returns a replica's gradients and sums, reduced over all replicas."""
        context = tf.distribute.get_replica_context()
        inputs = {**inputs, "replica": context.replica_id_in_sync_group}
        features = self._task.features(self._shares.replica_slice(batch))
        found = self._gradients(features, inputs)
        gradients, sums = context.all_reduce(tf.distribute.ReduceOp.SUM, found)
        return self._settle(gradients, sums, inputs)

    def _add_up(self, features: Tensors, inputs: Tensors) -> tuple[Gradients, Tensors]:
        """Adds gradients and sums of the parts that the rows are cut into."""
        parts = self._config.accumulate
        if parts == 1:
            return self._gradient(features, {**inputs, "part": 0})
        cut = {name: _cut(value, parts) for name, value in features.items()}
        gradients = [tf.zeros(v.shape, v.dtype) for v in self._variables]
        sums = {name: tf.zeros([]) for name in self._task.sum_names}

        def add(part: tf.Tensor, gradients: Gradients, sums: Tensors) -> Any:
            here = {name: value[part] for name, value in cut.items()}
            more, more_sums = self._gradient(here, {**inputs, "part": part})
            gradients = [a + b for a, b in zip(gradients, more, strict=True)]
            return part + 1, gradients, {n: sums[n] + more_sums[n] for n in sums}

        start = (tf.constant(0), gradients, sums)
        _, gradients, sums = tf.while_loop(lambda part, *_: part < parts, add, start)
        return gradients, sums

    def _gradient(
        self, features: Tensors, inputs: Tensors
    ) -> tuple[Gradients, Tensors]:
        seeds = [(seed, self._fold(seed, inputs)) for seed in self._seeds]
        with keras.StatelessScope(seeds, initialize_variables=False):
            with tf.GradientTape() as tape:
                sums = _totals(self._task.loss_sums(features, training=True))
                loss = self._task.loss(sums)
                for method in self._methods:
                    loss = method.change_loss(loss, sums, features)
                loss = loss * inputs["scale"]
            # In the scope too: layers that compute again on the way back read seeds.
            found = tape.gradient(loss, self._variables)
        self._connected = [gradient is not None for gradient in found]
        gradients = [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(found, self._variables, strict=True)
        ]
        return gradients, sums

    def _fold(self, seed: keras.Variable, inputs: Tensors) -> tf.Tensor:
        """Returns the state of a generator of dropout for a step, replica and part."""
        each = self._shares.replicas * self._config.accumulate
        number = inputs["number"] * each + inputs["replica"] * self._config.accumulate
        number = tf.cast(number + inputs["part"], tf.uint32) * np.uint32(
            _NUMBERS_A_STEP
        )
        first = tf.cast(tf.convert_to_tensor(seed)[0], tf.uint32)
        return tf.stack([tf.cast(_mix(first ^ _mix(number)), seed.dtype), 0])

    def _settle(
        self, gradients: Gradients, sums: Tensors, inputs: Tensors
    ) -> tuple[Gradients, tf.Tensor]:
        """Divides once by the weight of all rows, and clips."""
        factor = 1.0 / (tf.maximum(sums["weight"], 1.0) * inputs["scale"])
        gradients = [tf.cast(g, tf.float32) * factor for g in gradients]
        for method in self._methods:
            gradients = method.change_gradients(gradients, self._variables)
        clipped = [not matches(v, self._config.no_clip) for v in self._variables]
        counted = zip(gradients, clipped, strict=True)
        norm = tf.linalg.global_norm([g for g, is_clipped in counted if is_clipped])
        if limit := self._config.clip_norm:
            shrink = limit / tf.maximum(norm, limit)
            gradients = [
                g * shrink if is_clipped else g
                for g, is_clipped in zip(gradients, clipped, strict=True)
            ]
        values = [sums[name] for name in self._task.sum_names]
        return gradients, tf.stack(
            [*values, norm, tf.cast(inputs["scale"], tf.float32)]
        )

    def _apply(self, gradients: Gradients, inputs: Tensors) -> None:
        """Updates the weights that the loss depends on."""
        known = zip(gradients, self._variables, self._connected, strict=True)
        pairs = [(gradient, v) for gradient, v, is_connected in known if is_connected]
        self._optimizer.step(
            [gradient for gradient, _ in pairs],
            [v for _, v in pairs],
            learning_rate=inputs["learning_rate"],
            average_decay=inputs["average_decay"],
        )

    def _measure_batch(self, batch: Tensors) -> Tensors:
        """Returns a batch's sums for evaluation; ``valid`` says which rows count."""
        if self._alone:
            return self._measures(self._task.features(batch), batch["valid"])
        found = self._strategy.run(self._measure_share, args=(batch,))
        return {
            name: self._strategy.experimental_local_results(value)[0]
            for name, value in found.items()
        }

    def _measure_share(self, batch: Tensors) -> Tensors:
        mine = self._shares.replica_slice(batch)
        sums = self._measures(self._task.features(mine), mine["valid"])
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, sums)

    def _measure(self, features: Tensors, valid: tf.Tensor) -> Tensors:
        weights = features["weights"]
        valid = tf.reshape(valid, [-1] + [1] * (len(weights.shape) - 1))
        features = {**features, "weights": weights * valid}
        return _totals(self._task.loss_sums(features, training=False))


def _graph(function: Any, compiled: bool = False) -> Any:
    # No Python is turned into graph code: loops over tensors are written as such, and
    # a second of every start is saved.
    return tf.function(function, jit_compile=compiled, autograph=False)


def _any_number_of(value: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *value.shape[1:]], value.dtype)


def _totals(sums: Tensors) -> Tensors:
    return {name: tf.reduce_sum(value) for name, value in sums.items()}


def _cut(value: tf.Tensor, parts: int) -> tf.Tensor:
    """Returns ``[parts, batch / parts, ...]``."""
    return tf.reshape(value, tf.concat([[parts, -1], tf.shape(value)[1:]], 0))


def _mix(x: tf.Tensor) -> tf.Tensor:
    """Hashes uint32 by MurmurHash3's finalizer (Appleby, 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ tf.bitwise.right_shift(x, np.uint32(shift))) * np.uint32(factor)
    return x ^ tf.bitwise.right_shift(x, np.uint32(16))
