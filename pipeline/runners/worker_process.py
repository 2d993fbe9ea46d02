"""A lane: one worker process, from the runner's side of the pipe."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from textmill.components.base import Component
from textmill.pipeline.runners.worker import Job

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class WorkerProcess:
    """Starts a worker when it is first needed, and anew when the last one is gone.

    Attributes:
        node: the component being executed, or None.
        job: what the worker was told of it.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self.node: Component | None = None
        self.job: Job | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._loaded: dict[str, str] = {}

    @property
    def connection(self) -> Connection:
        """The pipe of a worker at work."""
        assert self._connection is not None
        return self._connection

    def submit(self, node: Component, job: Job) -> None:
        """Hands a job to the worker; a fresh one if that has older code in memory."""
        code: Mapping[str, str] = job.parts["code"]
        stale = any(self._loaded.get(name, code[name]) != code[name] for name in code)
        if stale or (self._process is not None and self._process.poll() is not None):
            self.kill()
        if self._process is None:
            self._start()
        self._loaded.update(code)
        self.node, self.job = node, job
        self._send(job)

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Yields what the worker said; ``("died", exit status)`` is the last of it."""
        # Asked first: what a dead worker said is still in the pipe.
        exited = self._process is not None and self._process.poll() is not None
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, ConnectionResetError):
            exited = True
        if exited and self._process is not None:
            yield "died", self.kill()

    def release(self) -> None:
        """Takes the lane back once its job has ended."""
        self.node = self.job = None

    def stop(self) -> None:
        """Asks the worker to commit its state and end its job."""
        self._send("stop")

    def kill(self) -> int:
        """Ends the worker and all that it started; returns its exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        self.connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._loaded.clear()
        return process.wait()

    def _send(self, message: Job | str) -> None:
        # That a worker is dead is learnt from the end of what it said.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        # The same order of folders as here: what runs is what the key was made from.
        path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
        serve = "from textmill.pipeline.runners.worker import main; main({})"
        command = serve.format(theirs.fileno())
        with theirs, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                env=os.environ | ENVIRONMENT | {"PYTHONPATH": path},
                start_new_session=True,
            )
