"""``textmill tensorboard``: serves the training logs of a root folder.

Events are in a work folder while a node trains and in its artifact afterwards. Links
give both the same name, ``<node>/<key>``, so that TensorBoard shows one curve.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from textmill.pipeline.periodic import run_periodically

_SECONDS = 3.0
_PLACES = ("work/*/*/events", "artifacts/*/*/logs/events")


def serve(root: Path, port: int) -> int:
    """Runs TensorBoard until it is stopped, and returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="textmill-curves-") as log_dir:
        folder = Path(log_dir)
        link(root, folder)
        options = [
            "--logdir",
            log_dir,
            "--port",
            str(port),
            "--window_title",
            "Textmill",
        ]
        with (
            run_periodically(lambda: link(root, folder), seconds=_SECONDS),
            subprocess.Popen(
                [sys.executable, "-m", "tensorboard.main", *options]
            ) as board,
        ):
            signal.signal(signal.SIGTERM, lambda *_: board.terminate())
            with suppress(KeyboardInterrupt):  # TensorBoard gets it, too
                return board.wait()
            return board.wait()


def link(root: Path, folder: Path) -> None:
    """Updates the links of a folder to the current trainings of a root."""
    wanted = {}
    for place in _PLACES:
        for events in root.absolute().glob(place):
            node, key = events.relative_to(root.absolute()).parts[1:3]
            if "." not in key:  # skips unpublished artifacts
                wanted[folder / node / key] = events
    for path in folder.glob("*/*"):
        if path not in wanted:
            path.unlink()
    for path, events in wanted.items():
        if path.is_symlink() and path.readlink() == events:
            continue
        path.parent.mkdir(exist_ok=True)
        draft = folder / f".{path.name}"
        draft.symlink_to(events)
        os.replace(draft, path)
