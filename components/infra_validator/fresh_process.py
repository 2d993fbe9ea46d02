"""Runs an export in a fresh process, with limits of time and memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil

from textmill.models.errors import IntegrityError, MachineError

_PROGRAM = "textmill.components.infra_validator.answering"
_SECONDS = 0.05
"""Between two looks at the process."""


class FreshRun(NamedTuple):
    """The answers to a request, and the time and memory for them.

    Attributes:
        answers: one a text.
        milliseconds: of single texts, one at a time.
        memory: the most resident bytes of the process.
    """

    answers: list[Any]
    milliseconds: list[float]
    memory: int


def ask_fresh_process(
    name: str, folder: Path, request: Path, *, max_seconds: float, max_memory: int
) -> FreshRun:
    """Returns the answers to the texts of a request, by an export in a format.

    Args:
        name: the format.
        folder: the export.
        request: JSON file of the texts.
        max_seconds: seconds after which the process is killed.
        max_memory: resident bytes above which it is killed.

    Raises:
        IntegrityError: the process ends without answers.
        MachineError: it was killed.
    """
    command = [sys.executable, "-P", "-m", _PROGRAM, name, str(folder), str(request)]
    # Answers may be larger than a pipe's buffer.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            memory = _wait(process, folder, max_seconds, max_memory)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            last = _read(err).decode(errors="replace").strip().rpartition("\n")[2]
            raise IntegrityError(
                f"{folder}: a fresh process could not answer "
                f"(exit code {process.returncode}): {last}"
            )
        given = json.loads(_read(out).rpartition(b"\n")[2])
    return FreshRun(given["answers"], given["milliseconds"], memory)


def _wait(
    process: subprocess.Popen[bytes], folder: Path, max_seconds: float, max_memory: int
) -> int:
    """Waits for the end of a process, and returns the most memory that it used."""
    most, deadline = 0, time.monotonic() + max_seconds
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            most = max(most, watched.memory_info().rss)
        if most > max_memory:
            raise MachineError(
                f"{folder}: a fresh process used {most / 2**30:.2f} GiB of memory, "
                f"validate.max_memory allows {max_memory / 2**30:g}; raise it if the "
                "servers have as much"
            )
        if time.monotonic() > deadline:
            raise MachineError(
                f"{folder}: a fresh process did not answer all texts in {max_seconds} "
                "seconds; raise validate.max_seconds, or lower export.parity_texts"
            )
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS)
    return most


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def latency(milliseconds: Sequence[float]) -> dict[str, float] | None:
    """Returns the median and 95th percentile, by nearest rank; None without times."""
    if not milliseconds:
        return None
    ordered = sorted(milliseconds)
    ranks = {"p50": 0.5, "p95": 0.95}
    return {
        name: round(ordered[math.ceil(share * len(ordered)) - 1], 3)
        for name, share in ranks.items()
    }


def num_bytes(folder: Path) -> int:
    """Returns the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
