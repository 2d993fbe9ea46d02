"""``textmill serve``: pushed models over HTTP, with TensorFlow Serving's REST API.

Read in this order: this config; ``rest.py``, the requests; ``app.py``, the routes;
``model_table.py``, which versions answer, and how a newer one takes over;
``model_process.py``, the server's end of a version's process, and ``worker.py``, the
other end, with ``served_model.py``, the SavedModel, ``answers.py`` and ``streams.py``.
``running.py`` starts all of it. TensorFlow is in the workers alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from textmill.models.checks import SHARE, Bounds, check_bounds

CURRENT = "current"
"""Label of the version that follows the pushes."""


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """The choices of a server."""

    host: str = "127.0.0.1"
    """Address to listen at; the default is open to this machine alone."""
    port: Annotated[int, Bounds(at_least=0, at_most=65_535)] = 8501
    """Port to listen at; 0 takes a free one."""
    trust: bool = False
    """Loads SavedModels without a manifest of Textmill, whose graphs may hold any
    op."""
    tokens: tuple[str, ...] = ()
    """Bearer tokens, one of which a request must have; none asks for none."""
    tls_certificate: Path | None = None
    """PEM file of the certificate, with its chain; None serves plain HTTP."""
    tls_key: Path | None = None
    """PEM file of the certificate's key."""
    poll_seconds: Annotated[float, Bounds(above=0, at_most=3600)] = 1.0
    """Time between two looks for a newer version."""
    num_threads: Annotated[int, Bounds(at_least=0, at_most=1024)] = 0
    """Rows that a model answers at the same time; 0 is one for each processor."""
    num_streams: Annotated[int, Bounds(at_least=1, at_most=1024)] = 4
    """Texts that a model writes at the same time while they are read."""
    max_queue: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] = 256
    """Requests of a model that wait or are being answered; above, the status is 429."""
    max_body_bytes: Annotated[int, Bounds(at_least=1, at_most=2**30)] = 8 * 2**20
    """Largest body of a request; above, the status is 413."""
    max_rows: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] = 4096
    """Most rows of a request."""
    request_seconds: Annotated[float, Bounds(above=0, at_most=86_400)] = 60.0
    """Longest time from the whole request to its answer; above, the status is 504."""
    receive_seconds: Annotated[float, Bounds(above=0, at_most=3600)] = 10.0
    """Longest time for the head of a request, and again for its body."""
    stop_seconds: Annotated[float, Bounds(above=0, at_most=3600)] = 30.0
    """Longest time for open requests after SIGTERM."""
    log_requests: Path | None = None
    """Folder that receives sampled requests and answers, personal data masked."""
    sample: Annotated[float, SHARE] = 0.01
    """Share of the requests that ``log_requests`` takes."""
    seed: int = 17
    """Seed of the sample."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("both tls_certificate and tls_key or neither, got one")

    @property
    def rows_at_once(self) -> int:
        """Threads of a worker that answer rows."""
        return self.num_threads or len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class ModelSource:
    """A place that a model's version comes from."""

    name: str
    """Name of the model in URLs."""
    find: Callable[[], Path | None]
    """Returns the folder of the version to serve now; None if there is none."""
    label: str | None = CURRENT
    """Name of the version in URLs; None gives it none."""


def serve(sources: Sequence[ModelSource], config: ServerConfig) -> None:
    """Serves models until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: a source has no version, or the port is taken.
        IntegrityError: a model does not verify.
    """
    from textmill.components.server.running import run

    run(sources, config)
