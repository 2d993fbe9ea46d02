"""FORMATS: the light table of export formats. Adding a format = a file and a row.

Read in this order: this table; ``format.py``, the base class; ``saved_model.py``, and
``graph_ops.py``, the ops that its graphs may hold; ``huggingface.py``, with its rules
and the names of tensors. The graph that a format writes is
the task's (``models/tasks/server.py``). Nothing that training needs is here, so that an
edited format trains nothing again. Importing this package loads no TensorFlow;
``FORMATS[name].load()`` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from textmill.models.errors import Violation
from textmill.models.registry import NameIn, Table, load_object

if TYPE_CHECKING:
    from textmill.models.export.format import Format


@dataclass(frozen=True, kw_only=True)
class FormatRow:
    """A row of ``FORMATS``."""

    path: str
    """``package.module:Class`` of the ``Format``."""
    rules: str = ""
    """``package.module:function``, which yields choices that the format cannot hold;
    empty for one that holds every model."""
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Outputs that its runtime gives, by task, where they are not all."""

    def check(
        self,
        stage: Mapping[str, Any],
        model: Mapping[str, Any],
        vocabulary: Mapping[str, Any],
    ) -> Iterator[Violation]:
        """Yields the choices of a stage, as written, that the format cannot hold."""
        if self.rules:
            yield from load_object(self.rules)(stage, model, vocabulary)

    def load(self) -> Format:
        """Imports the format, and with it TensorFlow."""
        export_format: Format = load_object(self.path)()
        return export_format


FORMATS = Table(
    "textmill.formats",
    "format",
    {
        "saved_model": FormatRow(path="textmill.models.export.saved_model:SavedModel"),
        "huggingface": FormatRow(
            path="textmill.models.export.huggingface:HuggingFace",
            rules="textmill.models.export.huggingface_rules:check",
            answers={
                "causal_lm": ("loss",),
                "classify": ("label", "probabilities"),
            },
        ),
    },
)

FormatName = Annotated[str, NameIn(FORMATS)]
