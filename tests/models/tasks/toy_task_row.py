"""The row of the toy task: it imports no TensorFlow, so ``plan`` stays fast."""

from textmill.models.tasks import TaskRow

ROW = TaskRow(
    path="toy_project.toy_task:Direction",
    families=("bert", "lstm"),
    packings=("pad",),
    metrics=("accuracy", "loss"),
)
