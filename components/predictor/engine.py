"""A trained model's forward pass over a split, written to Parquet as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from textmill.components.artifacts import (
    Documents,
    Predictions,
    TokenRows,
    TrainedModel,
    write_json,
)
from textmill.components.prediction_files import GROUP_ROWS, write_rows
from textmill.components.predictor import PredictorConfig
from textmill.models.errors import ConfigError, did_you_mean
from textmill.models.generation.config import GenerateConfig
from textmill.models.inference import predict_rows, tokenize_documents
from textmill.models.linear.model import LinearModel
from textmill.models.rows import RowReader, RowSchema
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS, TaskRow
from textmill.models.tasks.server import ServingOptions
from textmill.models.texts import texts_of
from textmill.models.tokenizers import load_tokenizer
from textmill.models.weights import load_task

NO_VALUE = "(none)"
"""The slice of documents that do not have the column."""


def predict_splits(
    *,
    documents: Documents,
    rows: TokenRows | None,
    model: TrainedModel,
    predictions: Predictions,
    config: PredictorConfig,
) -> None:
    """Writes the predictions of the splits, and generated samples if configured.

    Raises:
        ConfigError: a slice names no column.
    """
    task = TASKS[model.facts["task"]]
    target = task.target
    _check_slices(documents, target, config.slices)
    copied = list(config.slices)
    group = config.group if task.has_document_rows else None
    if group and group not in copied:
        copied.append(group)
    if rows is None:
        outputs = _of_linear(documents, model, target=target)
    elif task.predicts == "documents":
        outputs = _of_documents(documents, model, config, target=target)
    else:
        outputs = _of_rows(rows, model, predictions, config)
    evaluated, *others = _splits(documents, rows, target, config)
    for split in (evaluated, *others):
        columns = _row_columns(documents, split, task=task, copied=copied)
        write_rows(predictions, split, outputs=outputs(split), columns=columns)
    predictions.facts = {
        "task": model.facts["task"],
        "labels": model.facts["labels"],
        "split": evaluated,
        "rows": predictions.records[predictions.file_name(evaluated)],
        "slices": list(config.slices) if task.has_document_rows else [],
        **({"group": group} if group else {}),
        **(_sizes(rows, evaluated) if rows else {"tokens": 0, "bytes": 0}),
        "model": model.digest,
        "documents": documents.digest,
    }
    if config.fold is not None:
        predictions.facts["held_out"] = documents.held_out_split(config.fold)


def _splits(
    documents: Documents, rows: TokenRows | None, target: str, config: PredictorConfig
) -> list[str]:
    """Returns the evaluated split, and the held-out one if it is wanted as well."""
    held_out = documents.held_out_split(config.fold)
    has_test = rows.splits.get("test") if rows else _has_test(documents, target)
    if not has_test:
        return [held_out]
    return ["test", held_out] if config.held_out else ["test"]


def _sizes(rows: TokenRows, split: str) -> dict[str, int]:
    """Returns tokens and bytes of the texts that the model predicts.

    These are the answers of rows with prompts, and whole documents otherwise.
    """
    if "answers" in rows.facts:
        sizes: dict[str, int] = rows.facts["answers"][split]
        return sizes
    return {
        "tokens": rows.facts["tokens"][split]["in"],
        "bytes": rows.facts["bytes"][split],
    }


def _has_test(documents: Documents, target: str) -> bool:
    """Returns whether a document of test has a target."""
    labelled = documents.read_with(TARGETS[target].field, "test")
    return next(labelled, None) is not None


def _of_rows(
    rows: TokenRows,
    model: TrainedModel,
    predictions: Predictions,
    config: PredictorConfig,
) -> Callable[[str], Iterator[dict[str, np.ndarray]]]:
    """Returns the function from a split to the outputs of its rows.

    It also writes the samples of a model that generates.
    """
    task, tokenizer = load_task(
        model.path / model.WEIGHTS,
        model.path / model.TOKENIZER,
        model.facts,
        attention=rows.facts["attention"],
    )
    if config.samples:
        texts = task.write(
            tokenizer,
            count=config.samples,
            num_tokens=config.sample_tokens,
            seed=config.seed,
        )
        write_json(predictions.file(predictions.SAMPLES), texts)
    schema = RowSchema.of(rows.facts)
    target = TASKS[model.facts["task"]].target
    return lambda split: predict_rows(
        task,
        RowReader(rows.shards(split), schema),
        target=target,
        batch=config.batch,
        seed=config.seed,
    )


def _of_documents(
    documents: Documents, model: TrainedModel, config: PredictorConfig, *, target: str
) -> Callable[[str], Iterator[dict[str, np.ndarray]]]:
    """Returns the function from a split to the served graph's outputs of documents."""
    task, tokenizer = load_task(
        model.path / model.WEIGHTS, model.path / model.TOKENIZER, model.facts
    )
    options = ServingOptions(
        labels=tuple(model.facts["labels"]),
        generate=config.generate or GenerateConfig(),
        seed=config.seed,
    )
    server = task.serve(tokenizer, options)
    field = TARGETS[target].field

    def outputs(split: str) -> Iterator[dict[str, np.ndarray]]:
        chosen = documents.read_with(field or "id", split)
        for part, answers in server.split_outputs(chosen, batch=config.batch):
            columns: dict[str, Any] = dict(answers)
            if field:
                columns = {"target": [_as_column(d[field]) for d in part]} | columns
            yield {name: _as_array(values) for name, values in columns.items()}

    return outputs


def _as_column(value: Any) -> Any:
    """Returns the target of a document; spans and other lists as JSON text."""
    if isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _as_array(values: Any) -> np.ndarray:
    """Returns texts as an array of objects; arrays as they are."""
    is_text = isinstance(values, list) and isinstance(values[0], str)
    return np.array(values, object if is_text else None)


def _of_linear(
    documents: Documents, model: TrainedModel, *, target: str
) -> Callable[[str], Iterator[dict[str, np.ndarray]]]:
    """Returns the function from a split to the linear model's outputs of documents."""
    linear = LinearModel.load(model.path / model.WEIGHTS, model.facts["model"])
    tokenizer = load_tokenizer(model.path / model.TOKENIZER)
    kind, labels = TARGETS[target], model.facts["labels"]

    def outputs(split: str) -> Iterator[dict[str, np.ndarray]]:
        labelled = documents.read_with(kind.field, split)
        while batch := list(islice(labelled, GROUP_ROWS)):
            ids = list(tokenize_documents(tokenizer, map(texts_of, batch)))
            numbers = kind.encode([d[kind.field] for d in batch], labels)
            yield {"target": kind.unpack(np.array(numbers)), **linear.outputs(ids)}

    return outputs


def _check_slices(documents: Documents, target: str, slices: tuple[str, ...]) -> None:
    known = ["id", "text", TARGETS[target].field, *documents.facts["columns"]]
    for column in slices:
        if column not in known:
            hint = did_you_mean(column, known)
            raise ConfigError(
                f"evaluate.slices: expected one of {', '.join(filter(None, known))}, "
                f"got {column!r}{hint}"
            )


def _row_columns(
    documents: Documents, split: str, *, task: TaskRow, copied: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Yields the id and the copied columns of each row.

    Rows that may hold several documents are numbered.
    """
    if not task.has_document_rows:
        number = 0
        while True:
            yield {"id": f"{split}-{number:09d}"}
            number += 1
    field = TARGETS[task.target].field or "id"
    for document in documents.read_with(field, split):
        values = {column: str(document.get(column, NO_VALUE)) for column in copied}
        yield {"id": document["id"]} | values
