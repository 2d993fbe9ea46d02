"""Runs one node in a container: takes its result from the root, or uploads it."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.components.artifacts import (
    Evaluation,
    PushedModel,
    PushedVersion,
    TrainingLogs,
)
from textmill.components.base import Artifact, Component, Context
from textmill.components.manifest import MANIFEST
from textmill.models.errors import (
    IntegrityError,
    MachineError,
    Preempted,
    RemoteError,
    TextmillError,
)
from textmill.pipeline.cache.key import Keys, cache_key
from textmill.pipeline.periodic import run_periodically
from textmill.pipeline.publish import failed_dir, look_up, published_dir, work_dir
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.remote.tensorboard_sync import sync_events, sync_events_once
from textmill.pipeline.runners.worker import Job, make_job, run_job
from textmill.pipeline.secrets import resolve_secrets
from textmill.pipeline.store import MetadataStore

_GRACE_SECONDS = 60.0
_KEEP_SECONDS, _PAUSE_SECONDS = 1.0, 60.0
_REPORT_SECONDS = 10.0
_CHECKPOINT = re.compile(r"/checkpoints/step-\d+/")  # not one that is being written
_LOG = Path("this step's log")


@dataclass(frozen=True)
class NodeResult:
    """The result of a node."""

    state: str
    """``ran``, ``cached``, ``failed``, ``interrupted``, or ``helped``: the chief of
    several machines reports the node."""
    key: str
    seconds: float = 0.0
    exit_code: int = 0
    error: str | None = None
    outputs: Mapping[str, Artifact] = field(default_factory=dict)


class Deadline:
    """Stops a node after its timeout, or when the platform asks to.

    A resumable node gets a minute to save its state; any other node ends at once.
    """

    def __init__(self, node: Component, *, timeout: int | None = None) -> None:
        self._node, self._event = node, threading.Event()
        self._timeout = timeout
        if timeout is not None:
            self._start_timer(timeout, self._expire)

    @property
    def is_over(self) -> bool:
        """True once the node should save its state and end."""
        return self._event.is_set()

    def stop(self, *_: object) -> None:
        """Handles a signal."""
        if not self._node.resumable:
            raise SystemExit(Preempted.exit_code)
        self._event.set()

    def _expire(self) -> None:
        self._event.set()
        if self._node.resumable:
            self._start_timer(_GRACE_SECONDS, self._end)
        else:
            self._end()

    def _end(self) -> None:
        print(
            f"textmill: {self._node.id}: ran longer than its timeout of "
            f"{self._timeout} s; raise run.nodes.*.timeout, or give it more resources",
            file=sys.stderr,
            flush=True,
        )
        os._exit(MachineError.exit_code)

    def _start_timer(self, seconds: float, action: Any) -> None:
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        timer.start()


def execute(
    node: Component,
    inputs: Mapping[str, Any],
    mirror: Mirror,
    *,
    run_id: str,
    beam: Mapping[str, Any],
    deadline: Deadline,
) -> NodeResult:
    """Takes a node's result from the root, or executes it and uploads the result."""
    started = time.monotonic()
    _fetch_pushed(node, mirror)
    with MetadataStore(mirror.path) as store:
        parts = Keys(mirror.path, store).parts(node, _digests(inputs))
    key = cache_key(parts)
    if (known := fetch_cached(mirror, node, key)) is not None:
        return NodeResult("cached", key, outputs=known)
    work = work_dir(mirror.path, node.id, key).relative_to(mirror.path).as_posix()
    if node.resumable:
        mirror.fetch(work)
    places: dict[str, Path] = {"root": mirror.path, "log": _LOG}
    job = make_job(node, inputs, parts, run_id=run_id, beam=beam, **places)
    if not is_chief():
        return _join_training(node, job, inputs, deadline)
    checkpoints = _CheckpointSync(node, work, mirror)
    events = mirror.path / work / TrainingLogs.EVENTS
    sync = run_periodically(checkpoints.sync, seconds=_KEEP_SECONDS)
    with sync_events(events), sync:
        outcome = run_job(job, _Log(node.id), lambda: deadline.is_over)
    seconds = round(time.monotonic() - started, 3)
    if outcome.state not in ("ran", "cached"):
        checkpoints.finish()
        folder = failed_dir(mirror.path, run_id, node.id)
        mirror.send(folder.relative_to(mirror.path).as_posix())
        return NodeResult(outcome.state, key, seconds, outcome.exit_code, outcome.error)
    outputs = _upload(node, key, mirror)
    checkpoints.finish()
    return NodeResult(outcome.state, key, seconds, outputs=outputs)


def _upload(node: Component, key: str, mirror: Mirror) -> Mapping[str, Artifact]:
    """Uploads a node's published outputs and returns them."""
    entry = look_up(mirror.path, type(node), node.id, key)
    if entry.problem or not entry.outputs:
        raise IntegrityError(entry.problem or f"{node.id}: its artifacts are gone")
    for artifact in entry.outputs.values():
        if isinstance(artifact, TrainingLogs):
            sync_events_once(artifact.path / artifact.EVENTS)
    send_pushed(entry.outputs, mirror)
    mirror.send(_folder(mirror, node, key))
    return entry.outputs


