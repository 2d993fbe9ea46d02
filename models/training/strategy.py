"""Distribution strategies: the devices of one machine, several machines, or a TPU."""

from __future__ import annotations

import json
import os

import keras
import tensorflow as tf

from textmill.models.errors import ConfigError, MachineError


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns a strategy.

    Args:
        name: ``mirrored`` uses all GPUs, or else all (virtual) CPU devices.
            ``multi_worker`` does so on every machine of ``TF_CONFIG``. ``tpu`` uses
            this machine's TPU, or that of ``TPU_NAME``. ``auto`` is the first of
            multi_worker, tpu and mirrored with several devices, else ``one_device``.

    Raises:
        MachineError: the devices are missing, or TensorFlow is already in use.
    """
    devices = tf.config.list_physical_devices("GPU")
    if name == "auto":
        local = "mirrored" if len(devices) > 1 else "one_device"
        single_worker = "tpu" if os.environ.get("TPU_NAME") else local
        name = "multi_worker" if _num_workers() > 1 else single_worker
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
        num_replicas: number of replicas on all workers.
        num_workers: number of processes.
        worker: number of this process; 0 is the chief, the only one that writes.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.num_replicas = strategy.num_replicas_in_sync
        self.num_workers, self.worker = 1, 0
        resolver = strategy.cluster_resolver
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            cluster = resolver.cluster_spec().as_dict()
            self.num_workers = sum(len(tasks) for tasks in cluster.values())
            is_worker = resolver.task_type == "worker"
            self.worker = resolver.task_id + (is_worker and "chief" in cluster)
        self._replicas_per_worker = self.num_replicas // self.num_workers
        self._strategy = strategy
        self._sum = tf.function(self._add)

    @property
    def is_chief(self) -> bool:
        """True in the process that writes checkpoints, artifacts and events."""
        return self.worker == 0

    @property
    def devices(self) -> int:
        """Number of independent devices: GPUs, or one CPU per machine; 0 for TPUs.

        The virtual devices of a CPU share its cores, so they count as one.
        """
        if isinstance(self._strategy, tf.distribute.TPUStrategy):
            return 0
        has_gpus = bool(tf.config.list_physical_devices("GPU"))
        return self.num_replicas if has_gpus else self.num_workers

    def check(self, batch: int, *, accumulate: int, group: int = 1) -> None:
        """Checks that a batch divides evenly among all replicas.

        Args:
            batch: its rows.
            accumulate: parts of a replica's rows.
            group: rows that belong together in a part: ``Task.group_size``.

        Raises:
            ConfigError: it does not.
        """
        parts = self.num_replicas * accumulate * group
        if batch % parts:
            rows = f" x groups of {group} rows" if group > 1 else ""
            raise ConfigError(
                f"train.global_batch: expected a multiple of {parts} "
                f"({self.num_replicas} replicas x accumulate {accumulate}{rows}), got "
                f"{batch}"
            )

    def worker_slice(self, batch: int) -> slice:
        """Returns this worker's rows in a global batch."""
        each = batch // self.num_workers
        return slice(self.worker * each, (self.worker + 1) * each)

    def replica_slice(self, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the current replica's rows among those of its worker."""
        context = tf.distribute.get_replica_context()
        index = (
            context.replica_id_in_sync_group - self.worker * self._replicas_per_worker
        )
        each = next(iter(rows.values())).shape[0] // self._replicas_per_worker
        row_slice = slice(index * each, (index + 1) * each)
        return {name: value[row_slice] for name, value in rows.items()}

    def sync(
        self, stopping: bool, seconds: float, seconds_per_step: float, *, step: int
    ) -> tuple[bool, float, float]:
        """Returns True if any worker must stop, and the chief's clock and speed.

        Raises:
            MachineError: the workers are not at the same step.
        """
        clock = [seconds, seconds_per_step] if self.is_chief else [0.0, 0.0]
        own = [float(stopping), *clock, step / self.num_workers]
        stops, seconds, seconds_per_step, mean = self._sum(
            tf.constant(own, tf.float64)
        ).numpy()
        if abs(mean - step) > 0.01 / self.num_workers:
            raise MachineError(
                f"the workers are at different steps, this one at {step}; let all of "
                "them see the same work folder"
            )
        return bool(stops > 0), float(seconds), float(seconds_per_step)

    def _add(self, own: tf.Tensor) -> tf.Tensor:
        """Adds the values of all workers."""

        def add(own: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # The addition places the tensor on the replica's own device.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own + 0.0)

        per_replica = self._strategy.run(add, args=(own,))
        per_replica = self._strategy.experimental_local_results(per_replica)
        return per_replica[0] / len(per_replica)


def set_precision(policy: str) -> None:
    """Sets the number format of activations; variables stay float32."""
    keras.config.set_dtype_policy(policy)
