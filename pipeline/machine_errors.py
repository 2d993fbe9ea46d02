"""Errors of the machine: a full disk, no memory, a failing device."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textmill.models.errors import MachineError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_MACHINE = (
    errno.EIO,
    errno.EROFS,
    errno.ENODEV,
    errno.ENXIO,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
    errno.EAGAIN,
)
_NO_MEMORY = (
    "can't start new thread",
    "failed to map segment",
    "pthread_create",
    "std::bad_alloc",
    "MemoryError",
    "OOM when allocating",
    os.strerror(errno.ENOMEM),
)
"""Messages of Python, the loader of libraries, C++, TensorFlow and the system."""


@contextmanager
def disk_full_errors(path: Path) -> Iterator[None]:
    """Context manager: turns a full disk into an error with the path and free space.

    Raises:
        MachineError: the disk, the quota or the limit on a file's size is reached.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise MachineError(disk_full_message(error, path)) from error


def machine_error_message(error: Exception, node: str, path: Path) -> str | None:
    """Returns the message for an error that the machine caused, else None."""
    if is_out_of_memory(error):
        return (
            f"{node}: out of memory, or of the threads that a process may have; free "
            "some, or raise the limit (ulimit -v, ulimit -u), then run the same "
            "command again"
        )
    if sentence := disk_full_message(error, path):
        return sentence
    if isinstance(error, PermissionError):
        return f"{error.filename}: {error.strerror}; grant this user the right to it"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        place = error.filename or path
        return (
            f"{place}: {error.strerror}; the disk or the machine failed: check it, "
            "then run the same command again"
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether a machine without memory caused an error."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, MemoryError) or tells_of_no_memory(str(link)):
            return True
        link = link.__cause__ or link.__context__
    return False


def tells_of_no_memory(text: str) -> bool:
    """Returns whether a message or a log names missing memory, in any library's words.

    Libraries wrap each other's errors, and a process may end before it raises one.
    """
    return any(words in text for words in _NO_MEMORY)


def disk_full_message(error: BaseException, path: Path) -> str | None:
    """Returns the message for an error that was caused by a full disk, else None."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in _FULL:
            return _full_sentence(Path(str(link.filename or path)), link.errno)
        link = link.__cause__ or link.__context__
    # TensorFlow and Beam wrap the operating system's message in their own errors.
    for code in _FULL:
        if os.strerror(code) in str(error):
            return _full_sentence(path, code)
    return None


def _full_sentence(path: Path, code: int) -> str:
    folder = next(
        parent for parent in [path, *path.absolute().parents] if parent.exists()
    )
    free = shutil.disk_usage(folder).free / 1e9
    return (
        f"{path}: {os.strerror(code)} ({free:.1f} GB free); make room, "
        "then run the same command again"
    )
