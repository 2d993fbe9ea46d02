"""Noting: how a worker's fault comes back, which Beam would make a string of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from textmill.components.artifacts import write_json
from textmill.components.scratch import ScratchDir, local, writing
from textmill.models import errors as faults

_NOTE = "fault-"


@contextmanager
def noting(exchange: ScratchDir, where: str) -> Iterator[None]:
    """Notes a fault in a file: Beam would turn it into a traceback in a string."""
    try:
        yield
    except faults.TextmillError as fault:
        _note(exchange, where, fault)
    except OSError as error:
        where_to = error.filename or exchange.folder
        what = f"{where_to}: {error.strerror}; mend it and run again"
        _note(exchange, where, faults.MachineError(what))


def _note(exchange: ScratchDir, where: str, fault: faults.TextmillError) -> None:
    with writing(exchange.place(f"{_NOTE}{where}.json")) as path:
        write_json(path, [type(fault).__name__, str(fault)])


def is_noted(exchange: ScratchDir) -> bool:
    """Whether a worker had a fault."""
    return bool(exchange.names(_NOTE))


def raise_noted(exchange: ScratchDir) -> None:
    """Raises the first fault that a worker noted, if one did.

    Raises:
        TextmillError: what the worker raised.
    """
    for name in exchange.names(_NOTE):
        kind, message = json.loads(local(exchange.place(name)).read_bytes())
        raise getattr(faults, kind)(message)
