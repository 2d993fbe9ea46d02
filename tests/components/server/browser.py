"""A headless Chromium, driven by the WebDriver protocol, for tests of pages."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--force-device-scale-factor=1"),
)
ENTER, TAB, CONTROL = "\ue007", "\ue004", "\ue009"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def is_installed() -> bool:
    return all(shutil.which(name) for name in ("chromium", "chromedriver"))


class Browser:
    def __init__(self, url: str) -> None:
        self._url = url

    def _send(self, path: str, body: Any = None, method: str = "POST") -> Any:
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]

    def open(self, url: str) -> None:
        self._send("/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._send("/execute/sync", {"script": script, "args": arguments})

    def wait(self, condition: str, seconds: float = 30) -> Any:
        """Returns the value of a JavaScript expression once it is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(f"return {condition}")):
            assert time.monotonic() < end, condition
            time.sleep(0.1)
        return value

    def press(self, *keys: str) -> None:
        """Presses keys together, then releases them."""
        actions = [{"type": "keyDown", "value": key} for key in keys]
        actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._send(
            "/actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]}
        )

    def type(self, text: str) -> None:
        for character in text:
            self.press(character)

    def emulate(self, scheme: str) -> None:
        """Sets the preferred colour scheme: light or dark."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        command = {
            "cmd": "Emulation.setEmulatedMedia",
            "params": {"features": [feature]},
        }
        self._send("/goog/cdp/execute", command)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._send("/screenshot", method="GET")))


@contextmanager
def browsing(
    folder: Path, *, width: int = 1000, height: int = 1100
) -> Iterator[Browser]:
    """Context manager: a browser with a profile in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/status")
        options = {
            "args": [
                *ARGUMENTS,
                f"--window-size={width},{height}",
                f"--user-data-dir={folder}",
            ]
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options}
        started = Browser(url)._send(
            "/session", {"capabilities": {"alwaysMatch": wanted}}
        )
        session = f"/session/{started['sessionId']}"
        try:
            yield Browser(url + session)
        finally:
            Browser(url)._send(session, method="DELETE")
    finally:
        driver.terminate()
        driver.wait()


def _wait(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
