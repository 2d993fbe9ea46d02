"""Runs the server: sockets, TLS, signals, and the life of its models."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from textmill.components.server import ModelSource, ServerConfig
from textmill.components.server.app import Server
from textmill.components.server.connection import protocol
from textmill.components.server.logs import log_event
from textmill.components.server.model_table import ModelTable
from textmill.models.errors import ConfigError, TextmillError

if TYPE_CHECKING:
    from textmill.components.request_log import RequestLog

_BACKLOG = 4096
_KEEP_ALIVE_SECONDS = 60


def run(sources: Sequence[ModelSource], config: ServerConfig) -> None:
    """Serves models until SIGTERM or Ctrl-C, then answers open requests and ends.

    Raises:
        ConfigError: a source has no version, or the port is taken.
        IntegrityError: a model does not verify.
    """
    _allow_many_connections()
    listener = _listen(config)
    recorder = _recorder(config)
    models = ModelTable(sources, config, log_event)
    server = Server(config, models, recorder)
    failures: list[TextmillError] = []
    app = server.app(lambda: _life(models, _url(config, listener), failures))
    # Uvicorn raises the signal that stopped it once more, when all is answered.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        # Uvicorn exits where loading fails; the reason is raised below.
        with suppress(SystemExit):
            uvicorn.Server(_uvicorn_config(app, config)).run([listener])
    finally:
        signal.signal(signal.SIGTERM, before)
        listener.close()
        if recorder is not None:
            recorder.close()
    if failures:
        raise failures[0]


async def _life(
    models: ModelTable, url: str, failures: list[TextmillError]
) -> AsyncIterator[None]:
    """Loads the models, yields while they answer, then ends their processes."""
    try:
        await models.load_all()
    except TextmillError as error:
        failures.append(error)
        await models.close()
        raise
    watching = asyncio.create_task(models.watch())
    log_event("serving", url=url)
    yield
    log_event("stopping")
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await models.close()


def _uvicorn_config(app: Any, config: ServerConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol(config.receive_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(config.stop_seconds) or 1,
        ssl_certfile=config.tls_certificate,
        ssl_keyfile=config.tls_key,
    )


def _listen(config: ServerConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on the connections.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"serve: {config.host}:{config.port}: {error.strerror or error}; choose "
            "another --host or --port"
        ) from None
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _url(config: ServerConfig, listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    host = f"[{address}]" if ":" in address else address
    return f"{'http' if config.tls_key is None else 'https'}://{host}:{port}/"


def _allow_many_connections() -> None:
    """Raises the limit of open files to the highest that this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _recorder(config: ServerConfig) -> RequestLog | None:
    if config.log_requests is None:
        return None
    from textmill.components.request_log import RequestLog

    return RequestLog(config.log_requests, sample=config.sample, seed=config.seed)
