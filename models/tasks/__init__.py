"""The tasks: what a model computes from rows, and how far off it is.

A task turns rows into features (mask, shift), builds the model, and returns sums, never
means: the loop adds those of all rows and replicas and divides once.
"""

from textmill.models.tasks.classify import Classify
from textmill.models.tasks.language import CausalLM, MaskedLM
from textmill.models.tasks.masking import Masking, uniform
from textmill.models.tasks.task import Features, Rows, Task, cross_entropy

TASKS: dict[str, type[Task]] = {
    "masked_lm": MaskedLM,
    "causal_lm": CausalLM,
    "classify": Classify,
}

__all__ = [
    "TASKS",
    "CausalLM",
    "Classify",
    "Features",
    "MaskedLM",
    "Masking",
    "Rows",
    "Task",
    "cross_entropy",
    "uniform",
]
