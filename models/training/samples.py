"""Sample outputs of a model for its first eval rows, as text."""

from __future__ import annotations

from itertools import islice

import keras
import numpy as np
import tensorflow as tf

from textmill.models.generation import generate
from textmill.models.inference import row_batches
from textmill.models.rows import RowReader
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tasks.masked_lm import MaskedLM
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer

_ROWS, _WRITTEN = 3, 24


def write_samples(task: Task, rows: RowReader, tokenizer: Tokenizer) -> str:
    """Returns Markdown: predictions of masked tokens, or continuations of texts.

    Empty for other tasks.
    """
    if not len(rows) or not isinstance(task, MaskedLM | CausalLM):
        return ""
    [batch] = islice(row_batches(rows, _ROWS, 0), 1)
    batch = {name: tf.constant(value) for name, value in batch.items()}
    if isinstance(task, MaskedLM):
        return _masked(task, batch, tokenizer)
    return _written(task, batch, tokenizer)


def _masked(task: MaskedLM, batch: dict[str, tf.Tensor], tokenizer: Tokenizer) -> str:
    features = task.features(batch)
    logits = keras.ops.convert_to_numpy(task.logits(features))
    lines = []
    for row in range(_ROWS):
        words = [tokenizer.tokens[i] for i in features["ids"][row].numpy()]
        for slot in np.flatnonzero(features["weights"][row].numpy()):
            predicted = tokenizer.tokens[int(logits[row, slot].argmax())]
            target = tokenizer.tokens[int(features["targets"][row, slot])]
            correction = "" if predicted == target else f" (`{target}`)"
            words[int(features["positions"][row, slot])] = (
                f"**`{predicted}`**{correction}"
            )
        lines.append(" ".join(words[: int(batch["length"][row])]))
    return "\n\n".join(lines)


def _written(task: CausalLM, batch: dict[str, tf.Tensor], tokenizer: Tokenizer) -> str:
    window = task.config.sequence_length
    ids, length = batch["ids"][:, :window], tf.minimum(batch["length"], window)
    prompt_length = tf.maximum(1, length // 2)
    written = generate(task, ids, prompt_length, num_tokens=_WRITTEN)
    prompts = tf.RaggedTensor.from_tensor(ids, lengths=prompt_length)
    prompt_texts = tokenizer.detokenize(prompts).numpy()
    continuations = tokenizer.detokenize(tf.RaggedTensor.from_tensor(written)).numpy()
    return "\n\n".join(
        f"{a.decode(errors='replace')} **{b.decode(errors='replace')}**"
        for a, b in zip(prompt_texts, continuations, strict=True)
    )
