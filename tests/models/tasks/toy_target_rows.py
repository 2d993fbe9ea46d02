"""Rows of the toy tasks with targets; they import no TensorFlow."""

from textmill.models.tasks import TaskRow

MEASURE = TaskRow(
    path="toy_targets_project.toy_targets:Measure",
    families=("bert", "lstm"),
    target="number",
    packings=("pad",),
    metrics=("loss",),
)
CHOOSE = TaskRow(
    path="toy_targets_project.toy_targets:Choose",
    families=("bert", "lstm"),
    target="labels",
    packings=("pad",),
    metrics=("loss",),
)
COUNT = TaskRow(
    path="toy_targets_project.toy_targets:Count",
    families=("bert", "lstm"),
    target="labels",
    packings=("pad",),
    metrics=("loss",),
    predicts="documents",
)
