"""One node at work in a container: looked up in the root, else made and sent there."""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.components.artifacts import Evaluation, PushedModel, TrainingLogs
from textmill.components.base import Artifact, Component, Context
from textmill.models.errors import (
    IntegrityError,
    MachineError,
    Preempted,
    RemoteError,
    TextmillError,
)
from textmill.pipeline.cache.entry import look_up
from textmill.pipeline.cache.key import Keys, cache_key
from textmill.pipeline.periodic import repeating
from textmill.pipeline.publish import published_dir, work_dir
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.remote.tensorboard_sync import show_last, showing
from textmill.pipeline.runners.worker import Job, run_job
from textmill.pipeline.secrets import resolve_secrets
from textmill.pipeline.store import MetadataStore

_GRACE_SECONDS = 60.0
_KEEP_SECONDS, _PAUSE_SECONDS = 1.0, 60.0
_REPORT_SECONDS = 10.0
_CHECKPOINT = re.compile(r"/checkpoints/step-\d+/")  # none that is being written
_LOG = Path("this step's log")


@dataclass(frozen=True)
class Done:
    """How a node ended."""

    state: str
    """``ran``, ``cached``, ``failed``, ``interrupted``, or ``helped`` another machine's
    run, which tells of it."""
    key: str
    seconds: float = 0.0
    exit_code: int = 0
    error: str | None = None
    outputs: Mapping[str, Artifact] = field(default_factory=dict)


class Watch:
    """Stops a node when its time is over, or the engine says so.

    A node that can resume is asked, and given a minute; any other is ended at once.
    """

    def __init__(self, node: Component, *, timeout: int | None = None) -> None:
        self._node, self._event = node, threading.Event()
        self._timeout = timeout
        if timeout is not None:
            self._after(timeout, self._expire)

    @property
    def is_over(self) -> bool:
        """Whether the node should commit its state and end."""
        return self._event.is_set()

    def stop(self, *_: object) -> None:
        """Obeys a signal."""
        if not self._node.resumable:
            raise SystemExit(Preempted.exit_code)
        self._event.set()

    def _expire(self) -> None:
        self._event.set()
        if self._node.resumable:
            self._after(_GRACE_SECONDS, self._end)
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

    def _after(self, seconds: float, act: Any) -> None:
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()


def execute(
    node: Component,
    inputs: Mapping[str, Any],
    mirror: Mirror,
    *,
    run_id: str,
    beam: Mapping[str, Any],
    watch: Watch,
) -> Done:
    """Takes a node from the root, or makes it and sends it there."""
    started = time.monotonic()
    _fetch_versions(node, mirror)
    with MetadataStore(mirror.path) as store:
        parts = Keys(mirror.path, store).parts(node, _digests(inputs))
    key = cache_key(parts)
    if (known := fetch_known(mirror, node, key)) is not None:
        return Done("cached", key, outputs=known)
    work = work_dir(mirror.path, node.id, key).relative_to(mirror.path).as_posix()
    if node.resumable:
        mirror.fetch(work)
    job = Job(
        node=node.id,
        component=f"{type(node).__module__}:{type(node).__qualname__}",
        key=key,
        parts=parts,
        payload=pickle.dumps((node.config, dict(inputs))),
        run_id=run_id,
        root=mirror.path,
        log=_LOG,
        beam=beam,
    )
    if not is_chief():
        return _help(node, job, inputs, watch)
    keeping = _Keeping(node, work, mirror)
    with (
        showing(mirror.path / work / TrainingLogs.EVENTS),
        repeating(keeping.go_on, seconds=_KEEP_SECONDS),
    ):
        outcome = run_job(job, _Log(node.id), lambda: watch.is_over)
    seconds = round(time.monotonic() - started, 3)
    if outcome.state not in ("ran", "cached"):
        keeping.end()
        return Done(outcome.state, key, seconds, outcome.exit_code, outcome.error)
    found = look_up(mirror.path, type(node), node.id, key)
    if found.problem or not found.outputs:
        raise IntegrityError(found.problem or f"{node.id}: its artifacts are gone")
    for artifact in found.outputs.values():
        if isinstance(artifact, TrainingLogs):
            show_last(artifact.path / artifact.EVENTS)
    send_versions(found.outputs, mirror)
    mirror.send(_folder(mirror, node, key))
    keeping.end()
    return Done(outcome.state, key, seconds, outputs=found.outputs)


