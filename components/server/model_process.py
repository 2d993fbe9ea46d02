"""A model version in a process of its own, as the server sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

import orjson

from textmill.components.server.errors import RequestError
from textmill.components.server.frames import (
    LENGTHS_SIZE,
    read_header,
    read_lengths,
    to_frame,
)
from textmill.components.server.rest import Call, InputSpec, Signatures
from textmill.components.server.worker import WorkerOptions
from textmill.models import errors
from textmill.models.errors import MachineError, TextmillError

_WORKER = "textmill.components.server.worker"
Frame = tuple[dict[str, Any], bytes]


@dataclass
class Description:
    """The signatures of a loaded model."""

    signatures: Signatures
    signature_def: dict[str, Any]
    """As TensorFlow Serving's metadata prints them."""
    labels: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, body: bytes) -> Description:
        """Reads the description that a worker sends."""
        fields = orjson.loads(body)
        inputs = {
            name: {key: InputSpec(**spec) for key, spec in specs.items()}
            for name, specs in fields["inputs"].items()
        }
        return cls(inputs, fields["signature_def"], fields["labels"])


class ModelProcess:
    """A worker that has loaded a model; ``start`` makes one.

    Attributes:
        description: the signatures of the model.
        pending: requests that have not been answered.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.description: Description
        self.pending: dict[int, asyncio.Queue[Frame]] = {}
        self._process = process
        self._numbers = count()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._receiving: asyncio.Task[None]

    @classmethod
    async def start(cls, options: WorkerOptions) -> ModelProcess:
        """Starts a worker, and returns when its model answers.

        Raises:
            TextmillError: the model does not verify or load.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _WORKER),
                *(str(theirs.fileno()), orjson.dumps(asdict(options)).decode()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env=_environment(),
            )
        model = cls(process)
        try:
            model._reader, model._writer = await asyncio.open_connection(sock=ours)
            header, body = await model._read()
        except asyncio.IncompleteReadError:
            code = await process.wait()
            raise MachineError(
                f"{options.folder}: the process that loads the model ended with "
                f"{_ending(code)}; give the machine more memory, or see its messages"
            ) from None
        except BaseException:
            model.kill()
            raise
        if header["op"] == "failed":
            await process.wait()
            raise _error(header["kind"], header["message"])
        model.description = Description.of(body)
        model._receiving = asyncio.create_task(model._receive())
        return model

    @property
    def is_alive(self) -> bool:
        """False after the worker has ended."""
        return self._process.returncode is None and not self._receiving.done()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    async def call(self, call: Call) -> bytes:
        """Returns the body of the answer.

        Raises:
            RequestError: the model refuses the request, or its process ended.
        """
        fields = {"signature": call.signature, "form": call.form}
        header = {"op": "call", "rows": call.num_rows, **fields}
        async with _Exchange(self, header, orjson.dumps(call.columns)) as exchange:
            _, body = await exchange.receive()
        return body

    async def stream(self, text: Any, knobs: dict[str, Any]) -> AsyncIterator[bytes]:
        """Yields the parts of a text as JSON.

        Raises:
            RequestError: the model refuses the request, or its process ended.
        """
        body = orjson.dumps({"text": text, "knobs": knobs})
        async with _Exchange(self, {"op": "stream"}, body) as exchange:
            while True:
                header, part = await exchange.receive()
                if header["op"] == "answer":
                    return
                yield part

    async def drain(self, seconds: float) -> None:
        """Waits until all requests are answered, but not longer than given."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self.pending and self.is_alive and loop.time() < end:
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Ends the process."""
        self._receiving.cancel()
        self._writer.close()
        try:
            async with asyncio.timeout(2):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Ends the process at once."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    async def _read(self) -> Frame:
        start = await self._reader.readexactly(LENGTHS_SIZE)
        head_size, body_size = read_lengths(start)
        head = await self._reader.readexactly(head_size)
        return read_header(head), await self._reader.readexactly(body_size)

    async def _receive(self) -> None:
        """Gives frames to the requests that wait for them, until the process ends."""
        try:
            while True:
                header, body = await self._read()
                if (queue := self.pending.get(header["id"])) is not None:
                    queue.put_nowait((header, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._process.wait()
            message = (
                f"the process of the model ended with {_ending(code)}; it is started "
                "again, try again in a few seconds"
            )
            error = {"op": "error", "code": "UNAVAILABLE", "message": message}
            for queue in self.pending.values():
                queue.put_nowait((error, b""))


class _Exchange:
    """Context manager: a request to a worker, and its frames."""

    def __init__(self, model: ModelProcess, header: dict[str, Any], body: bytes):
        self._model, self._number = model, next(model._numbers)
        self._frame = to_frame({"id": self._number, **header}, body)
        self._is_answered = False
        self._queue: asyncio.Queue[Frame] = asyncio.Queue()

    async def __aenter__(self) -> _Exchange:
        if not self._model.is_alive:
            raise RequestError("UNAVAILABLE", "the process of the model has ended")
        self._model.pending[self._number] = self._queue
        self._model._writer.write(self._frame)
        return self

    async def receive(self) -> Frame:
        """Returns the next frame.

        Raises:
            RequestError: it is an error.
        """
        header, body = await self._queue.get()
        self._is_answered = header["op"] != "part"
        if header["op"] == "error":
            raise RequestError(header["code"], header["message"])
        return header, body

    async def __aexit__(self, *error: object) -> None:
        del self._model.pending[self._number]
        if not self._is_answered and self._model.is_alive:
            cancel = to_frame({"id": self._number, "op": "cancel"})
            self._model._writer.write(cancel)


def _environment() -> dict[str, str]:
    """Returns the variables of a worker, where TensorFlow logs errors alone."""
    return os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def _error(kind: str, message: str) -> TextmillError:
    """Returns the error of a worker as one of this process."""
    known = getattr(errors, kind, None)
    if not (isinstance(known, type) and issubclass(known, TextmillError)):
        known = TextmillError
    error: TextmillError = known(message)
    return error


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
