"""FORMATS: the light table of export formats. Adding a format = a file and a row.

Read in this order: this table; ``format.py``, the base class; ``saved_model.py``, and
``graph_ops.py``, the ops that its graphs may hold. The graph that a format writes is
the task's (``models/tasks/server.py``). Nothing that training needs is here, so that an
edited format trains nothing again. Importing this package loads no TensorFlow;
``FORMATS[name].load()`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from textmill.models.registry import NameIn, Table, load_object

if TYPE_CHECKING:
    from textmill.models.export.format import Format


@dataclass(frozen=True, kw_only=True)
class FormatRow:
    """A row of ``FORMATS``."""

    path: str
    """``package.module:Class`` of the ``Format``."""

    def load(self) -> Format:
        """Imports the format, and with it TensorFlow."""
        export_format: Format = load_object(self.path)()
        return export_format


FORMATS = Table(
    "textmill.formats",
    "format",
    {"saved_model": FormatRow(path="textmill.models.export.saved_model:SavedModel")},
)

FormatName = Annotated[str, NameIn(FORMATS)]
