"""Responses that several routes share: JSON, errors, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from textmill.components.server.errors import RequestError, invalid

JSON = "application/json"
PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
"""File and media type of each path of the page."""
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src "
    "'self'; connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


def to_json(value: Any) -> Response:
    """Returns a value as JSON."""
    return Response(orjson.dumps(value), media_type=JSON)


def to_error(status: int, message: str) -> Response:
    """Returns an error as TensorFlow Serving writes it."""
    return Response(orjson.dumps({"error": message}), status, media_type=JSON)


def malformed(request: Request) -> RequestError:
    """Returns the error of a request to a path that the API does not have."""
    path = request.url.path[:200]
    return invalid(f"Malformed request: {request.method} {path}")


async def without_route(request: Request, error: Exception) -> Response:
    """Answers a request without a route; TensorFlow Serving's status is 400."""
    assert isinstance(error, HTTPException)
    refusal = malformed(request)
    is_api = request.url.path.startswith("/v1/")
    return to_error(refusal.status if is_api else error.status_code, refusal.message)


async def show_page(request: Request) -> Response:
    """Returns a file of the page."""
    name, media_type = PAGE[request.url.path]
    content = (Path(__file__).parent / name).read_bytes()
    return Response(content, media_type=media_type, headers=_PAGE_HEADERS)


async def show_health(request: Request) -> Response:
    """Answers while the process lives."""
    return Response("ok")
