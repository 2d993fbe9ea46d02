"""Services on this machine that speak what the real clients ask of the real ones.

One server answers for Kubeflow Pipelines (v2beta1), Vertex AI (v1 over REST), OAuth
tokens, Secret Manager, Cloud Storage and S3: the calls that are made here, in the
shapes of the clients' own generated code. Faults are scripted: the next request whose
method and path match one meets it.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import google_crc32c
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN = "token-of-the-loopback-server"
ACCOUNT = "textmill@p.iam.gserviceaccount.com"


@dataclass
class Fault:
    """What meets one request: a status, or a cut line."""

    method: str
    path: str
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    cut: str = ""
    """``before`` it is obeyed, or ``after``, so that only the answer is lost."""


class Service:
    """What the server knows."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.experiments: list[dict] = []
        self.runs: list[dict] = []
        self.recurring: list[dict] = []
        self.jobs: dict[str, dict] = {}
        self.schedules: dict[str, dict] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.secrets: dict[str, str] = {}
        self.states: list[tuple[str, dict[str, str]]] = []
        """What a run is found to be, one a question; the last one stays."""
        self.lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def state(self) -> tuple[str, dict[str, str]]:
        if len(self.states) > 1:
            return self.states.pop(0)
        return self.states[0] if self.states else ("RUNNING", {})

    def called(self, method: str, part: str) -> int:
        """How many requests of a method had this in their path."""
        return sum(m == method and part in path for m, path in self.requests)


