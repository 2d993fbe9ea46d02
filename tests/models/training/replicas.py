"""Trains under strategies, in a process of its own: ``replicas.py FOLDER STRATEGY``.

``local`` compares one device, two virtual ones, and parts; ``multi_worker`` is one of
the workers that TF_CONFIG names, and ``saving`` one that shares a folder of checkpoints
with the others and prints its steps. Weights go to ``<name>.npz``, what stock Keras
does of the same to ``stock-<strategy>.json``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.models.training.runs import finish, make_run
from textmill.models.errors import MachineError
from textmill.models.training.checkpoint import Checkpoints
from textmill.models.training.strategy import ReplicaContext, make_strategy

# At an epsilon of 1e-8, rounding decides the updates of gradients that should be 0.
KNOBS = {
    "dropout": 0.0,
    "steps": 20,
    "clip_norm": 0.5,
    "weight_decay": 0.1,
    "warmup": 0.25,
    "learning_rate": 1e-3,
    "epsilon": 1e-6,
}


def train(folder: Path, name: str, strategy: tf.distribute.Strategy, **knobs) -> None:
    run = make_run(folder / "data", strategy=strategy, **{**KNOBS, **knobs})
    np.savez(folder / f"{name}.npz", *finish(run))
    (folder / f"{name}.devices").write_text(str(ReplicaContext(strategy).devices))


def stock_model(**optimizer) -> keras.Model:
    """A linear model with clipping, as Keras trains it."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    knobs = {"learning_rate": 0.1, "global_clipnorm": 0.5, **optimizer}
    model.compile(keras.optimizers.SGD(**knobs), "mse")
    return model


def stock_fit(strategy: tf.distribute.Strategy, **optimizer) -> list[float] | str:
    """Returns the kernel after one step of ``fit``, or what it raised."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(8, 4)), generator.normal(size=(8, 1))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    try:
        with strategy.scope():
            model = stock_model(**optimizer)
            model.fit(data, verbose=0)
            return model.get_weights()[0].reshape(-1).tolist()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def local(folder: Path) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    alone, mirrored = make_strategy("one_device"), make_strategy("mirrored")
    train(folder, "one", alone)
    train(folder, "parts", alone, accumulate=4)
    train(folder, "mirrored", mirrored)
    train(folder, "mirrored-parts", mirrored, accumulate=2, xla=True)
    train(folder, "embed-one", alone, texts=2)
    train(folder, "embed-mirrored-parts", mirrored, texts=2, accumulate=2)
    found = {
        "one": stock_fit(alone),
        "mirrored": stock_fit(mirrored),
        "parts": stock_fit(mirrored, gradient_accumulation_steps=2),
    }
    (folder / "stock-local.json").write_text(json.dumps(found))


def worker(folder: Path) -> None:
    strategy = make_strategy("multi_worker")
    number = ReplicaContext(strategy).worker
    train(folder / f"at-{number}", f"worker-{number}", strategy)
    found = json.dumps({"workers": stock_fit(strategy)})
    (folder / f"stock-worker-{number}.json").write_text(found)


def saving(folder: Path) -> None:
    strategy = make_strategy("multi_worker")
    number = ReplicaContext(strategy).worker
    run = make_run(
        folder / f"at-{number}", strategy=strategy, **{**KNOBS, "steps": 4000}
    )
    checkpoints = Checkpoints(folder / "c", key="x", writes=number == 0)
    try:
        run.run(
            checkpoints=checkpoints,
            report=lambda event: "step" in event and print(event["step"], flush=True),
            should_stop=lambda: False,
        )
    except MachineError as fault:
        print(fault, file=sys.stderr, flush=True)
        os._exit(fault.exit_code)


if __name__ == "__main__":
    modes = {"local": local, "multi_worker": worker, "saving": saving}
    modes[sys.argv[2]](Path(sys.argv[1]))
