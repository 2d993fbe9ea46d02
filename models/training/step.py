"""One update of a model, with the same result under any strategy.

Every replica sums token losses and weights over its rows, in one part or several, and
takes the gradient of the sum. Gradients and sums are added over all replicas, divided
once by the weight, clipped, and applied. Where batches have rows of like lengths, the
divisor is the expected weight of a batch: divided by its own, the tokens of short rows
would count more than those of long ones. Dropout is a stateless function of (seed,
step, replica, part).
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

    It halves, and the update is skipped, when any replica's gradient is not finite; it
    doubles after 2,000 finite updates in a row (Micikevicius et al., 2018).
    """

    def __init__(self) -> None:
        self.value = keras.Variable(2.0**15, trainable=False, name="loss_scale")
        self._good = keras.Variable(0, dtype="int32", trainable=False, name="good")
        self.variables = [self.value, self._good]

    def adapt(self, finite: tf.Tensor) -> None:
        """Adapts the factor after a step; not inside a replica."""
        good = tf.where(finite, tf.convert_to_tensor(self._good) + 1, 0)
        grows = good >= 2000
        factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self.value.assign(tf.clip_by_value(self.value * factor, 1.0, 2.0**24))
        self._good.assign(tf.where(grows, 0, good))


class Step:
    """Updates of one model, many per call.

    Attributes:
        names: columns of the result of ``many``: the task's sums, the gradient norm
            before clipping, and the loss scale.
        scale: the loss scale of float16, else None.
        note: a remark on the parts that XLA does not compile, or None.
    """

    def __init__(
        self,
        task: Task,
        optimizer: ReducedGradientOptimizer,
        *,
        strategy: tf.distribute.Strategy,
        replicas: ReplicaContext,
        config: StepConfig,
        methods: Sequence[Method] = (),
    ) -> None:
        self._task, self._optimizer, self._methods = task, optimizer, methods
        self._strategy, self._replicas, self._config = strategy, replicas, config
        self.names = (*task.sum_names, "norm", "scale")
        self.scale = LossScale() if config.precision == "mixed_float16" else None
        self._variables = task.model.trainable_variables
        self._connected = [True] * len(self._variables)
        self._seeds = [
            v for v in task.model.variables if v.path.endswith("seed_generator_state")
        ]
        is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
        compiled = config.xla and not is_tpu
        self._is_single = replicas.num_replicas == 1
        self.note = None
        if compiled and not self._is_single:
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
        """Number of batch shapes that were traced, and compiled, so far."""
        return len(self._traced)

    def is_new(self, rows: dict[str, np.ndarray]) -> bool:
        """Returns True if ``many`` has to trace and compile for the shape of rows."""
        return _shape(rows) not in self._traced

    def many(
        self, rows: dict[str, np.ndarray], step_inputs: dict[str, np.ndarray]
    ) -> tf.Tensor:
        """Runs updates.

        Args:
            rows: ``[steps, batch, ...]``, the rows of this worker.
            step_inputs: by step, ``number``, ``learning_rate`` and
                ``average_decay`` (see ``schedule.py``), and ``expected_weight``
                where it replaces the batch's own.

        Returns:
            float32 ``[steps, names]``.
        """
        # One trace per shape: a graph traced for several shapes rounds differently, so
        # a resumed run would end with other bits.
        shape = _shape(rows)
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
            results = self._one(batch, inputs)
            for method in self._methods:
                self._if_finite(results, partial(method.after_update, inputs["number"]))
            if self.scale:
                self.scale.adapt(tf.math.is_finite(results[-2]))
            return i + 1, out.write(i, results)

        start = (tf.constant(0), tf.TensorArray(tf.float32, count))
        _, out = tf.while_loop(lambda i, _: i < count, one, start)
        return out.stack()

    def _one(self, batch: Tensors, inputs: Tensors) -> tf.Tensor:
        if self._is_single:
            inputs["replica"] = 0
            return self._whole(self._task.features(batch), inputs)
        gradients, per_replica = self._strategy.run(
            self._replica_gradients, args=(batch, inputs)
        )
        results = self._strategy.experimental_local_results(per_replica)[0]
        self._if_finite(
            results, lambda: self._strategy.run(self._apply, args=(gradients, inputs))
        )
        return results

    def _update(self, features: Tensors, inputs: Tensors) -> tf.Tensor:
        gradients, sums = self._add_up(features, inputs)
        gradients, results = self._reduce(gradients, sums, inputs)
        self._if_finite(results, lambda: self._apply(gradients, inputs))
        return results

    def _if_finite(self, results: tf.Tensor, apply: Any) -> None:
        """Applies an update; in float16, only if no gradient overflowed."""
        if not self.scale:
            apply()
            return

        def apply_update() -> tf.Tensor:
            apply()
            return tf.constant(True)

        finite = tf.math.is_finite(results[-2])
        tf.cond(finite, apply_update, lambda: tf.constant(False))

    def _replica_gradients(
        self, batch: Tensors, inputs: Tensors
    ) -> tuple[Gradients, tf.Tensor]:
        """Returns a replica's gradients and sums, reduced over all replicas."""
        context = tf.distribute.get_replica_context()
        inputs = {**inputs, "replica": context.replica_id_in_sync_group}
        features = self._task.features(self._replicas.replica_slice(batch))
        local = self._gradients(features, inputs)
        gradients, sums = context.all_reduce(tf.distribute.ReduceOp.SUM, local)
        return self._reduce(gradients, sums, inputs)

    def _add_up(self, features: Tensors, inputs: Tensors) -> tuple[Gradients, Tensors]:
        """Adds gradients and sums over the parts of the rows."""
        parts = self._config.accumulate
        if parts == 1:
            return self._gradient(features, {**inputs, "part": 0})
        split = {name: _split(value, parts) for name, value in features.items()}
        gradients = [tf.zeros(v.shape, v.dtype) for v in self._variables]
        sums = {name: tf.zeros([]) for name in self._task.sum_names}

        def add(part: tf.Tensor, gradients: Gradients, sums: Tensors) -> Any:
            part_features = {name: value[part] for name, value in split.items()}
            part_gradients, part_sums = self._gradient(
                part_features, {**inputs, "part": part}
            )
            gradients = [a + b for a, b in zip(gradients, part_gradients, strict=True)]
            return part + 1, gradients, {n: sums[n] + part_sums[n] for n in sums}

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
            # In the scope, because recomputed layers read seeds in the backward pass.
            gradients = tape.gradient(loss, self._variables)
        self._connected = [gradient is not None for gradient in gradients]
        gradients = [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(gradients, self._variables, strict=True)
        ]
        return gradients, sums

    def _fold(self, seed: keras.Variable, inputs: Tensors) -> tf.Tensor:
        """Returns a dropout generator's state for a step, replica and part."""
        each = self._replicas.num_replicas * self._config.accumulate
        number = inputs["number"] * each + inputs["replica"] * self._config.accumulate
        number = tf.cast(number + inputs["part"], tf.uint32) * np.uint32(
            _NUMBERS_A_STEP
        )
        first = tf.cast(tf.convert_to_tensor(seed)[0], tf.uint32)
        return tf.stack([tf.cast(_mix(first ^ _mix(number)), seed.dtype), 0])

    def _reduce(
        self, gradients: Gradients, sums: Tensors, inputs: Tensors
    ) -> tuple[Gradients, tf.Tensor]:
        """Divides once by the weight of all rows, and clips."""
        weight = inputs.get("expected_weight", sums["weight"])
        factor = 1.0 / (tf.maximum(weight, 1.0) * inputs["scale"])
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
        """Returns a batch's evaluation sums over the rows where ``valid`` is 1."""
        if self._is_single:
            return self._measures(self._task.features(batch), batch["valid"])
        per_replica = self._strategy.run(self._measure_share, args=(batch,))
        return {
            name: self._strategy.experimental_local_results(value)[0]
            for name, value in per_replica.items()
        }

    def _measure_share(self, batch: Tensors) -> Tensors:
        own = self._replicas.replica_slice(batch)
        sums = self._measures(self._task.features(own), own["valid"])
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, sums)

    def _measure(self, features: Tensors, valid: tf.Tensor) -> Tensors:
        weights = features["weights"]
        valid = tf.reshape(valid, [-1] + [1] * (len(weights.shape) - 1))
        features = {**features, "weights": weights * valid}
        return _totals(self._task.loss_sums(features, training=False))


def _graph(function: Any, compiled: bool = False) -> Any:
    # Without AutoGraph, which takes a second at every start: loops are tf.while_loop.
    return tf.function(function, jit_compile=compiled, autograph=False)


def _shape(rows: dict[str, np.ndarray]) -> tuple[Any, ...]:
    return tuple(value.shape[1:] for value in rows.values())


def _any_number_of(value: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *value.shape[1:]], value.dtype)


def _totals(sums: Tensors) -> Tensors:
    return {name: tf.reduce_sum(value) for name, value in sums.items()}


def _split(value: tf.Tensor, parts: int) -> tf.Tensor:
    """Returns ``[parts, batch / parts, ...]``."""
    return tf.reshape(value, tf.concat([[parts, -1], tf.shape(value)[1:]], 0))


def _mix(x: tf.Tensor) -> tf.Tensor:
    """Hashes uint32 by MurmurHash3's finalizer (Appleby, 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ tf.bitwise.right_shift(x, np.uint32(shift))) * np.uint32(factor)
    return x ^ tf.bitwise.right_shift(x, np.uint32(16))
