"""The process of one model version: answers frames from the server's socket.

    python -m textmill.components.server.worker SOCKET OPTIONS

SOCKET is the number of an inherited socket, OPTIONS JSON of ``WorkerOptions``. The
process ends when the server closes the socket.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from textmill.components.native_logs import silence_native_logs
from textmill.components.server.errors import RequestError
from textmill.components.server.frames import (
    LENGTHS_SIZE,
    read_header,
    read_lengths,
    to_frame,
)
from textmill.components.server.row_scheduler import RowScheduler
from textmill.models.errors import TextmillError
from textmill.models.optional_imports import skip_optional_imports

if TYPE_CHECKING:
    from textmill.components.server.served_model import ServedModel

_WARM_UP = ("", "a text", "a longer text of some words " * 8, "word " * 400)
_BACKGROUND_NICENESS = 10


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The model of a worker, and its threads."""

    folder: str
    trust: bool
    """Loads any SavedModel."""
    num_threads: int
    """Rows that are answered at the same time."""
    num_streams: int
    """Texts that are written at the same time."""
    is_background: bool
    """Another version answers meanwhile: loading leaves it the processor."""


class Worker:
    """Answers the frames of a socket.

    Args:
        connection: the socket.
        options: the model.
    """

    def __init__(self, connection: socket.socket, options: WorkerOptions) -> None:
        self._socket, self._options = connection, options
        self._sending = threading.Lock()
        self._open: set[int] = set()
        self._model: ServedModel

    def run(self) -> None:
        """Loads the model, then answers until the socket is closed."""
        try:
            self._model = _load(self._options)
        except Exception as error:
            kind, sentence = type(error).__name__, str(error)
            if not isinstance(error, TextmillError):
                sentence = f"{self._options.folder}: {kind}: {sentence}"[:2000]
            self._send({"op": "failed", "kind": kind, "message": sentence})
            return
        self._rows = RowScheduler(self._options.num_threads)
        self._streams = RowScheduler(self._options.num_streams)
        self._send({"op": "ready"}, orjson.dumps(self._model.describe()))
        while (frame := self._receive()) is not None:
            self._answer(*frame)

    def _answer(self, header: dict[str, Any], body: bytes) -> None:
        number = header["id"]
        if header["op"] == "cancel":
            self._open.discard(number)
            return
        self._open.add(number)
        if header["op"] == "stream":
            request = orjson.loads(body)
            self._streams.submit(
                lambda _: self._write(number, **request),
                1,
                lambda result: self._finish(number, lambda _: b"", result),
            )
        else:
            self._call(header, orjson.loads(body))

    def _call(self, header: dict[str, Any], columns: dict[str, Any]) -> None:
        from textmill.components.server.answers import to_body
        from textmill.components.server.served_model import row_of, stack

        number, signature, model = header["id"], header["signature"], self._model
        is_by_row = model.is_by_row(signature)

        def run(row: int) -> dict[str, Any]:
            if number not in self._open:
                raise RequestError("CANCELLED", "nobody waits for the answer")
            given = row_of(columns, row) if is_by_row else columns
            return model.call(signature, given)

        def to_bytes(parts: list[Any]) -> bytes:
            return to_body(header["form"], stack(parts), model.labels)

        self._rows.submit(
            run,
            header["rows"] if is_by_row else 1,
            lambda parts: self._finish(number, to_bytes, parts),
        )

    def _finish(
        self,
        number: int,
        to_bytes: Callable[[list[Any]], bytes],
        result: list[Any] | Exception,
    ) -> None:
        """Sends the answer to a request, or its error."""
        self._open.discard(number)
        try:
            if isinstance(result, Exception):
                raise result
            self._send({"id": number, "op": "answer"}, to_bytes(result))
        except RequestError as error:
            fields = {"code": error.code, "message": error.message}
            self._send({"id": number, "op": "error", **fields})
        except Exception as error:
            message = f"{type(error).__name__}: {error}"[:500]
            fields = {"code": "INTERNAL", "message": message}
            self._send({"id": number, "op": "error", **fields})

    def _write(self, number: int, text: Any, knobs: dict[str, Any]) -> None:
        from textmill.components.server.streams import write_parts

        parts = write_parts(self._model, text, knobs, lambda: number not in self._open)
        for part in parts:
            self._send({"id": number, "op": "part"}, orjson.dumps(part))

    def _send(self, header: dict[str, Any], body: bytes = b"") -> None:
        with self._sending:
            self._socket.sendall(to_frame(header, body))

    def _receive(self) -> tuple[dict[str, Any], bytes] | None:
        """Returns the next frame; None at the end."""
        if (start := self._read(LENGTHS_SIZE)) is None:
            return None
        head_size, body_size = read_lengths(start)
        head, body = self._read(head_size), self._read(body_size)
        if head is None or body is None:
            return None
        return read_header(head), body

    def _read(self, size: int) -> bytes | None:
        buffer = bytearray(size)
        view, read = memoryview(buffer), 0
        while read < size:
            count = self._socket.recv_into(view[read:])
            if count == 0:
                return None
            read += count
        return bytes(buffer)


def _load(options: WorkerOptions) -> ServedModel:
    """Verifies, loads and warms the model, on a thread of its own.

    In the background that thread is a nice one. TensorFlow's threads inherit the
    niceness of the one that starts them, so the main thread starts those.
    """
    is_nice = options.is_background
    _on_nice_thread(lambda: _verify_and_import(options), is_nice=is_nice)
    import tensorflow as tf

    tf.constant(0)  # starts the thread pools
    model: ServedModel = _on_nice_thread(
        lambda: _load_and_warm(options), is_nice=is_nice
    )
    return model


def _verify_and_import(options: WorkerOptions) -> None:
    if not options.trust:
        from textmill.components.provenance import verify_saved_model

        verify_saved_model(Path(options.folder))
    with silence_native_logs():
        import textmill.components.server.served_model  # noqa: F401


def _load_and_warm(options: WorkerOptions) -> ServedModel:
    from textmill.components.server.served_model import ServedModel
    from textmill.components.server.streams import write_parts

    with silence_native_logs():
        model = ServedModel(Path(options.folder), trust=options.trust)
        for signature, specs in model.specs.items():
            needed = specs.keys() - model.defaults.get(signature, {}).keys()
            if all(specs[n].dtype.name == "string" for n in needed):
                for text in _WARM_UP if needed else ():
                    model.call(signature, {name: [text] for name in needed})
        if "continue" in model.functions:
            list(write_parts(model, "a text", {"max_tokens": 6}, lambda: False))
    return model


def _on_nice_thread(function: Callable[[], Any], *, is_nice: bool) -> Any:
    """Returns the result of a function that runs on a thread of its own."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        if is_nice:
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, _BACKGROUND_NICENESS)
            # When it wakes up, it does not interrupt a thread that answers.
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


if __name__ == "__main__":
    skip_optional_imports()
    # Ctrl-C and service managers signal the whole group; the server ends its workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Worker(
        socket.socket(fileno=int(sys.argv[1])),
        WorkerOptions(**orjson.loads(sys.argv[2])),
    ).run()
    # Threads of TensorFlow may still compute for requests that nobody awaits.
    os._exit(0)
