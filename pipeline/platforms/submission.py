"""Submission: starts exactly one run of a compiled pipeline on a service.

A run's name is a hash of the submission. Every attempt first looks for a run of that
name, so an attempt whose answer was lost is found again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import sleep
from typing import Any, Protocol, TypeVar

from textmill.components.manifest import canonical_json
from textmill.models.errors import RemoteError

_ATTEMPTS = 6
_LONGEST_PAUSE = 60.0
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
ENDED = (SUCCEEDED, FAILED, CANCELLED, "skipped")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request to run a compiled pipeline."""

    pipeline: str
    """The pipeline's name."""
    spec: bytes
    """The compiled file."""
    root: str
    """The root of the artifacts."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that differ from their defaults, by their names in the file."""
    cron: str | None = None
    """The schedule of a recurring run; None starts one run now."""
    again: str = ""
    """Distinguishes submissions that are otherwise equal."""

    @property
    def name(self) -> str:
        """The run's name, the same for the same submission."""
        spec = hashlib.sha256(self.spec).hexdigest()
        content = [spec, dict(self.values), self.root, self.cron, self.again]
        digest = hashlib.sha256(canonical_json(content)).hexdigest()
        base = self.pipeline.replace("_", "-")[:40]
        return f"{base}-{digest[:12]}"


@dataclass(frozen=True)
class Status:
    """The state of a run."""

    state: str
    """pending, running, succeeded, failed, cancelled, ..."""
    tasks: Mapping[str, str] = field(default_factory=dict)
    """The state of every task that has started."""
    page: str = ""
    """The address of its page."""


class Transient(Exception):
    """A service did not answer, or asked to wait; the call can be repeated."""

    def __init__(self, sentence: str, pause: float | None = None) -> None:
        super().__init__(sentence)
        self.pause = pause


class Service(Protocol):
    """Base class: the operations of Kubeflow Pipelines and Vertex."""

    def find(self, submission: Submission) -> str | None:
        """Returns the id of the oldest run, or schedule, of the submission's name."""

    def create(self, submission: Submission) -> str:
        """Creates a run, or schedule, without looking for others; returns its id."""

    def discard(self, id: str, submission: Submission) -> None:
        """Ends and removes a duplicate."""

    def status(self, id: str) -> Status:
        """Returns the state of a run."""

    def cancel(self, id: str, submission: Submission) -> None:
        """Ends a run, or removes a schedule."""


def with_retries(call: Callable[[], T]) -> T:
    """Calls a function, and repeats transient failures a bounded number of times.

    Raises:
        RemoteError: every attempt failed.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except Transient as error:
            if attempt == _ATTEMPTS:
                raise RemoteError(
                    f"{error}; gave up after {attempt} attempts: check the network, "
                    "then give the same command again; it starts no second run"
                ) from error
            pause = error.pause
            if pause is None:
                pause = random.uniform(0.5, 1.0) * 2 ** (attempt - 1)
            sleep(min(pause, _LONGEST_PAUSE))
    raise AssertionError("not reached")


def submit(service: Service, submission: Submission) -> tuple[str, bool]:
    """Creates the run unless it exists; returns its id, and True if it is new."""

    def attempt() -> tuple[str, bool]:
        if (known := service.find(submission)) is not None:
            return known, False
        return service.create(submission), True

    id, is_new = with_retries(attempt)
    # Two processes may both have found none: the older run stays.
    oldest = with_retries(lambda: service.find(submission)) or id
    if is_new and oldest != id:
        with_retries(lambda: service.discard(id, submission))
        return oldest, False
    return oldest, is_new


def follow(
    service: Service,
    id: str,
    *,
    report: Callable[[str, str], None],
    poll_seconds: float,
) -> Status:
    """Waits for a run's end, reporting every change of a task as (task, state)."""
    states: dict[str, str] = {}
    while True:
        status = with_retries(lambda: service.status(id))
        for task, state in status.tasks.items():
            if states.get(task) != state:
                states[task] = state
                report(task, state)
        if status.state in ENDED:
            return status
        sleep(poll_seconds)