class _Keeping:
    """Sends the checkpoints of work that goes on, and removes those of work done.

    A bucket that does not take them costs what was done since the last ones, should the
    machine be lost, and nothing else.
    """

    def __init__(self, node: Component, work: str, mirror: Mirror) -> None:
        self._node, self._work, self._mirror = node, work, mirror
        self._pause_until, self._said = 0.0, ""

    def go_on(self) -> None:
        """Sends what is new, unless the bucket has just refused."""
        if time.monotonic() >= self._pause_until:
            self._keep(done=False)

    def end(self) -> None:
        """Leaves in the bucket what is here: nothing, if the work is done."""
        self._keep(done=True)

    def _keep(self, *, done: bool) -> None:
        if not self._node.resumable:
            return
        try:
            self._mirror.keep(self._work, wanted=_is_checkpoint, done=done)
        except TextmillError as fault:
            self._pause_until = time.monotonic() + _PAUSE_SECONDS
            if str(fault) != self._said:
                said = f"textmill: checkpoints are not kept as they should be: {fault}"
                print(said, file=sys.stderr, flush=True)
                self._said = str(fault)


def _is_checkpoint(name: str) -> bool:
    return bool(_CHECKPOINT.search(name))


def is_chief() -> bool:
    """Whether this machine is the first of those that TF_CONFIG says train together."""
    told = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task, cluster = told.get("task", {}), told.get("cluster", {})
    first = "chief" if "chief" in cluster else "worker"
    return not task or (task["type"], int(task["index"])) == (first, 0)


def _help(node: Component, job: Job, inputs: Mapping[str, Any], watch: Watch) -> Done:
    """Takes part in what the chief makes; what it says and writes is the chief's."""
    work = work_dir(job.root, job.node, job.key)
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        outputs = {}
        for name, port in node.contract.outputs.items():
            outputs[name] = port.type(Path(folder) / name)
            outputs[name].path.mkdir()
        context = Context(
            work_dir=work, should_stop=lambda: watch.is_over, beam=job.beam
        )
        config = resolve_secrets(node.config)
        node.execute(config=config, inputs=inputs, outputs=outputs, context=context)
    return Done("helped", job.key)


def fetch_known(
    mirror: Mirror, node: Component, key: str
) -> dict[str, Artifact] | None:
    """Returns a node's outputs if the root holds all of them under a key.

    Of a remote root's artifacts only what tells of them is brought here.
    """
    if not mirror.is_remote:
        found = look_up(mirror.path, type(node), node.id, key)
        return dict(found.outputs) if found.execution is not None else None
    folder = _folder(mirror, node, key)
    if not mirror.fetch_history(folder):
        return None
    outputs = {
        name: port.type(mirror.path / folder / name)
        for name, port in node.contract.outputs.items()
    }
    gone = any(artifact.missing_reason() for artifact in outputs.values())
    return None if gone else outputs


def _folder(mirror: Mirror, node: Component, key: str) -> str:
    folder = published_dir(mirror.path, node.id, key)
    return folder.relative_to(mirror.path).as_posix()


def _digests(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: one.digest for key, one in value.items()}
        if isinstance(value, Mapping)
        else value.digest
        for name, value in inputs.items()
    }


def _fetch_versions(node: Component, mirror: Mirror) -> None:
    """Brings what tells which versions were pushed, and how they were evaluated."""
    if any(c.type in (PushedModel, Evaluation) for c in node.outputs.values()):
        telling = (f"/{PushedModel.MODEL}", f"/{PushedModel.CARD}")
        stage = node.id.partition(".")[2]
        mirror.fetch(f"pushed/{stage}", wanted=lambda name: name.endswith(telling))


def send_versions(outputs: Mapping[str, Artifact], mirror: Mirror) -> None:
    """Sends the version that was pushed, under a number that is its own.

    Raises:
        RemoteError: another run has taken that number since.
    """
    for artifact in outputs.values():
        if isinstance(artifact, PushedModel) and artifact.facts["pushed"]:
            path = artifact.destination.relative_to(mirror.path.resolve())
            folder = path.as_posix()
            if not mirror.claim(f"{folder}/{PushedModel.CARD}"):
                raise RemoteError(
                    f"{mirror.root}/{folder}: another run has just pushed this "
                    "version; run again to push the next"
                )
            mirror.send(folder, last=PushedModel.MODEL)


class _Log:
    """Prints a node's progress, a line every ten seconds."""

    def __init__(self, node: str) -> None:
        self._node, self._next = node, 0.0

    def __call__(self, kind: str, event: Any) -> None:
        if kind == "progress" and time.monotonic() >= self._next:
            self._next = time.monotonic() + _REPORT_SECONDS
            said = " ".join(f"{name}={value}" for name, value in event.items())
            print(f"{self._node}: {said}", flush=True)
