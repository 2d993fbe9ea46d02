"""First sections of a config by task, for tasks other than one label of one text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textmill.models.errors import ConfigError, did_you_mean, one_of
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS

if TYPE_CHECKING:
    from textmill.pipeline.survey.task_columns import TaskColumns

_POOLED = {"pooling": "mean_and_embeddings"}
_EXACT_TEXT = {"kind": "bpe", "lowercase": False}
"""A vocabulary that writes texts as they were."""


@dataclass(frozen=True, kw_only=True)
class TaskStart:
    """The values that a task has in place of a classifier's."""

    model: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``model``."""
    vocabulary: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``vocabulary``."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the stage's ``train``."""
    is_encoder: bool = True
    """The model reads a text; others write one, in rows of a fixed length."""


STARTS: dict[str, TaskStart] = {
    "classify": TaskStart(model=_POOLED),
    "multilabel": TaskStart(model=_POOLED),
    "regress": TaskStart(model=_POOLED),
    "tag": TaskStart(model={"layers": 2, "heads": 4}, vocabulary={"lowercase": False}),
    "embed": TaskStart(model={"layers": 2}, train={"learning_rate": 5e-4}),
    "answer": TaskStart(
        model={"layers": 4, "width": 256, "heads": 4, "sequence_length": 256},
        train={"learning_rate": 3e-4},
    ),
    "respond": TaskStart(
        model={
            "family": "gpt",
            "recipe": "modern",
            "layers": 4,
            "heads": 4,
            "sequence_length": 256,
        },
        vocabulary=_EXACT_TEXT,
        is_encoder=False,
    ),
    "seq2seq": TaskStart(
        model={
            "family": "encoder_decoder",
            "recipe": "modern",
            "layers": 4,
            "heads": 4,
            "sequence_length": 64,
        },
        vocabulary=_EXACT_TEXT,
        is_encoder=False,
    ),
}


def check_columns(chosen: TaskColumns) -> None:
    """Checks that a task has a start, and its columns of texts and of its target.

    Raises:
        ConfigError: the task is unknown, or a column is missing.
    """
    task, texts, target = chosen.task, chosen.texts, chosen.target
    if task not in STARTS:
        hint = did_you_mean(task, list(STARTS))
        raise ConfigError(
            f"--task: expected a task ({one_of(list(STARTS))}), got {task!r}{hint}"
        )
    row = TASKS[task]
    if len(texts) not in row.texts:
        numbers = " or ".join(map(str, row.texts))
        example = " ".join(f"--text {name}" for name in ("A", "B")[: row.texts[0]])
        plural = "" if row.texts == (1,) else "s"
        raise ConfigError(
            f"--task {task}: expected {numbers} column{plural} of texts ({example}), "
            f"got {', '.join(texts) or 'none'}"
        )
    key = TARGETS[row.target].field
    if key and target is None:
        raise ConfigError(
            f"--task {task}: expected the column of {key.replace('_', ' ')}, by "
            "--label NAME, got none"
        )
    if not key and target is not None:
        raise ConfigError(
            f"--task {task}: expected no --label, its texts are its targets, got "
            f"{target}"
        )


def source_columns(chosen: TaskColumns) -> dict[str, Any]:
    """Returns the keys of a source for the columns that a task reads."""
    texts = chosen.texts[0] if len(chosen.texts) == 1 else list(chosen.texts)
    columns: dict[str, Any] = {"text": texts}
    if chosen.target is not None:
        columns[TARGETS[TASKS[chosen.task].target].field] = chosen.target
    return columns
