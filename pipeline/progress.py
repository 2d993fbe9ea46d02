"""Progress of a run on standard error.

On a terminal, a live table of running nodes, with finished nodes above it; elsewhere
one line when a node starts or ends, and one every ten seconds in between.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.table import Table

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_PLAIN_SECONDS = 10.0
_MARKS = {"ran": "✓", "cached": "·", "failed": "✗", "interrupted": "■", "skipped": "-"}
_COLOURS = {"ran": "green", "cached": "dim", "failed": "red", "interrupted": "yellow"}


class Progress(Protocol):
    """Base class: receives the events of a run as they happen."""

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Handles one event."""

    def close(self) -> None:
        """Ends the display."""


def make_progress(*, shown: bool) -> Progress:
    """Returns live or plain progress for standard error, or a silent one."""
    if not shown:
        return SilentProgress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress(sys.stderr)


class SilentProgress:
    """Shows nothing."""

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Handles one event."""

    def close(self) -> None:
        """Does nothing."""


@dataclass
class Activity:
    """The state of a running node."""

    node: str
    reasons: tuple[str, ...] = ()
    started: float = field(default_factory=time.monotonic)
    waits_for: str | None = None
    """The id of the process that is executing the node for another run."""
    event: dict[str, Any] = field(default_factory=dict)
    first: tuple[float, float] | None = None
    """Time and step of the first report, from which the speed is measured."""

    def update(self, event: Mapping[str, Any]) -> None:
        """Records a report of the executor."""
        self.waits_for = None
        self.event |= event
        if self.first is None and "step" in event:
            self.first = (time.monotonic(), event["step"])

    def seconds_left(self) -> float | None:
        """Returns the expected remaining time in seconds, or None."""
        step, total = self.event.get("step"), self.event.get("total")
        if self.first is None or step is None or not total or step <= self.first[1]:
            return None
        seconds_per_step = (time.monotonic() - self.first[0]) / (step - self.first[1])
        return float(seconds_per_step * (total - step))

    def words(self) -> list[str]:
        """Returns step, loss, rate and time left, as far as they are known."""
        event, words = self.event, []
        if self.waits_for is not None:
            words.append(f"waits for process {self.waits_for}, which is executing it")
        if "step" in event:
            total = f"/{event['total']:,}" if event.get("total") else ""
            words.append(f"{event.get('phase', 'step')} {event['step']:,}{total}")
        if event.get("loss") is not None:
            words.append(f"loss {event['loss']:.4g}")
        if event.get("rate") is not None:
            words.append(f"{event['rate']:,.4g} {event.get('unit', 'steps/s')}")
        if (left := self.seconds_left()) is not None:
            words.append(f"{clock(left)} left")
        return words


def visible(text: str) -> str:
    """Returns a text with terminal control characters escaped."""
    return _CONTROLS.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", text)


def clock(seconds: float) -> str:
    """Returns ``0:07``, ``12:31`` or ``1:02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def _outcome(event: Mapping[str, Any], activity: Activity | None) -> str:
    words = [event["state"]]
    if event["state"] not in ("cached", "skipped"):
        words.append(clock(event["seconds"]))
    if event.get("error"):
        words.append(event["error"])
    elif event.get("note"):
        words.append(event["note"])
    elif activity is not None:
        words.extend(activity.reasons[:3])
    return "  ".join(words)


class PlainProgress:
    """Prints one line per event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._activities: dict[str, Activity] = {}
        self._last: dict[str, float] = {}

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Handles one event."""
        node = str(event.get("node", ""))
        if kind == "node_started":
            activity = Activity(node, tuple(event["reasons"]))
            self._activities[node] = activity
            self._last[node] = activity.started
            self._say(f"{node}: started  {'  '.join(activity.reasons[:3])}".rstrip())
        elif kind == "node_waiting":
            self._say(
                f"{node}: waits for process {event['process']}, which is executing it"
            )
        elif kind == "node_retried":
            self._say(f"{node}: {event['error']}; trying again")
        elif kind == "node_finished":
            self._say(f"{node}: {_outcome(event, self._activities.pop(node, None))}")
        elif kind == "progress":
            self._progress(node, event)

    def close(self) -> None:
        """Does nothing."""

    def _progress(self, node: str, event: Mapping[str, Any]) -> None:
        activity = self._activities[node]
        activity.update(event)
        seconds = time.monotonic()
        if seconds - self._last[node] >= _PLAIN_SECONDS:
            self._last[node] = seconds
            self._say(f"{node}: {', '.join(activity.words())}")

    def _say(self, line: str) -> None:
        print(visible(line), file=self._stream, flush=True)


class LiveProgress:
    """Shows running nodes in a live table, and prints finished nodes above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, highlight=False)
        self._activities: dict[str, Activity] = {}
        self._live = Live(
            get_renderable=self._table, console=self._console, transient=True
        )
        self._live.start()

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Handles one event."""
        node = str(event.get("node", ""))
        if kind == "node_started":
            self._activities[node] = Activity(node, tuple(event["reasons"]))
        elif kind == "node_waiting":
            self._activities[node].waits_for = event["process"]
        elif kind == "progress":
            self._activities[node].update(event)
        elif kind == "node_retried":
            self._print("!", node, f"{event['error']}; trying again", "yellow")
        elif kind == "node_finished":
            state = event["state"]
            outcome = _outcome(event, self._activities.pop(node, None))
            self._print(_MARKS[state], node, outcome, _COLOURS.get(state, "dim"))

    def close(self) -> None:
        """Removes the live region."""
        self._live.stop()

    def _print(self, mark: str, node: str, words: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text(visible(f"{mark} {node:<20} {words}"), style=style))

    def _table(self) -> Table:
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for activity in list(self._activities.values()):
            elapsed = clock(time.monotonic() - activity.started)
            words = "  ".join(activity.words()) or "  ".join(activity.reasons[:1])
            table.add_row(Spinner("dots"), activity.node, elapsed, words)
        return table
