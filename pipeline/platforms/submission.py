"""Submission: a compiled pipeline becomes one run of a service, and never two.

A run's name is a hash of what is submitted. Every attempt begins by asking whether a
run of that name exists, so that an attempt whose answer was lost is found again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import sleep
from typing import Any, Protocol, TypeVar

from textmill.components.base import canonical_json
from textmill.models.errors import RemoteError

_ATTEMPTS = 6
_LONGEST_PAUSE = 60.0
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
ENDED = (SUCCEEDED, FAILED, CANCELLED, "skipped")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is asked of a service."""

    pipeline: str
    """The pipeline's name."""
    spec: bytes
    """The compiled file."""
    root: str
    """Where artifacts lie."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that differ from their defaults, by their names in the file."""
    cron: str | None = None
    """When runs are to begin, again and again; None begins one now."""
    again: str = ""
    """Tells apart submissions that are otherwise the same."""

    @property
    def name(self) -> str:
        """The run's name, the same for the same submission."""
        said = [hashlib.sha256(self.spec).hexdigest(), dict(self.values)]
        told = canonical_json([*said, self.root, self.cron, self.again])
        base = self.pipeline.replace("_", "-")[:40]
        return f"{base}-{hashlib.sha256(told).hexdigest()[:12]}"


@dataclass(frozen=True)
class Status:
    """How far a run is."""

    state: str
    """In small letters: pending, running, succeeded, failed, cancelled, ..."""
    tasks: Mapping[str, str] = field(default_factory=dict)
    """The same of every task that has begun."""
    page: str = ""
    """Where a browser shows it."""


class Transient(Exception):
    """A service did not answer, or asked to wait; the attempt may be repeated."""

    def __init__(self, sentence: str, pause: float | None = None) -> None:
        super().__init__(sentence)
        self.pause = pause


class Service(Protocol):
    """What Kubeflow Pipelines and Vertex both do."""

    def find(self, submission: Submission) -> str | None:
        """Returns the id of the run, or schedule, of this name; the oldest of them."""

    def create(self, submission: Submission) -> str:
        """Creates it, whether there is one or not; returns its id."""

    def discard(self, id: str, submission: Submission) -> None:
        """Ends and removes one that another of the same name came before."""

    def look(self, id: str) -> Status:
        """Returns how far a run is."""

    def cancel(self, id: str, submission: Submission) -> None:
        """Ends a run, or removes a schedule."""


def patiently(call: Callable[[], T]) -> T:
    """Repeats a call that may be repeated, a bounded number of times.

    Raises:
        RemoteError: it went on failing.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except Transient as fault:
            if attempt == _ATTEMPTS:
                raise RemoteError(
                    f"{fault}; gave up after {attempt} attempts: check the network, "
                    "then give the same command again, which begins no second run"
                ) from fault
            pause = fault.pause
            if pause is None:
                pause = random.uniform(0.5, 1.0) * 2 ** (attempt - 1)
            sleep(min(pause, _LONGEST_PAUSE))
    raise AssertionError("not reached")


def submit(service: Service, submission: Submission) -> tuple[str, bool]:
    """Creates the run unless it is there; returns its id, and whether it is new."""

    def attempt() -> tuple[str, bool]:
        if (known := service.find(submission)) is not None:
            return known, False
        return service.create(submission), True

    id, is_new = patiently(attempt)
    # Two processes may have seen none at once: the older one's run stays.
    oldest = patiently(lambda: service.find(submission)) or id
    if is_new and oldest != id:
        patiently(lambda: service.discard(id, submission))
        return oldest, False
    return oldest, is_new


def follow(
    service: Service,
    id: str,
    *,
    tell: Callable[[str, str], None],
    poll_seconds: float,
) -> Status:
    """Waits for a run's end, telling every change of a task as (task, state)."""
    told: dict[str, str] = {}
    while True:
        status = patiently(lambda: service.look(id))
        for task, state in status.tasks.items():
            if told.get(task) != state:
                told[task] = state
                tell(task, state)
        if status.state in ENDED:
            return status
        sleep(poll_seconds)
