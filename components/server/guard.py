"""ASGI middleware: request ids, bearer tokens, hosts, and the log of requests."""

from __future__ import annotations

import hmac
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textmill.components.server import ServerConfig
from textmill.components.server.logs import log_event
from textmill.components.server.responses import to_error

REQUEST_ID = "X-Request-Id"
_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_OPEN = ("/", "/page.css", "/page.js", "/healthz", "/readyz")
"""Paths without a token: the page, which has no answers, and the health checks."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    """Lets requests in that may enter, and gives each an id.

    A server of this machine alone refuses other host names: a page of the web could
    point its own name to this machine.
    """

    def __init__(self, app: ASGIApp, *, config: ServerConfig) -> None:
        self._app = app
        self._tokens = [token.encode() for token in config.tokens]
        self._is_local = config.host in _LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, start = Headers(scope=scope), time.perf_counter()
        given = headers.get(REQUEST_ID, "")
        number = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope["state"] = {**scope.get("state", {}), "request_id": number}
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = number
            await send(message)

        try:
            app = self._refusal(scope["path"], headers) or self._app
            await app(scope, receive, send_with_id)
        finally:
            milliseconds = round(1000 * (time.perf_counter() - start), 2)
            _log(scope, status=status, request_id=number, ms=milliseconds)

    def _refusal(self, path: str, headers: Headers) -> Response | None:
        """Returns the response to a request that may not enter."""
        host = headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        if self._is_local and host not in (*_LOOPBACK, ""):
            return to_error(403, f"expected a host name of this machine, got {host!r}")
        if not self._tokens or path in _OPEN:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode()
        known = [hmac.compare_digest(given, token) for token in self._tokens]
        if scheme.lower() == "bearer" and any(known):
            return None
        response = to_error(401, "expected 'Authorization: Bearer TOKEN' with a token")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response


def _log(scope: Scope, **fields: Any) -> None:
    if scope["path"] not in ("/healthz", "/readyz"):
        log_event("request", method=scope["method"], path=scope["path"], **fields)
