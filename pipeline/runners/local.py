"""LocalRunner: the nodes of a pipeline run on this machine, in worker processes.

The runner only schedules: it makes the keys, looks them up, and hands what is missing
to its lanes. Every way of ending it is safe. A node that finished is found by the next
run; a node that did not has left nothing under a final name, and resumes if it can.
"""

from __future__ import annotations

import pickle
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from textmill.components.base import Artifact, Channel, Component
from textmill.models.errors import (
    ConfigError,
    IntegrityError,
    MachineError,
    Preempted,
    TextmillError,
)
from textmill.pipeline.cache.diff import Parts, explain
from textmill.pipeline.cache.entry import CacheEntry, look_up
from textmill.pipeline.cache.key import Keys, cache_key, map_inputs
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.progress import make_progress
from textmill.pipeline.publish import sweep
from textmill.pipeline.run_log import RunLog
from textmill.pipeline.runners.worker import Job, Outcome
from textmill.pipeline.runners.worker_process import WorkerProcess
from textmill.pipeline.store import MetadataStore

_TICK_SECONDS = 0.2
_INTERRUPTED_EXIT: dict[int, int] = {
    signal.SIGINT: 130,
    signal.SIGTERM: Preempted.exit_code,
}


@dataclass(frozen=True)
class RunSummary:
    """How a run ended: ``summary.json`` and the exit code of the process."""

    data: dict[str, Any]
    exit_code: int


class LocalRunner:
    """Runs pipelines into one root folder.

    Args:
        root: where artifacts, runs and the store lie.
        lanes: nodes that run at once.
        retries: how often a node is tried again after its worker died.
        beam: Beam's pipeline options.
        progress: whether standard error tells what happens.
        grace_seconds: how long a resumable node may take to commit once stopped.
    """

    def __init__(
        self,
        root: Path,
        *,
        lanes: int = 1,
        retries: int = 0,
        beam: Mapping[str, Any] | None = None,
        progress: bool = True,
        grace_seconds: float = 30.0,
    ) -> None:
        self.root = root.absolute()
        self.lanes, self.retries = lanes, retries
        self.beam = dict(beam or {})
        self.progress, self.grace_seconds = progress, grace_seconds

    def run(self, pipeline: Pipeline, *, config_text: str = "") -> RunSummary:
        """Brings the selected nodes up to date.

        Raises:
            ConfigError: a selected node needs one that is neither selected nor made.
            TextmillError: the root folder or its store cannot be used.
        """
        progress = make_progress(shown=self.progress)
        try:
            with _Signals() as signals, MetadataStore(self.root) as store:
                store.abandon_dead_runs()
                sweep(self.root)
                record = RunLog(
                    self.root, store, pipeline, progress, config_text=config_text
                )
                run = _Run(self, pipeline, Keys(self.root, store), record, signals)
                return run.to_the_end()
        finally:
            progress.close()


