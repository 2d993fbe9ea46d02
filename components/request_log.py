"""The request log: a sample of a server's requests, personal data masked.

A thread writes Parquet files, so that recording never waits for a disk. A file appears
when it is complete; the oldest ones are removed beyond ``max_bytes``. A process that is
killed loses the requests of its unfinished file. Answers are JSON,
because those of several models share a folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, NamedTuple

from textmill.components.text.privacy import PrivacyConfig, Redactor
from textmill.models.errors import ConfigError

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
_PATTERN = "requests-*.parquet"
_FILE_CHARACTERS = 1 << 24
"""Characters of texts at which a file ends, whatever its rows."""
_WAITING_CHARACTERS = 1 << 26
"""Characters of texts in the queue, beyond which requests are dropped."""


class _Request(NamedTuple):
    """One request, as it waits to be written."""

    time: float
    request_id: str
    model: str
    version: int
    texts: list[list[str]]
    answers: list[dict[str, Any]]
    seconds: float

    @property
    def size(self) -> int:
        """Characters of its texts."""
        return sum(len(text) for texts in self.texts for text in texts)


class RequestLog:
    """Writes a sample of requests to Parquet files, one row a text."""

    def __init__(
        self,
        folder: Path | str,
        *,
        sample: float = 0.01,
        seed: int = 17,
        max_rows: int = 10_000,
        max_seconds: float = 300.0,
        max_bytes: int = 1 << 30,
        max_waiting: int = 1_000,
    ) -> None:
        """Creates the folder and starts the thread.

        Args:
            folder: receives the files.
            sample: share of the requests that are kept, by a hash of seed and id.
            seed: of the sample.
            max_rows: rows of a file; a request is never divided.
            max_seconds: age at which a file with fewer rows is written.
            max_bytes: size of all files; the oldest are removed beyond it.
            max_waiting: requests in memory; further ones are dropped and counted.

        Raises:
            ConfigError: a number is out of range, or the folder cannot be written to.
        """
        _check_limits(sample, max_rows, max_seconds, max_bytes, max_waiting)
        self._folder = _created(Path(folder))
        self._sample, self._seed = sample, seed
        self._max_rows, self._max_seconds = max_rows, max_seconds
        self._max_bytes = max_bytes
        self._redactor = Redactor(PrivacyConfig())
        self._queue: Queue[_Request] = Queue(max_waiting)
        self._lock = threading.Lock()
        self._dropped = 0
        self._waiting_characters = 0
        self._is_closing = threading.Event()
        self._prefix = f"requests-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        self._num_files = 0
        self._thread = threading.Thread(target=self._write_files, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Sampled requests that are in no file: too many waited, or a write failed."""
        return self._dropped

    def takes(self, request_id: str) -> bool:
        """Returns whether the sample holds a request; the same in every process."""
        key = f"{self._seed}:{request_id}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(key, digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._sample * 2.0**64

    def record(
        self,
        *,
        request_id: str,
        model: str,
        version: int,
        texts: list[list[str]],
        answers: list[dict[str, Any]],
        seconds: float,
    ) -> None:
        """Keeps a request if the sample holds it; never waits and never raises.

        Args:
            request_id: decides whether it is kept; feedback joins by it.
            model: the name of the model that answered.
            version: the model's version.
            texts: the texts of every row.
            answers: the answer to every row.
            seconds: from the request's arrival to its answer.
        """
        if not self.takes(request_id):
            return
        request = _Request(
            time.time(), request_id, model, version, texts, answers, seconds
        )
        with self._lock:
            size = self._waiting_characters + request.size
            try:
                if self._is_closing.is_set() or size > _WAITING_CHARACTERS:
                    raise Full
                self._queue.put_nowait(request)
                self._waiting_characters = size
            except Full:
                self._dropped += 1

    def close(self) -> None:
        """Writes the requests that wait, and ends the thread."""
        with self._lock:
            self._is_closing.set()
        self._thread.join()

    def _drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count

    def _write_files(self) -> None:
        """Writes files until the log is closed and nothing waits."""
        is_ending = False
        while not is_ending:
            # Read first: what came before the end is collected after it.
            is_ending = self._is_closing.is_set() and self._queue.empty()
            if requests := self._collect():
                try:
                    self._write([row for rows in requests for row in rows])
                except Exception as error:
                    # The server goes on; the counter says what is missing.
                    self._drop(len(requests))
                    _LOG.warning("request log: %s: %s", self._folder, error)

    def _collect(self) -> list[list[dict[str, Any]]]:
        """Returns the rows of each request of the next file; none if none came."""
        requests: list[list[dict[str, Any]]] = []
        num_rows = size = 0
        deadline = time.monotonic() + self._max_seconds
        while (
            num_rows < self._max_rows
            and size < _FILE_CHARACTERS
            and time.monotonic() < deadline
        ):
            try:
                request = self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                if self._is_closing.is_set():
                    break
                continue
            with self._lock:
                self._waiting_characters -= request.size
            try:
                requests.append(_rows(request, self._redactor))
            except Exception as error:
                self._drop(1)
                _LOG.warning("request log: a request has no row: %s", error)
                continue
            num_rows += len(request.texts)
            size += request.size
        return requests

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        import pyarrow.parquet as pq

        name = f"{self._prefix}-{self._num_files:08d}.parquet"
        self._num_files += 1
        draft = self._folder / f".{name}.draft"
        try:
            pq.write_table(_table(rows), draft, compression="zstd")
            draft.replace(self._folder / name)
        finally:
            draft.unlink(missing_ok=True)
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        """Removes files, the oldest first, until all of them fit; keeps the newest."""
        sizes = {path: path.stat().st_size for path in self._folder.glob(_PATTERN)}
        total = sum(sizes.values())
        for path in sorted(sizes)[:-1]:
            if total <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= sizes[path]