def write_account(path: Path, service: Service) -> str:
    """Writes the key of a service account, whose tokens the server gives."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": f"{service.url}/token",
    }
    path.write_text(json.dumps(account))
    return str(path)


@contextmanager
def serving() -> Iterator[Service]:
    """Serves until it is left."""
    service = Service()
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    service.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.more: dict[str, str] = {}
        path = unquote(parts.path)
        with self.service.lock:
            self.service.requests.append((self.command, path))
            fault = self._fault(path)
            if fault and fault.cut == "before":
                return self._cut()
            if fault and not fault.cut:
                error = {"code": fault.status, "message": "scripted", "status": "X"}
                text = json.dumps({"error": error, "message": "scripted"}).encode()
                return self._answer(fault.status, text, fault.headers)
            status, answer = self._route(path)
            if fault:
                return self._cut()
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return self._answer(status, text, self.more)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle

    def _fault(self, path: str) -> Fault | None:
        for fault in self.service.faults:
            if fault.method == self.command and fault.path in path:
                self.service.faults.remove(fault)
                return fault
        return None

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Type" not in headers:
            kind = "application/xml" if body.startswith(b"<") else "application/json"
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _route(self, path: str) -> tuple[int, object]:
        told = self.headers.get("Authorization", "")
        if path == "/token":
            return 200, {"access_token": TOKEN, "expires_in": 3600}
        for prefix, answer in _ROUTES.items():
            if path.startswith(prefix):
                private = prefix in ("/apis/v2beta1", "/v1/")
                if private and not _is_known(told):
                    error = {"code": 401, "message": "no token", "status": "X"}
                    return 401, {"error": error, "message": "no token"}
                return answer(self, path)
        return 404, {"error": {"code": 404, "message": f"no {path}", "status": "X"}}

    def _kubeflow(self, path: str) -> tuple[int, object]:
        service, kind = self.service, path.split("/")[3].partition(":")[0]
        if kind == "healthz":
            return 200, {"multi_user": False}
        rows, key, many = {
            "experiments": (service.experiments, "experiment_id", "experiments"),
            "runs": (service.runs, "run_id", "runs"),
            "recurringruns": (service.recurring, "recurring_run_id", "recurringRuns"),
        }[kind]
        tail = path.split("/")[4:]
        if not tail and self.command == "POST":
            number = len(rows) + 1
            created = f"2026-11-25T10:00:{number:02d}Z"
            row = {**json.loads(self.body), key: f"{kind}-{number}"}
            rows.append({**row, "created_at": created})
            return 200, rows[-1]
        if not tail:
            asked = json.loads(self.query.get("filter", '{"predicates": []}'))
            names = [p["stringValue"] for p in asked["predicates"]]
            alike = [r for r in rows if not names or r["display_name"] in names]
            return 200, {many: alike}
        id, _, verb = tail[0].partition(":")
        found = next((row for row in rows if row[key] == id), None)
        if found is None:
            return 404, {"message": f"{id}: not found"}
        if self.command == "DELETE":
            rows.remove(found)
            return 200, {}
        if verb == "terminate":
            service.states = [("CANCELED", {})]
            return 200, {}
        state, tasks = service.state()
        details = [{"display_name": n, "state": s} for n, s in tasks.items()]
        return 200, found | {"state": state, "run_details": {"task_details": details}}

    def _vertex(self, path: str) -> tuple[int, object]:
        service, name = self.service, path.removeprefix("/v1/")
        if "/secrets/" in name:
            value = service.secrets.get(name.removesuffix(":access"))
            if value is None:
                return 403, {"error": {"code": 403, "message": "no", "status": "X"}}
            data = base64.b64encode(value.encode()).decode()
            return 200, {"payload": {"data": data}}
        if name.endswith("/pipelineJobs") and self.command == "POST":
            name = f"{name}/{self.query['pipelineJobId']}"
            if name in service.jobs:
                error = {"code": 409, "message": "exists", "status": "ALREADY_EXISTS"}
                return 409, {"error": error}
            service.jobs[name] = json.loads(self.body) | {"name": name}
            return 200, service.jobs[name]
        if name.endswith("/schedules"):
            return self._schedules(name)
        name, _, verb = name.partition(":")
        known = service.jobs if "/pipelineJobs/" in name else service.schedules
        if name not in known:
            error = {"code": 404, "message": "none", "status": "NOT_FOUND"}
            return 404, {"error": error}
        if self.command == "DELETE":
            del known[name]
            kind = "type.googleapis.com/google.protobuf.Empty"
            operation = f"{name.rpartition('/schedules')[0]}/operations/1"
            return 200, {"name": operation, "done": True, "response": {"@type": kind}}
        if verb == "cancel":
            service.states = [("CANCELLED", {})]
            return 200, {}
        if known is service.schedules:
            return 200, known[name]
        state, tasks = service.state()
        details = [{"taskName": n, "state": s} for n, s in tasks.items()]
        now = {"state": f"PIPELINE_STATE_{state}"}
        return 200, known[name] | now | {"jobDetail": {"taskDetails": details}}

    def _schedules(self, name: str) -> tuple[int, object]:
        service = self.service
        if self.command == "GET":
            wanted = self.query.get("filter", "").partition('"')[2].rstrip('"')
            rows = [r for r in service.schedules.values() if r["displayName"] == wanted]
            return 200, {"schedules": rows}
        name = f"{name}/{len(service.schedules) + 1}"
        service.schedules[name] = json.loads(self.body) | {
            "name": name,
            "createTime": "2026-11-25T10:00:00Z",
        }
        return 200, service.schedules[name]

    def _gcs(self, path: str) -> tuple[int, object]:
        objects = self.service.objects
        bucket, _, name = path.partition("/b/")[2].partition("/o")
        name = name.removeprefix("/")
        if self.query.get("uploadType") == "resumable":
            return self._resumable(path)
        if path.startswith("/upload"):
            name, data = _multipart(self.headers["Content-Type"], self.body)
            if self.query.get("ifGenerationMatch") == "0" and name in objects:
                return 412, {"error": {"code": 412, "message": "exists"}}
            objects[name] = data
            return 200, {"name": name, "bucket": bucket, "size": str(len(data))}
        if self.command == "DELETE":
            return (204, b"") if objects.pop(name, None) is not None else (404, {})
        if path.startswith("/download"):
            return self._part(objects[name]) if name in objects else (404, {})
        if "/o" not in path.partition("/b/")[2]:
            return 200, {"name": bucket}
        if name:
            found = name in objects
            return (200, _item(bucket, name, objects[name])) if found else (404, {})
        prefix = self.query.get("prefix", "")
        items = [
            _item(bucket, n, d)
            for n, d in sorted(objects.items())
            if n.startswith(prefix)
        ]
        return 200, {"items": items}

    def _part(self, data: bytes) -> tuple[int, bytes]:
        """Gives the bytes that are asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return 200, data
        begin, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if begin >= len(data):
            return 416, b""
        self.more = {"Content-Range": f"bytes {begin}-{end}/{len(data)}"}
        return 206, data[begin : end + 1]

    def _resumable(self, path: str) -> tuple[int, object]:
        """Takes what is large or of unknown size: a session, then parts of it."""
        if "Content-Range" not in self.headers:
            name = self.query.get("name") or json.loads(self.body)["name"]
            self.service.parts[name] = b""
            told = f"uploadType=resumable&name={quote(name, safe='')}"
            self.more = {"Location": f"{self.service.url}{path}?{told}"}
            return 200, {}
        name, total = self.query["name"], self.headers["Content-Range"].split("/")[1]
        self.service.parts[name] += self.body
        data = self.service.parts[name]
        if total == "*" or len(data) < int(total):
            self.more = {"Range": f"bytes=0-{len(data) - 1}"}
            return 308, {}
        self.service.objects[name] = data
        return 200, _item("", name, data)

    def _s3(self, path: str) -> tuple[int, object]:
        objects, name = self.service.objects, path.split("/", 3)[-1]
        if self.query.get("list-type"):
            prefix = self.query.get("prefix", "")
            rows = "".join(
                f"<Contents><Key>{n}</Key><Size>{len(d)}</Size>"
                f"<ETag>{_check(d)}</ETag></Contents>"
                for n, d in sorted(objects.items())
                if n.startswith(prefix)
            )
            return 200, f"<ListBucketResult>{rows}</ListBucketResult>".encode()
        if self.command == "POST" and "delete" in urlsplit(self.path).query:
            for key in re.findall(rb"<Key>(.*?)</Key>", self.body):
                objects.pop(key.decode(), None)
            return 200, b"<DeleteResult></DeleteResult>"
        if self.command == "PUT":
            if self.headers.get("If-None-Match") == "*" and name in objects:
                return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
            objects[name] = self.body
            return 200, b""
        if self.command == "DELETE":
            objects.pop(name, None)
            return 204, b""
        if name not in objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        status, data = self._part(objects[name])
        self.more |= {"ETag": _check(objects[name])}
        return status, data


