"""The row of a toy task with knobs of its own; installed as a plug-in by tests."""

from dataclasses import dataclass

from textmill.models.tasks import TaskRow


@dataclass(frozen=True, kw_only=True)
class CopyConfig:
    """Knobs of the toy task."""

    copy_rate: float = 0.5
    """Share of the tokens to copy."""
    marks: tuple[str, ...] = ()
    """Marks of a copy."""

    def __post_init__(self) -> None:
        if self.copy_rate <= 0:
            raise ValueError(f"copy_rate above 0, got {self.copy_rate}")


ROW = TaskRow(
    path="not_imported:Copy",
    families=("bert",),
    packings=("pad",),
    metrics=("loss",),
    config=CopyConfig,
)