class _Signals:
    """Notes SIGINT and SIGTERM, in place of obeying them, while it is entered."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in _INTERRUPTED_EXIT:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)


class _Run:
    """One run: which nodes wait, which are at work, and what was made."""

    def __init__(
        self,
        runner: LocalRunner,
        pipeline: Pipeline,
        keys: Keys,
        record: RunLog,
        signals: _Signals,
    ) -> None:
        self._runner, self._pipeline = runner, pipeline
        self._keys, self._record, self._signals = keys, record, signals
        needed = pipeline.needed()
        self._waiting = [node for node in pipeline.nodes if node.id in needed]
        self._missed: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._artifacts: dict[Channel, Artifact] = {}
        self._done: set[str] = set()
        self._not_done: set[str] = set()
        self._exit_code = 0
        self._deadline: float | None = None
        logs = record.folder / "logs"
        self._lanes = [
            WorkerProcess(logs / f"{index}.log") for index in range(runner.lanes)
        ]

    def to_the_end(self) -> RunSummary:
        """Runs until no node can be brought further."""
        try:
            self._schedule()
            while any(lane.node for lane in self._lanes):
                self._listen()
                self._obey()
                self._schedule()
            for node in self._waiting:
                self._not_finished(node, "skipped")
        except BaseException as error:
            code = error.exit_code if isinstance(error, TextmillError) else 1
            self._record.finish("failed", code)
            raise
        finally:
            for lane in self._lanes:
                lane.kill()
            sweep(self._runner.root)
        status, exit_code = self._verdict()
        self._record.finish(status, exit_code)
        return RunSummary(self._record.summary, exit_code)

    def _verdict(self) -> tuple[str, int]:
        if not self._not_done:
            return "succeeded", 0
        if self._signals.received:
            return "interrupted", _INTERRUPTED_EXIT[self._signals.received[0]]
        if self._exit_code == Preempted.exit_code:
            return "interrupted", self._exit_code
        return "failed", self._exit_code

    def _schedule(self) -> None:
        for node in list(self._waiting):
            if self._signals.received:
                return
            upstream = node.upstream()
            if upstream & self._not_done:
                self._waiting.remove(node)
                self._not_finished(node, "skipped")
            elif upstream <= self._done:
                self._advance(node)

    def _advance(self, node: Component) -> None:
        """Finishes a node from the cache, or starts it where a lane is free."""
        lane = next((lane for lane in self._lanes if lane.node is None), None)
        if lane is None and node.id in self._missed:
            return
        try:
            digests = map_inputs(node, lambda channel: self._artifacts[channel].digest)
            # Made anew when a lane gets free: files and code may change until then.
            parts = self._keys.parts(node, digests)
        except TextmillError as fault:
            self._waiting.remove(node)
            self._fail(node, fault.exit_code, str(fault))
            return
        key = cache_key(parts)
        found = look_up(self._runner.root, type(node), node.id, key)
        if found.execution is not None:
            self._waiting.remove(node)
            self._finished(node, "cached", found, seconds=0.0)
        elif node.id not in self._pipeline.selected:
            raise ConfigError(
                f"{node.id}: expected a result that is up to date, because selected "
                "nodes rest on it, found none; run it too"
            )
        elif lane is None:
            self._missed.add(node.id)
        else:
            self._waiting.remove(node)
            self._start(node, lane, key, parts, found)

    def _start(
        self,
        node: Component,
        lane: WorkerProcess,
        key: str,
        parts: Parts,
        found: CacheEntry,
    ) -> None:
        root = self._runner.root
        inputs = map_inputs(node, self._artifacts.__getitem__)
        job = Job(
            node=node.id,
            component=f"{type(node).__module__}:{type(node).__qualname__}",
            key=key,
            parts=parts,
            payload=pickle.dumps((node.config, inputs)),
            run_id=self._record.id,
            root=root,
            log=lane.log,
            beam=self._runner.beam,
        )
        reasons = [found.problem] if found.problem else explain(node, parts, root, {})
        self._record.event("node_started", node=node.id, key=key, reasons=reasons)
        self._started[node.id] = time.monotonic()
        lane.submit(node, job)

    def _listen(self) -> None:
        """Takes what the lanes say, for at most a tick."""
        busy = [lane for lane in self._lanes if lane.node]
        connection.wait([lane.connection for lane in busy], timeout=_TICK_SECONDS)
        for lane in busy:
            node, job = lane.node, lane.job
            assert node is not None and job is not None
            for kind, value in lane.messages():
                if kind == "progress":
                    self._record.event("progress", **{**value, "node": node.id})
                elif kind == "waiting":
                    self._record.event("node_waiting", node=node.id)
                elif kind == "outcome":
                    lane.release()
                    self._take(node, job, value)
                elif lane.node is not None:
                    lane.release()
                    self._take_death(node, job, value)

    def _take(self, node: Component, job: Job, outcome: Outcome) -> None:
        if outcome.state in ("ran", "cached"):
            found = look_up(self._runner.root, type(node), node.id, job.key)
            if found.execution is None:
                problem = found.problem or f"{node.id}: its artifacts are gone"
                self._fail(node, IntegrityError.exit_code, problem, key=job.key)
            else:
                self._finished(node, outcome.state, found, seconds=self._seconds(node))
        elif outcome.state == "interrupted":
            self._exit_code = self._exit_code or outcome.exit_code
            self._not_finished(node, "interrupted", key=job.key)
        else:
            self._fail(node, outcome.exit_code, str(outcome.error), key=job.key)

    def _take_death(self, node: Component, job: Job, status: int) -> None:
        if self._signals.received:
            self._not_finished(node, "interrupted", key=job.key)
            return
        how = f"ended with exit status {status}"
        if status < 0:
            how = f"was killed by signal {-status} ({signal.Signals(-status).name})"
        if status == -signal.SIGKILL:
            how += ", as Linux does when memory runs out"
        error = f"{node.id}: its worker {how}; see {job.log}"
        self._attempts[node.id] = self._attempts.get(node.id, 0) + 1
        if self._attempts[node.id] <= self._runner.retries:
            self._record.event("node_retried", node=node.id, error=error)
            self._waiting.insert(0, node)
        else:
            code = MachineError.exit_code if status == -signal.SIGKILL else 1
            self._fail(node, code, error, key=job.key)

    def _obey(self) -> None:
        """Stops what can resume, ends what cannot, and both once patience is over."""
        if not self._signals.received:
            return
        busy = [lane for lane in self._lanes if lane.node]
        if self._deadline is None:
            self._deadline = time.monotonic() + self._runner.grace_seconds
            for lane in busy:
                if lane.node is not None and lane.node.resumable:
                    lane.stop()
                else:
                    self._interrupt(lane)
        elif len(self._signals.received) > 1 or time.monotonic() > self._deadline:
            for lane in busy:
                self._interrupt(lane)

    def _interrupt(self, lane: WorkerProcess) -> None:
        node, job = lane.node, lane.job
        assert node is not None and job is not None
        lane.kill()
        lane.release()
        self._not_finished(node, "interrupted", key=job.key)

    def _finished(
        self, node: Component, state: str, found: CacheEntry, *, seconds: float
    ) -> None:
        assert found.execution is not None
        self._done.add(node.id)
        for name, artifact in found.outputs.items():
            self._artifacts[node.outputs[name]] = artifact
        if node.id in self._pipeline.selected:
            self._record.node_done(
                node, state, found.execution, found.outputs, seconds=seconds
            )

    def _fail(
        self, node: Component, exit_code: int, error: str, *, key: str | None = None
    ) -> None:
        self._exit_code = self._exit_code or exit_code
        self._not_done.add(node.id)
        self._record.node_not_done(
            node,
            "failed",
            key=key,
            seconds=self._seconds(node),
            exit_code=exit_code,
            error=error,
        )

    def _not_finished(
        self, node: Component, state: str, *, key: str | None = None
    ) -> None:
        self._not_done.add(node.id)
        self._record.node_not_done(node, state, key=key, seconds=self._seconds(node))

    def _seconds(self, node: Component) -> float:
        started = self._started.get(node.id)
        return 0.0 if started is None else round(time.monotonic() - started, 3)
