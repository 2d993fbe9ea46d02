"""Tiny training runs, the same in every process that asks for one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.rows import RowReader, RowSchema, frame_rows
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tasks.config import EmbedConfig
from textmill.models.tasks.embed import Embed
from textmill.models.tasks.masked_lm import MaskedLM
from textmill.models.tokenizers import SpecialTokens
from textmill.models.training.config import TrainingConfig
from textmill.models.training.loop import TrainingRun

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
ROOT = Path(__file__).parents[3]


def make_rows(folder: Path, *, length: int, texts: int = 1) -> RowReader:
    """Returns 50 rows of random tokens, 4 to ``length`` of them in each text."""
    generator = np.random.default_rng(1)
    schema = RowSchema(length, wide=False, texts=texts)
    rows = np.zeros(50, schema.dtype)
    rows["ids"] = generator.integers(5, 40, (50, schema.row_length))
    rows["length"] = generator.integers(4, length + 1, 50)
    if texts > 1:
        rows["lengths"] = generator.integers(4, length + 1, (50, texts))
        rows["length"] = rows["lengths"].sum(axis=1)
    folder.mkdir(exist_ok=True)
    path = folder / f"rows-{texts}"
    if not path.exists():
        path.write_bytes(frame_rows(schema, rows))
    return RowReader([path], schema)


def make_run(
    folder,
    *,
    family="bert",
    strategy=None,
    dropout=0.1,
    eval_rows=True,
    sequence_length=8,
    texts=1,
    **knobs,
):
    """Returns a run of 24 steps of 8 rows; of task embed with several texts."""
    shape = ModelConfig(
        family=family,
        layers=1,
        width=16,
        heads=2,
        sequence_length=sequence_length,
        dropout=dropout,
    )
    task = {"bert": MaskedLM, "gpt": CausalLM}[family]
    if texts > 1:
        task = partial(Embed, task_config=EmbedConfig(contrast_size=2))
    length = "budget" if "budget" in knobs else "epochs" if "epochs" in knobs else None
    knobs = {**({} if length else {"steps": 24}), **knobs}
    knobs = {"global_batch": 8, "learning_rate": 0.01, "xla": False, **knobs}
    knobs = {"log_every": 5, "checkpoint_every": 4, "eval_every": 12, **knobs}
    length = sequence_length + (family == "gpt")
    rows = make_rows(folder, length=length, texts=texts)
    return TrainingRun(
        lambda: task(shape, vocabulary_size=40, specials=SPECIALS, seed=5),
        rows=rows,
        eval_rows=rows if eval_rows else None,
        config=TrainingConfig(**knobs),
        seed=5,
        strategy=strategy or tf.distribute.get_strategy(),
    )


def finish(run, checkpoints=None, stop_after=None, monitor=None):
    """Runs to the end, or asks to stop after a step; returns the weights."""
    run.run(
        checkpoints=checkpoints,
        report=lambda event: None,
        should_stop=lambda: stop_after is not None and run.step >= stop_after,
        monitor=monitor,
    )
    return weights(run)


def weights(run) -> list[np.ndarray]:
    """Returns a run's weights."""
    return [v.numpy() for v in run.task.tensors().values()]
