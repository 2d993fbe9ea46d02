"""The row of the toy task: it imports no TensorFlow, so ``plan`` stays fast."""

from dataclasses import dataclass

from textmill.models.tasks import TaskRow


@dataclass(frozen=True, kw_only=True)
class DirectionConfig:
    """Options of the toy task."""

    every: int = 4
    """One of this many rows is reversed."""


ROW = TaskRow(
    path="toy_project.toy_task:Direction",
    families=("bert", "lstm"),
    packings=("pad",),
    metrics=("accuracy", "loss"),
    config=DirectionConfig,
)
