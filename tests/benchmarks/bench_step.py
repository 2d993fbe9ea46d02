"""Our training step compared with a bare Keras ``train_step`` of the same model.

    python tests/benchmarks/bench_step.py [gpt|bert] [rounds] [PEER_PYTHON]

gpt is nanoGPT's CPU setting (4 layers, 4 heads, width 128, context 64, batch 12); bert
has 4 layers of width 256, 128 tokens, batch 32, 20 predictions, 30,522 entries. Both
sides use XLA and AdamW with clipping; Keras runs ``fit`` with many steps an execution,
on features made beforehand, ours makes its features as it trains. Prints medians over
the rounds of milliseconds a step, and of the ratio of rates, round by round; then, for
bert and with PEER_PYTHON, the rate of Hugging Face's ``BertForMaskedLM`` in PyTorch.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.rows import RowReader, RowSchema, frame_rows
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tasks.masked_lm import MaskedLM
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import SpecialTokens
from textmill.models.training.config import TrainingConfig
from textmill.models.training.loop import TrainingRun

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
SETTINGS = {
    "gpt": (
        CausalLM,
        ModelConfig(
            family="gpt", layers=4, heads=4, width=128, sequence_length=64, dropout=0.0
        ),
        70,
        12,
        100,
    ),
    "bert": (
        MaskedLM,
        ModelConfig(layers=4, width=256, heads=4, sequence_length=128, dropout=0.1),
        30522,
        32,
        10,
    ),
}


def make_rows(folder: Path, *, length: int, vocabulary_size: int) -> RowReader:
    """Returns 2,000 rows of random tokens."""
    generator = np.random.default_rng(0)
    schema = RowSchema(length, wide=False)
    rows = np.zeros(2000, schema.dtype)
    rows["ids"] = generator.integers(5, vocabulary_size, (2000, length))
    rows["length"] = length
    (folder / "rows").write_bytes(frame_rows(schema, rows))
    return RowReader([folder / "rows"], schema)


class Ours:
    """The loop, run in slices of so many steps."""

    def __init__(self, make_task, rows, *, batch: int, steps: int) -> None:
        config = TrainingConfig(
            steps=1_000_000, global_batch=batch, log_every=steps, checkpoint_every=10**6
        )
        strategy = tf.distribute.get_strategy()
        self._run = TrainingRun(
            make_task,
            rows=rows,
            eval_rows=None,
            config=config,
            seed=1,
            strategy=strategy,
        )

    def train(self, steps: int) -> None:
        """Runs the next steps."""
        self._run.advance(self._run.step + steps)


class Bare:
    """``keras.Model.fit`` of the same model, the features made beforehand."""

    def __init__(self, task: Task, rows, *, batch: int, steps: int) -> None:
        indices = np.arange(batch * steps) % len(rows)
        raw = rows.take(indices) | {"keys": indices.astype(np.int32)}
        features = task.features({k: tf.constant(v) for k, v in raw.items()})
        inputs = {name: features[name] for name in task.model.input}
        columns = (inputs, features["targets"], features["weights"])
        self._data = tf.data.Dataset.from_tensor_slices(columns)
        self._data = self._data.batch(batch, drop_remainder=True).cache()
        self._model = task.model
        self._model.compile(
            optimizer=keras.optimizers.AdamW(1e-3, clipnorm=None, global_clipnorm=1.0),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
            steps_per_execution=steps,
        )

    def train(self, steps: int) -> None:
        """Runs one epoch, which has just so many steps."""
        self._model.fit(self._data, epochs=1, verbose=0, shuffle=False)


def peer_rate(python: str) -> float:
    """Returns the sequences a second of Hugging Face's step."""
    script = Path(__file__).resolve().parents[3] / "shared/peers/bert_step_hf.py"
    command = [python, str(script)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.rpartition("=")[2])


def main() -> None:
    """Prints the medians."""
    name = sys.argv[1] if len(sys.argv) > 1 else "gpt"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    kind, shape, vocabulary_size, batch, steps = SETTINGS[name]

    def make_task() -> Task:
        return kind(shape, vocabulary_size=vocabulary_size, specials=SPECIALS, seed=1)

    length = shape.sequence_length + (name == "gpt")
    with tempfile.TemporaryDirectory() as folder:
        rows = make_rows(Path(folder), length=length, vocabulary_size=vocabulary_size)
        ours = Ours(make_task, rows, batch=batch, steps=steps)
        bare = Bare(make_task(), rows, batch=batch, steps=steps)
        times: dict[str, list[float]] = {"ours": [], "bare": []}
        for side in (ours, bare, ours, bare):
            side.train(steps)
        for _ in range(rounds):
            for label, side in (("ours", ours), ("bare", bare)):
                began = time.perf_counter()
                side.train(steps)
                times[label].append(1000 * (time.perf_counter() - began) / steps)
    ratios = [b / o for o, b in zip(times["ours"], times["bare"], strict=True)]
    print(
        f"{name}: ours {statistics.median(times['ours']):.1f} ms a step, "
        f"bare Keras {statistics.median(times['bare']):.1f} ms, "
        f"ours at {statistics.median(ratios):.2f} of its rate "
        f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {rounds} rounds)",
        flush=True,
    )
    if name == "bert" and len(sys.argv) > 3:
        rate, theirs = (
            1000 * batch / statistics.median(times["ours"]),
            peer_rate(sys.argv[3]),
        )
        print(
            f"ours {rate:.1f} sequences/s, Hugging Face {theirs:.1f}, "
            f"{rate / theirs:.1f} times"
        )


if __name__ == "__main__":
    main()