def _check_limits(sample: float, *limits: float) -> None:
    if not 0.0 <= sample <= 1.0:
        raise ConfigError(f"sample: expected a share from 0 to 1, got {sample}")
    if min(limits) <= 0:
        raise ConfigError("request log: expected limits above 0")


def _created(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: expected a folder to write requests to: {error.strerror}"
        ) from None
    return folder


def _masked(value: Any, redactor: Redactor) -> Any:
    """Returns a value of JSON with the personal data of its texts masked."""
    if isinstance(value, str):
        # A lone surrogate has no bytes in UTF-8.
        text = value.encode("utf-8", "replace").decode("utf-8")
        return redactor.mask(text, "")[0]
    if isinstance(value, dict):
        return {name: _masked(item, redactor) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, redactor) for item in value]
    return value


def _rows(request: _Request, redactor: Redactor) -> list[dict[str, Any]]:
    """Returns a request's rows as they are written: masked, answers as JSON.

    Raises:
        ValueError: there are more texts than answers, or fewer.
    """
    return [
        {
            "time": int(request.time * 1e6),
            "request_id": request.request_id,
            "row": row,
            "model": request.model,
            "version": request.version,
            "texts": _masked(texts, redactor),
            "answer": json.dumps(_masked(answer, redactor), ensure_ascii=False),
            "seconds": request.seconds,
        }
        for row, (texts, answer) in enumerate(
            zip(request.texts, request.answers, strict=True)
        )
    ]


def _table(rows: Sequence[dict[str, Any]]) -> Any:
    """Returns rows as a table of Arrow."""
    import pyarrow as pa

    schema = pa.schema(
        {
            "time": pa.timestamp("us", tz="UTC"),
            "request_id": pa.string(),
            "row": pa.int32(),
            "model": pa.string(),
            "version": pa.int64(),
            "texts": pa.list_(pa.string()),
            "answer": pa.string(),
            "seconds": pa.float64(),
        }
    )
    return pa.Table.from_pylist(list(rows), schema=schema)
