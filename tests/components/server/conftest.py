"""Tiny exported models, and a server of them in a process of its own."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textmill.components.artifacts import PushedVersion
from textmill.components.manifest import write_manifest

LABELS = ("billing", "orders", "technical")
SERVE = """\
import json, sys
from functools import partial
from pathlib import Path
from textmill.components.server import ModelSource, ServerConfig, serve
from textmill.components.versions import current_version

options = json.loads(sys.argv[1])
tokens = tuple(options.pop("tokens", ()))
sources = [
    ModelSource(Path(folder).name, partial(current_version, Path(folder)))
    for folder in sys.argv[2:]
]
serve(sources, ServerConfig(port=0, tokens=tokens, poll_seconds=0.1, **options))
"""


class Reply:
    """A response: its status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class RunningServer:
    """A server process, its log and a client."""

    def __init__(self, folders: list[Path], **options: Any) -> None:
        names = list(map(str, folders))
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, json.dumps(options), *names],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        [address] = re.findall(r":(\d+)/", self.wait("serving")["url"])
        self.port = int(address)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    def wait(self, event: str, **fields: Any) -> dict[str, Any]:
        """Returns the first line of the log with an event and fields."""
        wanted = {"event": event, **fields}
        for _ in range(1200):
            for line in list(self.log):
                if wanted.items() <= line.items():
                    return line
            assert self._reading.is_alive(), self.log
            time.sleep(0.05)
        raise AssertionError(f"{wanted} is not in {self.log}")

    def ask(self, path: str, body: Any = None, **headers: str) -> Reply:
        """Sends GET, or POST with a body, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        method = "GET" if body is None else "POST"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, data, named)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def stop(self) -> int:
        """Ends the server by SIGTERM; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._reading.join()
        return code


def export(task: str, folder: Path, *, seed: int = 1, labels: tuple[str, ...] = ()):
    """Writes a version of an untrained model with a manifest, as a push does."""
    from textmill.models.config import ModelConfig
    from textmill.models.export.saved_model import SavedModel
    from textmill.models.generation.config import GenerateConfig
    from textmill.models.tasks import TASKS
    from textmill.models.tasks.server import ServingOptions
    from textmill.models.tokenizers import SPECIAL_TOKENS, Character

    tokenizer = Character([*SPECIAL_TOKENS, *" abcdefgh"])
    family = "gpt" if task == "causal_lm" else "bert"
    shape = {"layers": 1, "width": 16, "heads": 2, "sequence_length": 24}
    model = TASKS[task].load()(
        ModelConfig(family=family, **shape),
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        seed=seed,
        **({"num_labels": len(labels)} if labels else {}),
    )
    for weight in model.model.weights:
        weight.assign(weight * 8)
    options = ServingOptions(labels=labels, generate=GenerateConfig(max_tokens=8))
    SavedModel().write(model, tokenizer, folder, options)
    write_manifest(folder, kind=PushedVersion.__name__, facts={"serving": str(seed)})


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``pushed`` with a version of a classifier, ``topic``."""
    folder = tmp_path_factory.mktemp("served") / "pushed"
    export("classify", folder / "topic" / "1", labels=LABELS)
    return folder


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage with a version of a language model."""
    folder = tmp_path_factory.mktemp("written") / "pushed" / "story"
    export("causal_lm", folder / "1")
    return folder


@pytest.fixture(scope="session")
def server(stages: Path) -> Iterator[RunningServer]:
    """A server of the classifier, which waits a second at most for a request."""
    running = RunningServer([stages / "topic"], receive_seconds=1, max_body_bytes=2**20)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def both(stages: Path, story: Path) -> Iterator[RunningServer]:
    """A server of the classifier and of the language model."""
    running = RunningServer([stages / "topic", story])
    yield running
    running.stop()
