"""METHODS: the light table of training methods. Adding a method = a file and a row.

A method changes a run at up to four points of its step: the model, the loss, the
gradients, or the weights after an update (``method.py``). ``freeze.py`` is the
shortest. Importing this package loads no TensorFlow; ``build_methods`` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textmill.models.errors import did_you_mean, one_of
from textmill.models.methods.config import FreezeConfig
from textmill.models.registry import Table, load_object

if TYPE_CHECKING:
    from textmill.models.methods.method import Method
    from textmill.models.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A row of ``METHODS``."""

    path: str
    """``package.module:Class`` of the ``Method``."""
    config: type
    """Dataclass of its knobs, which checks their types and ranges."""

    def load(self) -> type[Method]:
        """Imports the method, and with it TensorFlow and Keras."""
        method: type[Method] = load_object(self.path)
        return method


METHODS = Table(
    "textmill.methods",
    "method",
    {
        "freeze": MethodRow(
            path="textmill.models.methods.freeze:Freeze", config=FreezeConfig
        ),
    },
)


def method_config(name: str, knobs: Mapping[str, Any]) -> Any:
    """Returns the config of a method.

    Raises:
        ValueError: the knobs are unknown, missing or out of range.
    """
    cls = METHODS[name].config
    fields = dataclasses.fields(cls)
    names = [field.name for field in fields]
    for knob in knobs:
        if knob not in names:
            hint = did_you_mean(knob, names)
            raise ValueError(f"{one_of(names)} in methods.{name}, got {knob!r}{hint}")
    for field in fields:
        is_required = field.default is field.default_factory is dataclasses.MISSING
        if is_required and field.name not in knobs:
            raise ValueError(f"{field.name} in methods.{name}, got none")
    return cls(**knobs)


def build_methods(
    configs: Mapping[str, Mapping[str, Any]], task: Task
) -> dict[str, Method]:
    """Returns a run's methods by name, in the order of the config."""
    return {
        name: METHODS[name].load()(method_config(name, knobs), task)
        for name, knobs in configs.items()
    }
