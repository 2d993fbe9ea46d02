"""LocalRunner: runs the nodes of a pipeline on this machine, in worker processes.

The runner only schedules: it computes cache keys, looks them up, and hands the missing
nodes to its workers. It may be killed at any time. The next run finds the nodes that
finished; an unfinished node has published nothing, and resumes if its component can.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
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
from textmill.pipeline.cache.diff import Parts, explain, main_reason
from textmill.pipeline.cache.key import Keys, cache_key, map_inputs
from textmill.pipeline.machine_errors import tells_of_no_memory
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.progress import Progress, make_progress
from textmill.pipeline.publish import CacheEntry, look_up, shared_root, sweep
from textmill.pipeline.run_log import RunLog
from textmill.pipeline.runners.temporary_dir import temporary_dir
from textmill.pipeline.runners.worker import Job, Outcome, make_job
from textmill.pipeline.runners.worker_process import WorkerProcess
from textmill.pipeline.secrets import hide_secrets, secret_values
from textmill.pipeline.store import MetadataStore

_TICK_SECONDS = 0.2
_TAIL_BYTES = 16384
_INTERRUPTED_EXIT: dict[int, int] = {
    signal.SIGINT: 130,
    signal.SIGTERM: Preempted.exit_code,
}


@dataclass(frozen=True)
class RunSummary:
    """The result of a run: ``summary.json`` and the exit code of the process."""

    data: dict[str, Any]
    exit_code: int


class LocalRunner:
    """Runs pipelines in one root folder.

    Args:
        root: the folder of artifacts, runs and the store.
        workers: nodes that run at once.
        retries: how often a node is tried again after its worker died.
        beam: Beam's pipeline options.
        progress: whether to show progress on standard error.
        grace_seconds: time that a resumable node has to save its state when stopped.
    """

    def __init__(
        self,
        root: Path,
        *,
        workers: int = 1,
        retries: int = 0,
        beam: Mapping[str, Any] | None = None,
        progress: bool = True,
        grace_seconds: float = 30.0,
    ) -> None:
        self.root = root.absolute()
        self.workers, self.retries = workers, retries
        self.beam = dict(beam or {})
        self.progress, self.grace_seconds = progress, grace_seconds

    def run(self, pipeline: Pipeline, *, config_text: str = "") -> RunSummary:
        """Brings the selected nodes up to date.

        Raises:
            ConfigError: a selected node needs one that is not selected nor up to date.
            TextmillError: the root folder or its store cannot be used.
        """
        progress = make_progress(shown=self.progress)
        log: RunLog | None = None
        try:
            with (
                _Signals() as signals,
                MetadataStore(self.root) as store,
                shared_root(self.root),
                temporary_dir() as temporary,
            ):
                store.abandon_dead_runs()
                sweep(self.root)
                log = RunLog(
                    self.root, store, pipeline, progress, config_text=config_text
                )
                workers = [
                    WorkerProcess(log.folder / "logs" / f"{index}.log", temporary)
                    for index in range(self.workers)
                ]
                run = _Run(
                    self,
                    pipeline,
                    Keys(self.root, store),
                    log,
                    signals,
                    progress,
                    workers,
                )
                return run.run()
        except (OSError, TextmillError) as error:
            if log is None or log.folder.is_dir():
                raise
            raise MachineError(
                f"{self.root}: was moved or deleted while a run was using it; put it "
                "back, then run the same command again"
            ) from error
        finally:
            progress.close()


class _Signals:
    """Context manager: records SIGINT and SIGTERM instead of ending the process."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in _INTERRUPTED_EXIT:
                self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)


