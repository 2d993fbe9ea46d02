"""Linear training: documents become a linear model, the figure to beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textmill.components.artifacts import (
    Documents,
    TrainedModel,
    Vocabulary,
    write_json,
)
from textmill.components.base import Component, Input, Output
from textmill.models.errors import DataError
from textmill.models.linear import LinearConfig
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS, TaskName
from textmill.models.texts import texts_of

if TYPE_CHECKING:
    import numpy as np

    from textmill.models.linear.model import LinearKind
    from textmill.models.tokenizers import Tokenizer


@dataclass(frozen=True, kw_only=True)
class LinearTrainerConfig:
    """A task, and the choices of its linear model."""

    task: TaskName
    """Task of the model; its target is a label, labels or a number."""
    linear: LinearConfig = field(default_factory=LinearConfig)
    """Choices between which the eval split decides."""
    fold: int | None = None
    """Fold that decides between the choices, counted from 1; the weights are fitted to
    all others. Not set: train and eval."""
    seed: int = 17
    """Seed of the solver."""


def train_linear(
    *,
    documents: Input[Documents],
    vocabulary: Input[Vocabulary],
    model: Output[TrainedModel],
    config: LinearTrainerConfig,
) -> None:
    """Fits the linear model to whole documents, with the choice that eval prefers.

    Documents of several texts are read as one, with an end token between the texts.

    Raises:
        DataError: the documents to train on, or the fold, do not exist.
    """
    from textmill.models.linear.fit import fit_linear
    from textmill.models.tokenizers import load_tokenizer
    from textmill.models.weights import save_tensors

    tokenizer = load_tokenizer(vocabulary.path)
    train_splits = documents.train_splits(config.fold)
    train = _examples(documents, train_splits, tokenizer, config)
    held_out_splits = [documents.held_out_split(config.fold)]
    held_out = _examples(documents, held_out_splits, tokenizer, config)
    if not train.ids:
        raise DataError(
            f"linear: expected documents in {', '.join(train_splits)}, found none; "
            "give datasets.*.split a train share"
        )
    fitted = fit_linear(
        train.ids,
        train.targets,
        eval_documents=held_out.ids,
        eval_targets=held_out.targets,
        kind=cast("LinearKind", TASKS[config.task].target),
        num_outputs=len(documents.labels) or 1,
        vocabulary_size=tokenizer.size,
        config=config.linear,
        seed=config.seed,
    )
    digest = save_tensors(fitted.tensors, model.file(model.WEIGHTS))
    model.copy_tokenizer(vocabulary.path, vocabulary.files())
    facts: dict[str, Any] = {
        "task": config.task,
        "model": {"family": "linear", **fitted.facts},
        "labels": documents.labels,
        "vocabulary": vocabulary.digest,
        "parameters": int(fitted.weights.size + fitted.bias.size),
        "documents_left_out": train.left_out,
        "texts": documents.num_texts,
    }
    model.facts, model.identity = facts, {"tensors": digest, **facts}
    write_json(model.file("model.json"), facts)


class _Examples(NamedTuple):
    ids: list[np.ndarray]
    """Token ids of each document."""
    targets: np.ndarray
    left_out: int
    """Documents beyond the limits."""


def _examples(
    documents: Documents,
    splits: Sequence[str],
    tokenizer: Tokenizer,
    config: LinearTrainerConfig,
) -> _Examples:
    """Returns documents up to the limits; they are in an order of hashes."""
    import numpy as np

    from textmill.models.inference import tokenize_documents

    target = TARGETS[TASKS[config.task].target]
    labelled = documents.read_with(target.field, *splits)
    values: list[Any] = []

    def texts() -> Iterator[list[str]]:
        for document in islice(labelled, config.linear.max_documents):
            values.append(document[target.field])
            yield texts_of(document)

    ids: list[np.ndarray] = []
    num_tokens = 0
    for tokens in tokenize_documents(tokenizer, texts()):
        num_tokens += len(tokens)
        if ids and num_tokens > config.linear.max_tokens:
            break
        ids.append(tokens)
    left_out = len(values) + sum(1 for _ in labelled) - len(ids)
    column = np.array(target.encode(values[: len(ids)], documents.labels))
    return _Examples(ids, target.unpack(column), left_out)


class LinearTrainer(Component, executor=train_linear):
    """Documents, vocabulary -> linear model."""
