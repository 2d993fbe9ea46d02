"""Ten thousand requests at once: each has an answer, or a clear refusal."""

import asyncio
import json
import resource
from collections import Counter

import pytest

from tests.components.server.conftest import RunningServer

REQUESTS = 10_000
BODY = json.dumps({"instances": ["abba"]}).encode()
HEAD = (
    b"POST /v1/models/topic:predict HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY)
)


async def ask(port):
    """Returns the status of a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(HEAD + BODY)
        received = await reader.read()
    finally:
        writer.close()
    assert json.loads(received.partition(b"\r\n\r\n")[2])
    return received[9:12].decode()


async def ask_all(port):
    return await asyncio.gather(
        *(ask(port) for _ in range(REQUESTS)), return_exceptions=True
    )


@pytest.mark.slow
def test_ten_thousand_requests_at_once_are_answered_or_refused(stages):
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < REQUESTS + 100:
        pytest.skip(f"needs {REQUESTS:,} open files, this machine allows {most:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = RunningServer([stages / "topic"])
    try:
        statuses = Counter(map(str, asyncio.run(ask_all(server.port))))
        assert set(statuses) == {"200", "429"}
        assert server.ask("/readyz").status == 200
    finally:
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
