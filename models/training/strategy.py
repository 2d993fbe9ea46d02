"""Strategies: how a step is spread over the devices of one machine or of several."""

from __future__ import annotations

import json
import os

import keras
import tensorflow as tf

from textmill.models.errors import ConfigError, MachineError


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns a strategy.

    Args:
        name: ``mirrored`` takes every GPU, or every (virtual) CPU device without one.
            ``multi_worker`` does so on every machine that ``TF_CONFIG`` names. ``tpu``
            takes the TPU of this machine, or the one that ``TPU_NAME`` names. ``auto``
            is the first of multi_worker, tpu and mirrored that there is more than one
            device for, else ``one_device``.

    Raises:
        MachineError: there is nothing to spread over, or TensorFlow is in use.
    """
    devices = tf.config.list_physical_devices("GPU")
    if name == "auto":
        several = "mirrored" if len(devices) > 1 else "one_device"
        here = "tpu" if os.environ.get("TPU_NAME") else several
        name = "multi_worker" if _num_workers() > 1 else here
    if name == "multi_worker":
        return _multi_worker()
    if name == "tpu":
        return _tpu()
    if name == "mirrored":
        kind = "GPU" if devices else "CPU"
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(names)
    return tf.distribute.get_strategy()


def _num_workers() -> int:
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    return sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))


def _multi_worker() -> tf.distribute.Strategy:
    if not _num_workers():
        raise MachineError(
            "run.strategy multi_worker: expected TF_CONFIG to name the workers, found "
            "none; set it on every machine, or choose another strategy"
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise MachineError(
            f"run.strategy multi_worker: {error}; run the training node in a process "
            "of its own"
        ) from error


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise MachineError(
            f"run.strategy tpu: expected a TPU, found none ({error}); choose another "
            "strategy"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


class ReplicaContext:
    """Maps a global batch to the rows of this worker and of this replica.

    Attributes:
        replicas: how many take part, on all workers.
        workers: processes that take part.
        worker: the number of this one; 0 is the chief, who alone writes.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.replicas = strategy.num_replicas_in_sync
        self.workers, self.worker = 1, 0
        resolver = strategy.cluster_resolver
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            cluster = resolver.cluster_spec().as_dict()
            self.workers = sum(len(tasks) for tasks in cluster.values())
            is_worker = resolver.task_type == "worker"
            self.worker = resolver.task_id + (is_worker and "chief" in cluster)
        self._here = self.replicas // self.workers
        self._strategy = strategy
        self._sum = tf.function(self._add)

    @property
    def is_chief(self) -> bool:
        """True in the process that writes checkpoints, artifacts and events."""
        return self.worker == 0

    @property
    def devices(self) -> int:
        """Number of devices that compute at once: 1 for a machine's CPU, 0 for TPUs.

        The virtual devices of a CPU share its cores, so they are no more than it.
        """
        if isinstance(self._strategy, tf.distribute.TPUStrategy):
            return 0
        has_gpus = bool(tf.config.list_physical_devices("GPU"))
        return self.replicas if has_gpus else self.workers

    def check(self, batch: int, *, accumulate: int) -> None:
        """Refuses a batch that cannot be shared evenly.

        Raises:
            ConfigError: it cannot.
        """
        parts = self.replicas * accumulate
        if batch % parts:
            raise ConfigError(
                f"train.global_batch: expected a multiple of {parts} ({self.replicas} "
                f"replicas x accumulate {accumulate}), got {batch}"
            )

    def worker_slice(self, batch: int) -> slice:
        """Returns the rows of this worker in a batch of all."""
        each = batch // self.workers
        return slice(self.worker * each, (self.worker + 1) * each)

    def replica_slice(self, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the rows of the replica that asks, among those of its worker."""
        context = tf.distribute.get_replica_context()
        here = context.replica_id_in_sync_group - self.worker * self._here
        each = next(iter(rows.values())).shape[0] // self._here
        row_slice = slice(here * each, (here + 1) * each)
        return {name: value[row_slice] for name, value in rows.items()}

    def sync(
        self, stopping: bool, seconds: float, seconds_per_step: float, *, step: int
    ) -> tuple[bool, float, float]:
        """Returns whether any worker must stop, and the chief's clock and pace.

        Raises:
            MachineError: the workers are not at the same step.
        """
        clock = [seconds, seconds_per_step] if self.is_chief else [0.0, 0.0]
        mine = [float(stopping), *clock, step / self.workers]
        stops, seconds, seconds_per_step, mean = self._sum(
            tf.constant(mine, tf.float64)
        ).numpy()
        if abs(mean - step) > 0.01 / self.workers:
            raise MachineError(
                f"the workers are at different steps, this one at {step}; let all of "
                "them see the same work folder"
            )
        return bool(stops > 0), float(seconds), float(seconds_per_step)

    def _add(self, mine: tf.Tensor) -> tf.Tensor:
        """Adds the values of all workers."""

        def add(mine: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # A tensor of the replica's own device.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine + 0.0)

        found = self._strategy.run(add, args=(mine,))
        found = self._strategy.experimental_local_results(found)
        return found[0] / len(found)


def set_precision(policy: str) -> None:
    """Sets the number format of activations; variables stay float32."""
    keras.config.set_dtype_policy(policy)
