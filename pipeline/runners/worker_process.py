"""WorkerProcess: the runner's side of a worker and its pipe."""

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
    """A worker that is started on demand, and again after it died.

    Attributes:
        node: the component being executed, or None.
        job: its job, or None.
    """

    def __init__(self, log: Path, temporary: Path) -> None:
        self.log, self._temporary = log, temporary
        self.node: Component | None = None
        self.job: Job | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._loaded: dict[str, str] = {}

    @property
    def connection(self) -> Connection:
        """The pipe to the running worker."""
        assert self._connection is not None
        return self._connection

    def submit(self, node: Component, job: Job) -> None:
        """Sends a job to the worker, or to a new one if it has loaded old code."""
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
        """Yields the worker's messages; ``("died", exit status)`` is the last one."""
        # Polled first: messages of a dead worker are still in the pipe.
        exited = self._process is not None and self._process.poll() is not None
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, ConnectionResetError):
            exited = True
        if exited and self._process is not None:
            yield "died", self.kill()

    def release(self) -> None:
        """Marks the worker as free once its job has ended."""
        self.node = self.job = None

    def stop(self) -> None:
        """Asks the worker to save its state and end its job."""
        self._send("stop")

    def kill(self) -> int:
        """Kills the worker and its child processes; returns its exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        self.connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._loaded.clear()
        return process.wait()

    def _send(self, message: Job | str) -> None:
        # The death of a worker is noticed when its messages end.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def _start(self) -> None:
        self._connection, worker_end = Pipe()
        # The same order of folders: the worker runs the code that the key covers.
        path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
        serve = "from textmill.pipeline.runners.worker import main; main({})"
        command = serve.format(worker_end.fileno())
        with worker_end, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(worker_end.fileno(),),
                env=os.environ
                | ENVIRONMENT
                | {"PYTHONPATH": path, "TMPDIR": str(self._temporary)},
                start_new_session=True,
            )
