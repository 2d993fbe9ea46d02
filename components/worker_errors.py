"""Passes errors from Beam workers to the driver, which Beam would flatten to text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from textmill.components.artifacts import write_json
from textmill.components.scratch import ScratchDir, cached_path, uploading
from textmill.models import errors

_PREFIX = "error-"


@contextmanager
def recording_errors(scratch: ScratchDir, task: str) -> Iterator[None]:
    """Context manager: writes an error of a task to a file of the scratch folder."""
    try:
        yield
    except errors.TextmillError as error:
        _record(scratch, task, error)
    except OSError as error:
        path = error.filename or scratch.folder
        message = f"{path}: {error.strerror}; fix it and run again"
        _record(scratch, task, errors.MachineError(message))


def _record(scratch: ScratchDir, task: str, error: errors.TextmillError) -> None:
    with uploading(scratch.path(f"{_PREFIX}{task}.json")) as path:
        write_json(path, [type(error).__name__, str(error)])


def has_errors(scratch: ScratchDir) -> bool:
    """Returns whether a worker recorded an error."""
    return bool(scratch.names(_PREFIX))


def raise_first_error(scratch: ScratchDir) -> None:
    """Raises the first error that a worker recorded, if any.

    Raises:
        TextmillError: of the class that the worker raised.
    """
    for name in scratch.names(_PREFIX):
        kind, message = json.loads(cached_path(scratch.path(name)).read_bytes())
        raise getattr(errors, kind)(message)
