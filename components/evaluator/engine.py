"""Measuring: a trained model's numbers on one split, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from textmill.components.artifacts import Documents, TokenRows, TrainedModel
from textmill.components.evaluator import EvaluatorConfig
from textmill.components.evaluator.intervals import (
    Interval,
    bootstrap_confusion,
    bootstrap_ratio,
    wilson,
)
from textmill.models.errors import ConfigError, DataError, did_you_mean
from textmill.models.generation import generate
from textmill.models.inference import classify_rows, load_task, measure_rows
from textmill.models.rows import RowReader, RowSchema
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer

_TEMPERATURE = 0.8


def measure(
    split: str,
    *,
    documents: Documents,
    rows: TokenRows,
    model: TrainedModel,
    config: EvaluatorConfig,
) -> dict[str, Any]:
    """Returns task, rows, metrics, and what belongs to the task."""
    weights, tokenizer_dir = model.path / model.WEIGHTS, model.path / model.TOKENIZER
    task, tokenizer = load_task(
        weights, tokenizer_dir, model.facts, attention=rows.facts["attention"]
    )
    reader = RowReader(rows.shards(split), RowSchema.of(rows.facts))
    found = {"task": model.facts["task"], "rows": len(reader)}
    if model.facts["labels"]:
        return found | _classification(
            task,
            reader,
            labels=model.facts["labels"],
            documents=documents.read(split),
            config=config,
        )
    found["metrics"] = _language(task, reader, split=split, rows=rows, config=config)
    if isinstance(task, CausalLM) and config.evaluate.samples:
        found["samples"] = _samples(task, tokenizer, config)
    return found


def _language(
    task: Task,
    reader: RowReader,
    *,
    split: str,
    rows: TokenRows,
    config: EvaluatorConfig,
) -> dict[str, Interval]:
    sums = measure_rows(task, reader, batch=config.batch, seed=config.seed)
    loss = bootstrap_ratio(sums["loss"], sums["weight"], seed=config.seed)
    tokens, size = rows.facts["tokens"][split]["in"], rows.facts["bytes"][split]
    bits = tokens / size / math.log(2)
    more = {}
    if "rows" in sums:
        more["next_accuracy"] = bootstrap_ratio(
            sums["next_correct"], sums["rows"], seed=config.seed
        )
    return {
        "loss": loss,
        "accuracy": bootstrap_ratio(sums["correct"], sums["weight"], seed=config.seed),
        "perplexity": _each(loss, lambda x: math.exp(min(x, 700.0))),
        "bits_per_byte": _each(loss, lambda x: x * bits),
        **more,
    }


def _each(interval: Interval, function: Callable[[float], float]) -> Interval:
    return {name: function(value) for name, value in interval.items()}


def _samples(
    task: CausalLM, tokenizer: Tokenizer, config: EvaluatorConfig
) -> list[str]:
    size = task.config.sequence_length
    prompts = tf.fill([config.evaluate.samples, size], tokenizer.specials.end)
    written = tf.function(generate)(
        task,
        prompts,
        tf.ones([config.evaluate.samples], tf.int32),
        num_tokens=config.evaluate.sample_tokens,
        temperature=_TEMPERATURE,
        seed=config.seed,
    )
    texts = tokenizer.detokenize(tf.RaggedTensor.from_tensor(written))
    return [text.decode(errors="replace") for text in texts.numpy()]


def _classification(
    task: Task,
    reader: RowReader,
    *,
    labels: list[str],
    documents: Iterator[dict[str, Any]],
    config: EvaluatorConfig,
) -> dict[str, Any]:
    probabilities, true = classify_rows(task, reader, batch=config.batch)
    if len(np.unique(true)) < 2:
        raise DataError(
            f"evaluate: expected two labels or more, all {len(true)} rows are "
            f"{labels[true[0]]!r}; give the split more documents"
        )
    predicted = probabilities.argmax(axis=1)
    picked = np.maximum(probabilities[np.arange(len(true)), true], 1e-30)
    size = len(labels)
    confusion = np.bincount(true * size + predicted, minlength=size * size)
    confusion = confusion.reshape(size, size)
    scores = bootstrap_confusion(confusion, _macro, seed=config.seed)
    ones = np.ones(len(true))
    return {
        "metrics": {
            "accuracy": wilson(float(np.trace(confusion)), len(true)),
            "loss": bootstrap_ratio(-np.log(picked), ones, seed=config.seed),
            "macro_precision": scores[0],
            "macro_recall": scores[1],
            "macro_f1": scores[2],
        },
        "labels": labels,
        "confusion": confusion.tolist(),
        "per_class": _per_class(confusion, labels, config.seed),
        "slices": _slices(documents, true == predicted, config.evaluate.slices),
    }


def _class_scores(confusion: np.ndarray) -> np.ndarray:
    """Returns precision, recall and F1 ``[..., 3, labels]``; 0 where undefined."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    said, was = confusion.sum(axis=-2), confusion.sum(axis=-1)
    return np.stack(
        [
            hits / np.maximum(said, 1),
            hits / np.maximum(was, 1),
            2 * hits / np.maximum(said + was, 1),
        ],
        axis=-2,
    )


def _macro(confusion: np.ndarray) -> np.ndarray:
    return _class_scores(confusion).mean(axis=-1)


def _per_class(
    confusion: np.ndarray, labels: list[str], seed: int
) -> dict[str, dict[str, Any]]:
    def flat(matrices: np.ndarray) -> np.ndarray:
        scores = _class_scores(matrices)
        return scores.reshape(*scores.shape[:-2], -1)

    found = bootstrap_confusion(confusion, flat, seed=seed)
    size, support = len(labels), confusion.sum(axis=1)
    names = ("precision", "recall", "f1")
    return {
        label: {name: found[j * size + i] for j, name in enumerate(names)}
        | {"support": int(support[i])}
        for i, label in enumerate(labels)
    }


def _slices(
    documents: Iterator[dict[str, Any]], hits: np.ndarray, columns: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    counts: dict[str, dict[str, list[int]]] = {column: {} for column in columns}
    if not columns:
        return {}
    for document, hit in zip(documents, hits, strict=True):
        for column in columns:
            if column not in document:
                hint = did_you_mean(column, list(document))
                raise ConfigError(
                    f"evaluate.slices: no column {column!r}; "
                    f"there are {', '.join(document)}{hint}"
                )
            pair = counts[column].setdefault(str(document[column]), [0, 0])
            pair[0] += int(hit)
            pair[1] += 1
    return {
        column: {
            value: {"rows": total, "accuracy": wilson(good, total)}
            for value, (good, total) in sorted(values.items())
        }
        for column, values in counts.items()
    }
