"""The routes of the server: TensorFlow Serving's REST API, and those around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import psutil
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from textmill.components.server import CURRENT, ServerConfig
from textmill.components.server.errors import HTTP_STATUS, RequestError, invalid
from textmill.components.server.guard import Guard
from textmill.components.server.metrics import CONTENT_TYPE, Metrics
from textmill.components.server.model_table import ModelTable, Version, status_of
from textmill.components.server.responses import (
    JSON,
    PAGE,
    malformed,
    show_health,
    show_page,
    to_error,
    to_json,
    without_route,
)
from textmill.components.server.rest import Call, parse_examples, parse_predict

if TYPE_CHECKING:
    from textmill.components.request_log import RequestLog

_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass
class Server:
    """Answers requests.

    Attributes:
        config: the server's choices.
        models: the loaded models.
        recorder: receives answered requests; None for none.
    """

    config: ServerConfig
    models: ModelTable
    recorder: RequestLog | None = None

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self._pending = dict.fromkeys(self.models.names(), 0)

    def app(self, lifespan: Callable[[], AsyncIterator[None]]) -> Starlette:
        """Returns the ASGI application.

        Args:
            lifespan: loads the models before it yields, and ends them afterwards.
        """

        @asynccontextmanager
        async def run(app: Starlette) -> AsyncIterator[None]:
            async for _ in lifespan():
                yield

        model = "/v1/models/{model}"
        get, post = ["GET"], ["POST"]
        routes = [
            *(Route(path, show_page, methods=get) for path in PAGE),
            Route("/healthz", show_health, methods=get),
            Route("/readyz", self._ready, methods=get),
            Route("/monitoring/prometheus/metrics", self._metrics, methods=get),
            Route("/v1/models", self._list, methods=get),
        ]
        for part in ("", "/versions/{version:int}", "/labels/{label}"):
            path = model + part
            routes += [
                Route(path + "/metadata", self._guarded(self._metadata), methods=get),
                Route(path + ":{verb}", self._guarded(self._post), methods=post),
                Route(path, self._guarded(self._status), methods=get),
            ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(Guard, config=self.config)],
            exception_handlers={HTTPException: without_route},
            lifespan=run,
        )

    def _guarded(self, handle: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Returns a handler that turns errors into responses, and counts requests."""

        async def answer(request: Request) -> Response:
            start, code = time.perf_counter(), "OK"
            try:
                response: Response = await handle(request)
            except RequestError as error:
                code, response = error.code, to_error(error.status, error.message)
                if code == "RESOURCE_EXHAUSTED":
                    response.headers["Retry-After"] = "1"
            except ClientDisconnect:
                code = "CANCELLED"
                response = to_error(HTTP_STATUS[code], "the client has gone")
            name = request.path_params["model"]
            if request.method == "POST" and name in self._pending:
                self.metrics.record(
                    name,
                    api=request.path_params["verb"],
                    status=code,
                    seconds=time.perf_counter() - start,
                    rows=getattr(request.state, "rows", 0),
                )
            return response

        return answer

    def _version(self, request: Request) -> Version:
        path = request.path_params
        return self.models.find(
            path["model"], number=path.get("version"), label=path.get("label")
        )

    async def _status(self, request: Request) -> Response:
        path = request.path_params
        if ":" in f"{path['model']}{path.get('label')}":
            raise malformed(request)
        versions = self.models.versions(path["model"])
        if "version" in path or "label" in path:
            versions = [self._version(request)]
        return to_json(status_of(versions))

    async def _metadata(self, request: Request) -> Response:
        version = self._version(request)
        assert version.process is not None
        name, number = version.model, str(version.number)
        definitions = {"signature_def": version.process.description.signature_def}
        return to_json(
            {
                "model_spec": {"name": name, "signature_name": "", "version": number},
                "metadata": {"signature_def": definitions},
            }
        )

    async def _post(self, request: Request) -> Response:
        """Answers ``:predict``, ``:classify``, ``:regress`` and ``:generate``."""
        verb, name = request.path_params["verb"], request.path_params["model"]
        if verb not in ("predict", "classify", "regress", "generate"):
            raise malformed(request)
        version = self._version(request)
        body = await self._body(request)
        if self._pending[name] >= self.config.max_queue:
            raise RequestError(
                "RESOURCE_EXHAUSTED",
                f"{name}: {self.config.max_queue} requests wait already; try again "
                "in a second",
            )
        if verb == "generate":
            return self._generate(request, version, body)
        self._pending[name] += 1
        try:
            async with asyncio.timeout(self.config.request_seconds):
                return await self._predict(request, version, body)
        except TimeoutError:
            raise RequestError(
                "DEADLINE_EXCEEDED",
                f"{name}: no answer after {self.config.request_seconds:g} seconds; "
                "send fewer or shorter texts",
            ) from None
        finally:
            self._pending[name] -= 1

    async def _predict(
        self, request: Request, version: Version, body: bytes
    ) -> Response:
        assert version.process is not None
        signatures = version.process.description.signatures
        verb, start = request.path_params["verb"], time.perf_counter()
        if verb == "predict":
            call = parse_predict(body, signatures)
        else:
            call = parse_examples(body, signatures, verb)
        if call.num_rows > self.config.max_rows:
            raise invalid(
                f"expected {self.config.max_rows} rows or fewer, got {call.num_rows}; "
                "send several requests"
            )
        request.state.rows = call.num_rows
        answer = await version.process.call(call)
        if self.recorder is not None and call.form == "rows":
            self._record(request, version, call, answer, time.perf_counter() - start)
        return Response(answer, headers=_of(version), media_type=JSON)

    def _record(
        self,
        request: Request,
        version: Version,
        call: Call,
        answer: bytes,
        seconds: float,
    ) -> None:
        assert self.recorder is not None
        answers = orjson.loads(answer)["predictions"]
        self.recorder.record(
            request_id=request.state.request_id,
            model=version.model,
            version=version.number,
            texts=call.texts(),
            answers=[a if isinstance(a, dict) else {"output": a} for a in answers],
            seconds=seconds,
        )

    async def _body(self, request: Request) -> bytes:
        """Returns the body of a request.

        Raises:
            RequestError: it is too large, or does not arrive in time.
        """
        limit, parts, size = self.config.max_body_bytes, [], 0
        try:
            async with asyncio.timeout(self.config.receive_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > limit:
                        raise RequestError(
                            "PAYLOAD_TOO_LARGE",
                            f"expected a body of {limit:,} bytes or fewer; send fewer "
                            "texts at a time",
                        )
                    parts.append(part)
        except TimeoutError:
            raise RequestError(
                "REQUEST_TIMEOUT",
                f"the body did not arrive in {self.config.receive_seconds:g} seconds",
            ) from None
        return b"".join(parts)

    def _generate(self, request: Request, version: Version, body: bytes) -> Response:
        """Returns the parts of a text as server-sent events."""
        try:
            fields = orjson.loads(body)
            text = fields.pop("text")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise invalid(
                'generate: expected JSON such as {"text": "...", "max_tokens": 64}'
            ) from None
        if not isinstance(text, str):
            raise invalid("generate: expected a text as 'text'")
        return StreamingResponse(
            self._events(version, text, fields),
            media_type="text/event-stream",
            headers=_of(version) | _STREAM_HEADERS,
        )

    async def _events(
        self, version: Version, text: str, knobs: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        assert version.process is not None
        self._pending[version.model] += 1
        try:
            async with asyncio.timeout(self.config.request_seconds):
                async for part in version.process.stream(text, knobs):
                    yield b"data: " + part + b"\n\n"
        except RequestError as error:
            yield b"data: " + orjson.dumps({"error": error.message}) + b"\n\n"
        except TimeoutError:
            message = f"ended after {self.config.request_seconds:g} seconds"
            yield b"data: " + orjson.dumps({"error": message}) + b"\n\n"
        finally:
            self._pending[version.model] -= 1

    async def _list(self, request: Request) -> Response:
        """Returns the models with their current versions, for the page."""
        models = []
        for name in self.models.names():
            labels = self.models.labels(name)
            numbers = [v.number for v in self.models.versions(name)]
            models.append({"name": name, "versions": numbers, "labels": labels})
        return to_json({"models": models})

    async def _ready(self, request: Request) -> Response:
        is_ready = self.models.is_ready()
        return Response("ok" if is_ready else "not ready", 200 if is_ready else 503)

    async def _metrics(self, request: Request) -> Response:
        gauges = [
            ("textmill_pending_requests", name, float(count))
            for name, count in self._pending.items()
        ]
        for name in self.models.names():
            if (current := self.models.labels(name).get(CURRENT)) is not None:
                gauges.append(("textmill_version", name, float(current)))
        memory: dict[str, float] = {}
        for version in self.models.loaded():
            assert version.process is not None
            memory[version.model] = memory.get(version.model, 0) + _resident(
                version.process.pid
            )
        gauges += [("textmill_worker_resident_bytes", m, b) for m, b in memory.items()]
        return Response(self.metrics.exposition(gauges), media_type=CONTENT_TYPE)


def _resident(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0


def _of(version: Version) -> dict[str, str]:
    """Returns the header that names the version of an answer."""
    return {"X-Model-Version": str(version.number)}
