"""``textmill tensorboard``: serves the training logs of a root folder.

Events are in a work folder while a node trains and in its artifact afterwards. Links
give both the same name, ``<node>/<run>``, so that TensorBoard shows one curve.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from textmill.pipeline.cli.options import DEFAULT_ROOT, Root
from textmill.pipeline.cli.runs import check_root
from textmill.pipeline.periodic import run_periodically

_SECONDS = 3.0
_PLACES = ("work/*/*/events", "artifacts/*/*/logs/events")


def tensorboard(
    root: Root = DEFAULT_ROOT,
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = (6006),
) -> None:
    """Serves TensorBoard with all trainings of a root, including running ones."""
    check_root(root)
    raise typer.Exit(serve(root, port))


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


def _run_id(root: Path, node: str, key: str) -> str:
    """Returns the run that finished a training, or started it last; else its key."""
    from textmill.pipeline.garbage import started_results
    from textmill.pipeline.publish import EXECUTION, published_dir

    record = published_dir(root, node, key) / EXECUTION
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(record.read_bytes())["run_id"])
    for run in sorted(root.glob("runs/*"), reverse=True):
        if (node, key) in started_results(run):
            return run.name
    return key


def link(root: Path, folder: Path) -> None:
    """Updates the links of a folder to the current trainings of a root."""
    wanted = {}
    for place in _PLACES:
        for events in root.absolute().glob(place):
            node, key = events.relative_to(root.absolute()).parts[1:3]
            if "." not in key:  # skips unpublished artifacts
                wanted[folder / node / _run_id(root, node, key)] = events
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