def _is_known(authorization: str) -> bool:
    """Whether a request brings our token, or one that our account signed itself."""
    token = authorization.removeprefix("Bearer ")
    if token.count(".") != 2:
        return token == TOKEN
    payload = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return bool(said["iss"] == ACCOUNT)


def _multipart(kind: str, body: bytes) -> tuple[str, bytes]:
    """Returns the name and the bytes of an upload; clients differ in line ends."""
    boundary = re.search(r'boundary="?([^";]+)', kind)
    assert boundary, kind
    _, about, data, _ = body.split(b"--" + boundary[1].encode())
    end = b"\r\n" if about.startswith(b"\r\n") else b"\n"
    about, data = (p.partition(end * 2)[2].removesuffix(end) for p in (about, data))
    return json.loads(about)["name"], data


def _check(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def _item(bucket: str, name: str, data: bytes) -> dict[str, str]:
    """Returns Cloud Storage's description of an object."""
    about = {"name": name, "bucket": bucket, "size": str(len(data))}
    return about | {"updated": "2026-11-25T10:00:00Z", "crc32c": _check(data)}


_ROUTES = {
    "/apis/v2beta1": _Handler._kubeflow,
    "/v1/": _Handler._vertex,
    "/storage": _Handler._gcs,
    "/download": _Handler._gcs,
    "/upload": _Handler._gcs,
    "/s3": _Handler._s3,
}