class _CheckpointSync:
    """Uploads the checkpoints of a running node, and removes those of a finished one.

    If a bucket refuses them, training goes on: only the work since the last uploaded
    checkpoint would be lost with the machine.
    """

    def __init__(self, node: Component, work: str, mirror: Mirror) -> None:
        self._node, self._work, self._mirror = node, work, mirror
        self._pause_until, self._last_warning = 0.0, ""

    def sync(self) -> None:
        """Uploads new checkpoints, unless the bucket has just refused some."""
        if time.monotonic() >= self._pause_until:
            self._upload(done=False)

    def finish(self) -> None:
        """Makes the bucket's folder equal to the local one; empty if it is done."""
        self._upload(done=True)

    def _upload(self, *, done: bool) -> None:
        if not self._node.resumable:
            return
        try:
            self._mirror.keep(self._work, wanted=_is_checkpoint, done=done)
        except TextmillError as error:
            self._pause_until = time.monotonic() + _PAUSE_SECONDS
            if str(error) != self._last_warning:
                warning = f"textmill: checkpoints were not uploaded: {error}"
                print(warning, file=sys.stderr, flush=True)
                self._last_warning = str(error)


def _is_checkpoint(name: str) -> bool:
    return bool(_CHECKPOINT.search(name))


def is_chief() -> bool:
    """Returns True on the first of the machines that train together by TF_CONFIG."""
    tf_config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task, cluster = tf_config.get("task", {}), tf_config.get("cluster", {})
    first = "chief" if "chief" in cluster else "worker"
    return not task or (task["type"], int(task["index"])) == (first, 0)


def _join_training(
    node: Component, job: Job, inputs: Mapping[str, Any], deadline: Deadline
) -> NodeResult:
    """Trains together with the chief, whose outputs and messages count."""
    work = work_dir(job.root, job.node, job.key)
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        outputs = {}
        for name, port in node.contract.outputs.items():
            outputs[name] = port.type(Path(folder) / name)
            outputs[name].path.mkdir()
        context = Context(
            work_dir=work,
            should_stop=lambda: deadline.is_over,
            beam=job.beam,
            key=job.key,
        )
        config = resolve_secrets(node.config)
        node.execute(config=config, inputs=inputs, outputs=outputs, context=context)
    return NodeResult("helped", job.key)


def fetch_cached(
    mirror: Mirror, node: Component, key: str
) -> dict[str, Artifact] | None:
    """Returns a node's outputs if the root has all of them under a key.

    Of a remote root, only manifests and the execution are downloaded.
    """
    if not mirror.is_remote:
        entry = look_up(mirror.path, type(node), node.id, key)
        return dict(entry.outputs) if entry.execution is not None else None
    folder = _folder(mirror, node, key)
    if not mirror.fetch_history(folder):
        return None
    outputs = {
        name: port.type(mirror.path / folder / name)
        for name, port in node.contract.outputs.items()
    }
    for artifact in outputs.values():
        # Of pushed versions, only markers and cards are downloaded.
        if not isinstance(artifact, PushedModel) or not artifact.facts["pushed"]:
            continue
        if not (artifact.destination / PushedVersion.MODEL).exists():
            return None
    return outputs


def _folder(mirror: Mirror, node: Component, key: str) -> str:
    folder = published_dir(mirror.path, node.id, key)
    return folder.relative_to(mirror.path).as_posix()


def _digests(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: one.reference for key, one in value.items()}
        if isinstance(value, Mapping)
        else value.reference
        for name, value in inputs.items()
    }


def _fetch_pushed(node: Component, mirror: Mirror) -> None:
    """Downloads the markers and evaluation cards of a stage's pushed versions."""
    if any(c.type in (PushedModel, Evaluation) for c in node.outputs.values()):
        files = (PushedVersion.MODEL, PushedVersion.CARD, MANIFEST)
        endings = tuple(f"/{name}" for name in files)
        stage = node.id.partition(".")[2]
        mirror.fetch(f"pushed/{stage}", wanted=lambda name: name.endswith(endings))


def send_pushed(outputs: Mapping[str, Artifact], mirror: Mirror) -> None:
    """Uploads a pushed version, under a version number that no other run has.

    Raises:
        RemoteError: another run has taken that number since.
    """
    for artifact in outputs.values():
        if isinstance(artifact, PushedModel) and artifact.facts["pushed"]:
            path = artifact.destination.relative_to(mirror.path.resolve())
            folder = path.as_posix()
            if not mirror.claim(f"{folder}/{PushedVersion.CARD}"):
                raise RemoteError(
                    f"{mirror.root}/{folder}: another run has just pushed this "
                    "version; run again to push the next"
                )
            mirror.send(folder, last=PushedVersion.MODEL)


class _Log:
    """Prints a node's progress, one line every ten seconds."""

    def __init__(self, node: str) -> None:
        self._node, self._next = node, 0.0

    def __call__(self, kind: str, event: Any) -> None:
        if kind == "progress" and time.monotonic() >= self._next:
            self._next = time.monotonic() + _REPORT_SECONDS
            fields = " ".join(f"{name}={value}" for name, value in event.items())
            print(f"{self._node}: {fields}", flush=True)
