"""Progress of a run on standard error.

On a terminal, a live table of running nodes, with finished nodes above it; elsewhere
one line when a node starts or ends, and one every ten seconds in between. A node has
one status, and one reason for its execution. The summary counts skipped nodes.
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
_MARKS = {"ran": "✓", "cached": "·", "failed": "✗", "interrupted": "■"}
_COLOURS = {"ran": "green", "cached": "dim", "failed": "red", "interrupted": "yellow"}


class Progress(Protocol):
    """Base class: receives the events of a run as they happen."""

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Handles one event."""

    def tick(self) -> None:
        """Is called several times a second, also without an event."""

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

    def tick(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


@dataclass
class Activity:
    """The state of a running node."""

    node: str
    reason: str = ""
    started: float = field(default_factory=time.monotonic)
    waiting: str | None = None
    """The process that executes the node for another run, and how to end it."""
    event: Mapping[str, Any] = field(default_factory=dict)
    """The last report of the executor."""
    updated: float = 0.0
    """Time of that report."""

    def update(self, event: Mapping[str, Any]) -> None:
        """Records a report of the executor."""
        self.waiting = None
        self.event, self.updated = event, time.monotonic()
        if "resumed" in event:
            self.reason = f"resumed at step {event['resumed']:,}"

    def seconds_left(self) -> float | None:
        """Returns the expected remaining time in seconds, or None."""
        seconds = self.event.get("seconds_left")
        if seconds is None:
            return None
        return float(max(0.0, seconds - (time.monotonic() - self.updated)))

    def status(self) -> str:
        """Returns the phase, or step, loss, rate and time left, as far as known."""
        event, words = self.event, []
        if self.waiting is not None:
            return self.waiting
        if "phase" in event:
            return str(event["phase"])
        if "step" in event:
            total = f"/{event['total']:,}" if event.get("total") else ""
            words.append(f"step {event['step']:,}{total}")
        if event.get("loss") is not None:
            words.append(f"loss {event['loss']:.4g}")
        if event.get("rate") is not None:
            words.append(f"{event['rate']:,.4g} {event.get('unit', 'steps/s')}")
        if (left := self.seconds_left()) is not None:
            words.append(f"{clock(left)} left")
        return ", ".join(words) or "running"


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
    if remark := event.get("error") or event.get("note"):
        words.append(remark)
    elif activity is not None and activity.reason:
        words.append(activity.reason)
    return "  ".join(words)


def _stopping(event: Mapping[str, Any]) -> str:
    """Returns the answer to Ctrl-C or to a request to end."""
    nodes = event["saving"]
    if not nodes:
        return "stopping"
    again = "; press Ctrl-C again to stop without saving"
    verb = "finishes its step and saves" if len(nodes) == 1 else "finish and save"
    return f"stopping: {' and '.join(nodes)} {verb}{again if event['by_user'] else ''}"


class PlainProgress:
    """Prints one line per event, and one for every ten seconds without.

    Attributes:
        last: the time of the last line by running node.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._activities: dict[str, Activity] = {}
        self.last: dict[str, float] = {}

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Handles one event."""
        node = str(event.get("node", ""))
        if kind == "node_started":
            activity = Activity(node, event["reason"])
            self._activities[node] = activity
            self._say(node, f"started  {activity.reason}".rstrip())
        elif kind == "node_waiting":
            self._activities[node].waiting = event["message"]
            self._say(node, event["message"])
        elif kind == "node_retried":
            self._say(node, f"{event['error']}; trying again")
        elif kind == "node_finished" and event["state"] != "skipped":
            self._say(node, _outcome(event, self._activities.pop(node, None)))
        elif kind == "progress":
            self._activities[node].update(event)
            if "resumed" in event:
                self._say(node, self._activities[node].reason)
        elif kind == "stopping":
            self._print(_stopping(event))

    def tick(self) -> None:
        """Prints the status of nodes that were silent for ten seconds."""
        clock_time = time.monotonic()
        for node, activity in self._activities.items():
            if clock_time - self.last[node] >= _PLAIN_SECONDS:
                elapsed = clock(clock_time - activity.started)
                self._say(node, f"{elapsed}  {activity.status()}")

    def close(self) -> None:
        """Does nothing."""

    def _say(self, node: str, words: str) -> None:
        self.last[node] = time.monotonic()
        self._print(f"{node}: {words}")

    def _print(self, line: str) -> None:
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
            self._activities[node] = Activity(node, event["reason"])
        elif kind == "node_waiting":
            self._activities[node].waiting = event["message"]
        elif kind == "progress":
            self._activities[node].update(event)
        elif kind == "node_retried":
            self._print_node("!", node, f"{event['error']}; trying again", "yellow")
        elif kind == "node_finished" and event["state"] != "skipped":
            state = event["state"]
            outcome = _outcome(event, self._activities.pop(node, None))
            self._print_node(_MARKS[state], node, outcome, _COLOURS.get(state, "dim"))
        elif kind == "stopping":
            self._print(f"■ {_stopping(event)}", "yellow")

    def tick(self) -> None:
        """Does nothing: the table is redrawn by itself."""

    def close(self) -> None:
        """Removes the live region."""
        self._live.stop()

    def _print_node(self, mark: str, node: str, words: str, style: str) -> None:
        self._print(f"{mark} {node:<20} {words}", style)

    def _print(self, line: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text(visible(line), style=style))

    def _table(self) -> Table:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        for activity in list(self._activities.values()):
            elapsed = clock(time.monotonic() - activity.started)
            status = Text(visible(activity.status()))
            reason = Text(visible(activity.reason), style="dim", overflow="ellipsis")
            reason.no_wrap = True
            table.add_row(Spinner("dots"), activity.node, elapsed, status, reason)
        return table
