"""Trains in children that are killed: ``killed.py FOLDER FAMILY HOW SEED``.

HOW is a number of SIGKILLs at random instants, or a moment for one SIGTERM:
``compile``, ``step``, ``save`` or ``eval``. Children are forked, so that TensorFlow is
imported once. Prints as JSON what came of it; the last child ends the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from tests.models.training.runs import make_run, weights
from textmill.models.errors import Preempted
from textmill.models.training.checkpoint import Checkpoints

STEPS, EVERY = 300, 7


def train(folder: Path, family: str, steps: int, pipe: int) -> None:
    """Trains or goes on to the end, and says on a pipe where it is."""
    stopped: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, note)
    run = make_run(
        folder / "data",
        family=family,
        steps=steps,
        checkpoint_every=EVERY,
        eval_every=50,
        learning_rate=1e-3,
    )

    def tell(event: dict[str, Any]) -> None:
        if "step" in event:
            os.write(pipe, b"%d\n" % event["step"])

    os.write(pipe, b"0\n")
    run.run(
        checkpoints=Checkpoints(folder / "checkpoints", key="x"),
        report=tell,
        should_stop=lambda: bool(stopped),
    )
    (folder / "digest").write_text(digest(run))


def digest(run: Any) -> str:
    """Names weights and curves."""
    found = hashlib.sha256(json.dumps(run.history).encode())
    for value in weights(run):
        found.update(value.tobytes())
    return found.hexdigest()


class Child:
    """A forked run. Attributes: ``steps``, those it has told of."""

    def __init__(self, folder: Path, family: str, steps: int) -> None:
        self._out, into = os.pipe()
        self.steps: list[int] = []
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                train(folder, family, steps, into)
                code = 0
            except Preempted as fault:
                code = fault.exit_code
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(into)

    def hears(self, seconds: float) -> bool:
        """Waits for news at most so long; returns False once there will be none."""
        if select.select([self._out], [], [], seconds)[0]:
            news = os.read(self._out, 1 << 16)
            self.steps += [int(step) for step in news.split()]
            return bool(news)
        return True

    def end(self, number: int | None = None) -> int:
        """Sends a signal, if any, and returns the exit status."""
        if number is not None:
            os.kill(self.pid, number)
        while self.hears(60.0):
            pass
        os.close(self._out)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def half_written(saves: Path) -> set[tuple[str, int]]:
    """Returns the checkpoints that are being written, or were when a child died."""
    found = set()
    for path in saves.glob("*.staging"):
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_ctime_ns))
    return found


def kill(folder: Path, family: str, kills: int, seed: int) -> dict[str, Any]:
    """Kills so many children, every other one while it saves; then lets one end."""
    draw, steps, reached, in_save = random.Random(seed), 120 * kills, [], 0
    saves = folder / "checkpoints"
    for number in range(kills):
        child, before = Child(folder, family, steps), half_written(saves)
        while not any(child.steps):
            assert child.hears(60.0), "it ended before its first step"
        time.sleep(draw.uniform(0.0, 0.6))
        while number % 2 and not half_written(saves) - before and child.hears(0.0):
            pass
        assert child.end(signal.SIGKILL) == -signal.SIGKILL
        reached.append(max(child.steps))
        in_save += bool(half_written(saves) - before)
    status = Child(folder, family, steps).end()
    return {"reached": reached, "in_save": in_save, "status": status, "steps": steps}


def terminate(folder: Path, family: str, moment: str) -> dict[str, Any]:
    """Sends SIGTERM at a moment, then lets another child end the run."""
    child, saves = Child(folder, family, STEPS), folder / "checkpoints"

    def come() -> bool:
        last = child.steps[-1] if child.steps else -1
        if moment == "compile":
            return last == 0
        if moment == "step":
            return last > 20
        if moment == "eval":
            return last == 50
        return any(saves.glob("*.staging"))

    while not come():
        assert child.hears(0.0 if moment == "save" else 60.0), "it ended too early"
    if moment == "compile":
        time.sleep(0.5)  # Now it traces.
    status = child.end(signal.SIGTERM)
    # Stopped before its first step, a run has nothing to keep.
    kept = max((int(path.name[5:]) for path in saves.glob("step-????????")), default=0)
    lost = max(child.steps) - kept
    return {
        "status": status,
        "lost": lost,
        "kept": kept,
        "then": Child(folder, family, STEPS).end(),
    }


def main() -> None:
    folder, family, how, seed = Path(sys.argv[1]), *sys.argv[2:]
    if how.isdecimal():
        found = kill(folder, family, int(how), int(seed))
    else:
        found = terminate(folder, family, how)
    whole = folder / "whole"
    whole.mkdir()
    status = Child(whole, family, found.get("steps", STEPS)).end()
    assert status == 0
    same = [(path / "digest").read_text() for path in (folder, whole)]
    print(json.dumps({**found, "same": len(set(same)) == 1}))


if __name__ == "__main__":
    main()
