"""A server under load while its stage is pushed again and again.

    python tests/benchmarks/bench_serving_load.py STAGE [SECONDS] [RELOADS] [RATE]

STAGE is the ``pushed/<stage>`` of a classifier with two versions of different
weights; it is copied. Requests come at a steady rate over eight connections, from a
process that is not the server's; rollbacks alternate between the two models. Each
answer must have the bits of the version that the response names.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from textmill.components.versions import locked, prune, rollback

CONNECTIONS = 8
KEEP = 4
TEXTS = [
    f"{start} {end}, {greeting}"
    for start in ("My card was charged twice", "I cannot log in", "Cancel my order")
    for end in ("since Monday", "again", "for a week", "on my phone")
    for greeting in ("thanks", "help", "please")
]
PATH = "/v1/models/load:predict"


class Sample(NamedTuple):
    start: float
    seconds: float
    outcome: str


class Server:
    """``textmill serve`` in a process of its own."""

    def __init__(self, stage: Path) -> None:
        command = [sys.executable, "-m", "textmill.pipeline.cli", "serve"]
        self.process = subprocess.Popen(
            [*command, f"load={stage}/", "--port", "0", "--poll", "0.5"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        for line in self.process.stderr:
            if '"serving"' in line:
                self.port = int(re.search(r":(\d+)/", line)[1])
                break
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stderr:
            if '"event":"request"' not in line:
                self.events.append({**json.loads(line), "at": time.monotonic()})

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def resident(self) -> float:
        """Returns the memory of the server and its workers in MiB."""
        server = psutil.Process(self.process.pid)
        processes = [server, *server.children(recursive=True)]
        return sum(p.memory_info().rss for p in processes) / 2**20


def ask(connection: http.client.HTTPConnection, text: str) -> tuple[str, bytes]:
    """Returns the version and the body of an answer."""
    connection.request("POST", PATH, json.dumps({"instances": [text]}))
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        return f"status {response.status}", body
    return response.headers["X-Model-Version"], body


def learn(server: Server, version: int) -> dict[tuple[int, str], bytes]:
    """Returns the right bodies of a version's model by the version's parity."""
    connection, bodies = server.connect(), {}
    for text in TEXTS:
        answered_by, bodies[version % 2, text] = ask(connection, text)
        assert answered_by == str(version), answered_by
    return bodies


def send(
    server: Server,
    number: int,
    rate: float,
    end: float,
    bodies: dict[tuple[int, str], bytes],
    samples: list[Sample],
) -> None:
    """Sends requests at a steady rate, each at its time whatever the others took."""
    connection, count = server.connect(), number
    begin = time.monotonic()
    while (due := begin + count / rate) < end:
        time.sleep(max(0.0, due - time.monotonic()))
        text, outcome = TEXTS[count % len(TEXTS)], "right"
        try:
            version, body = ask(connection, text)
            if not version.isdecimal():
                outcome = version
            elif body != bodies[int(version) % 2, text]:
                outcome = "wrong"
        except (OSError, http.client.HTTPException) as error:
            connection, outcome = server.connect(), repr(error)
        samples.append(Sample(due, time.monotonic() - due, outcome))
        count += CONNECTIONS


def reload(stage: Path, server: Server) -> tuple[float, float]:
    """Rolls back to the other model; returns the times of the start and of the end.

    Versions of even and of odd numbers are one model each. The end is when the older
    version's process has ended.
    """
    start = time.monotonic()
    newest = max(int(p.name) for p in stage.iterdir() if p.name.isdecimal())
    rollback(stage, number=newest - 1)
    while not any(
        event["event"] == "unloaded" and event["version"] == newest
        for event in server.events
    ):
        assert server.process.poll() is None, "the server ended"
        time.sleep(0.1)
    with locked(stage):
        prune(stage, KEEP)
    return start, time.monotonic()


def measure(
    stage: Path, server: Server, *, seconds: float, reloads: int, rate: float
) -> None:
    """Sends requests while the stage is rolled back, and prints the outcome."""
    newest = max(int(p.name) for p in stage.iterdir() if p.name.isdecimal())
    bodies = learn(server, newest)
    reload(stage, server)
    bodies |= learn(server, newest + 1)
    before, begin, samples = server.resident(), time.monotonic(), []
    senders = [
        threading.Thread(
            target=send, args=(server, n, rate, begin + seconds, bodies, samples)
        )
        for n in range(CONNECTIONS)
    ]
    for sender in senders:
        sender.start()
    windows = []
    for count in range(reloads):
        time.sleep(max(0.0, begin + count * seconds / reloads + 2 - time.monotonic()))
        windows.append(reload(stage, server))
    for sender in senders:
        sender.join()
    report(samples, windows)
    print(f"memory: {before:.0f} MiB before, {server.resident():.0f} MiB after")


def report(samples: list[Sample], windows: list[tuple[float, float]]) -> None:
    """Prints the number of answers by outcome, and their times."""
    outcomes = Counter(sample.outcome for sample in samples)
    print(f"{len(samples):,} requests, {len(windows)} reloads: {dict(outcomes)}")
    during, others = [], []
    for sample in samples:
        is_during = any(start <= sample.start <= end for start, end in windows)
        (during if is_during else others).append(1000 * sample.seconds)
    for name, times in (("during a reload", during), ("between reloads", others)):
        cuts = statistics.quantiles(times, n=100)
        print(
            f"{name}: {len(times):,} requests, p50 {cuts[49]:.1f} ms, "
            f"p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms"
        )


def main() -> None:
    given = [float(argument) for argument in sys.argv[2:]]
    seconds, reloads, rate = given + [600.0, 20.0, 40.0][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(shutil.copytree(sys.argv[1], Path(folder) / "load"))
        server = Server(stage)
        try:
            measure(stage, server, seconds=seconds, reloads=int(reloads), rate=rate)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