class _Run:
    """The state of one run: waiting nodes, busy workers, finished artifacts."""

    def __init__(
        self,
        runner: LocalRunner,
        pipeline: Pipeline,
        keys: Keys,
        log: RunLog,
        signals: _Signals,
        progress: Progress,
        workers: list[WorkerProcess],
    ) -> None:
        self._runner, self._pipeline = runner, pipeline
        self._keys, self._log, self._signals = keys, log, signals
        self._progress = progress
        self._origins: dict[str, str] = {}
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
        self._workers = workers

    def run(self) -> RunSummary:
        """Runs until no node can make progress."""
        try:
            self._schedule()
            while any(worker.node for worker in self._workers):
                self._receive()
                self._progress.tick()
                self._handle_signals()
                self._schedule()
            for node in self._waiting:
                self._not_finished(node, "skipped")
        except BaseException as error:
            code = error.exit_code if isinstance(error, TextmillError) else 1
            self._log.finish("failed", code)
            raise
        finally:
            for worker in self._workers:
                worker.kill()
            sweep(self._runner.root)
        status, exit_code = self._status()
        self._log.finish(status, exit_code)
        return RunSummary(self._log.summary, exit_code)

    def _status(self) -> tuple[str, int]:
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
        """Takes a node from the cache, or starts it if a worker is free."""
        worker = next((worker for worker in self._workers if worker.node is None), None)
        if worker is None and node.id in self._missed:
            return
        try:
            digests = map_inputs(node, lambda c: self._artifacts[c].reference)
            # Computed again when a worker gets free: files and code may have changed.
            parts = self._keys.parts(node, digests)
        except TextmillError as error:
            self._waiting.remove(node)
            self._fail(node, error.exit_code, str(error))
            return
        key = cache_key(parts)
        entry = look_up(self._runner.root, type(node), node.id, key)
        if entry.execution is not None:
            self._waiting.remove(node)
            self._finished(node, "cached", entry, seconds=0.0)
        elif node.id not in self._pipeline.selected:
            raise ConfigError(
                f"{node.id}: expected a result that is up to date, because selected "
                "nodes need it, found none; run it too"
            )
        elif worker is None:
            self._missed.add(node.id)
        else:
            self._waiting.remove(node)
            self._start(node, worker, parts, entry)

    def _start(
        self,
        node: Component,
        worker: WorkerProcess,
        parts: Parts,
        entry: CacheEntry,
    ) -> None:
        root = self._runner.root
        inputs = map_inputs(node, self._artifacts.__getitem__)
        job = make_job(
            node,
            inputs,
            parts,
            run_id=self._log.id,
            root=root,
            log=worker.log,
            beam=self._runner.beam,
        )
        reasons = [entry.problem] if entry.problem else explain(node, parts, root, {})
        reason, origin = main_reason(node, parts, root, self._origins)
        self._origins[node.id] = origin
        self._log.event(
            "node_started",
            node=node.id,
            key=job.key,
            reasons=reasons,
            reason=entry.problem or reason,
        )
        self._started[node.id] = time.monotonic()
        worker.submit(node, job)

    def _receive(self) -> None:
        """Handles the messages of the workers, waiting at most a tick for one."""
        busy = [worker for worker in self._workers if worker.node]
        connection.wait([worker.connection for worker in busy], timeout=_TICK_SECONDS)
        for worker in busy:
            node, job = worker.node, worker.job
            assert node is not None and job is not None
            for kind, value in worker.messages():
                if kind == "progress":
                    self._log.event("progress", **{**value, "node": node.id})
                elif kind == "waiting":
                    self._log.event("node_waiting", node=node.id, **value)
                elif kind == "outcome":
                    worker.release()
                    self._handle_outcome(node, job, value)
                elif worker.node is not None:
                    worker.release()
                    self._handle_death(node, job, value)

    def _handle_outcome(self, node: Component, job: Job, outcome: Outcome) -> None:
        if outcome.state in ("ran", "cached"):
            entry = look_up(self._runner.root, type(node), node.id, job.key)
            if entry.execution is None:
                problem = entry.problem or f"{node.id}: its artifacts are gone"
                self._fail(node, IntegrityError.exit_code, problem, key=job.key)
            else:
                self._finished(node, outcome.state, entry, seconds=self._seconds(node))
        elif outcome.state == "interrupted":
            self._exit_code = self._exit_code or outcome.exit_code
            self._not_finished(node, "interrupted", key=job.key, note=outcome.error)
        else:
            self._fail(node, outcome.exit_code, str(outcome.error), key=job.key)

    def _handle_death(self, node: Component, job: Job, status: int) -> None:
        if self._signals.received:
            self._not_finished(node, "interrupted", key=job.key)
            return
        how = f"ended with exit status {status}"
        if status < 0:
            how = f"was killed by signal {-status} ({signal.Signals(-status).name})"
        out_of_memory = status == -signal.SIGKILL or tells_of_no_memory(_tail(job.log))
        if out_of_memory:
            how += ", as happens when memory runs out"
        error = f"{node.id}: its worker {how}; see {job.log}"
        self._attempts[node.id] = self._attempts.get(node.id, 0) + 1
        if self._attempts[node.id] <= self._runner.retries:
            self._log.event("node_retried", node=node.id, error=error)
            self._waiting.insert(0, node)
        else:
            code = MachineError.exit_code if out_of_memory else 1
            self._fail(node, code, error, key=job.key)

    def _handle_signals(self) -> None:
        """Asks resumable nodes to save their state; kills all other nodes.

        Kills all of them after the grace period or a second signal.
        """
        if not self._signals.received:
            return
        busy = [worker for worker in self._workers if worker.node]
        if self._deadline is None:
            self._deadline = time.monotonic() + self._runner.grace_seconds
            saving = [w for w in busy if w.node is not None and w.node.resumable]
            self._log.event(
                "stopping",
                saving=[worker.node.id for worker in saving if worker.node],
                by_user=self._signals.received[0] == signal.SIGINT,
            )
            for worker in busy:
                if worker in saving:
                    worker.stop()
                else:
                    self._interrupt(worker)
        elif len(self._signals.received) > 1 or time.monotonic() > self._deadline:
            for worker in busy:
                self._interrupt(worker)

    def _interrupt(self, worker: WorkerProcess) -> None:
        node, job = worker.node, worker.job
        assert node is not None and job is not None
        worker.kill()
        worker.release()
        self._not_finished(node, "interrupted", key=job.key)

    def _finished(
        self, node: Component, state: str, entry: CacheEntry, *, seconds: float
    ) -> None:
        assert entry.execution is not None
        self._done.add(node.id)
        for name, artifact in entry.outputs.items():
            self._artifacts[node.outputs[name]] = artifact
        if node.id in self._pipeline.selected:
            self._log.node_done(
                node, state, entry.execution, entry.outputs, seconds=seconds
            )

    def _fail(
        self, node: Component, exit_code: int, error: str, *, key: str | None = None
    ) -> None:
        self._exit_code = self._exit_code or exit_code
        self._not_done.add(node.id)
        self._log.node_not_done(
            node,
            "failed",
            key=key,
            seconds=self._seconds(node),
            exit_code=exit_code,
            error=hide_secrets(error, secret_values(node.config)),
        )

    def _not_finished(
        self,
        node: Component,
        state: str,
        *,
        key: str | None = None,
        note: str | None = None,
    ) -> None:
        self._not_done.add(node.id)
        self._log.node_not_done(
            node, state, key=key, seconds=self._seconds(node), note=note
        )

    def _seconds(self, node: Component) -> float:
        started = self._started.get(node.id)
        return 0.0 if started is None else round(time.monotonic() - started, 3)


def _tail(log: Path) -> str:
    """Returns the last lines of a log; nothing if it cannot be read."""
    with suppress(OSError), log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL_BYTES))
        return stream.read().decode(errors="replace")
    return ""
