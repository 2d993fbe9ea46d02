"""The worker: a process that executes nodes for a runner, one after the other.

It imports TensorFlow once for all of them. Jobs and answers travel over one pipe. When
the pipe closes because the runner is gone, the worker ends at once with all its child
processes. Its standard output is the log.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import platform
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

import psutil

from textmill.components.base import Artifact, Component, Context
from textmill.components.manifest import make_folder
from textmill.models.errors import DataError, MachineError, Preempted, TextmillError
from textmill.models.optional_imports import skip_optional_imports
from textmill.pipeline import publish
from textmill.pipeline.cache.diff import Parts
from textmill.pipeline.cache.key import Keys, cache_key
from textmill.pipeline.machine_errors import machine_error_message
from textmill.pipeline.publish import look_up
from textmill.pipeline.secrets import hide_secrets, resolve_secrets, secret_values
from textmill.pipeline.store import MetadataStore

_REPORT_SECONDS = 0.2
_WAITING_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """One node to execute."""

    node: str
    component: str
    """``textmill.components.trainer:Trainer``."""
    key: str
    parts: Parts
    payload: bytes
    """Config and inputs, pickled; unpickling imports the component's module."""
    run_id: str
    root: Path
    log: Path
    """The log of this process."""
    beam: Mapping[str, Any]


def make_job(
    node: Component,
    inputs: Mapping[str, Any],
    parts: Parts,
    *,
    run_id: str,
    root: Path,
    log: Path,
    beam: Mapping[str, Any],
) -> Job:
    """Returns the job of a node under the key of these parts."""
    return Job(
        node=node.id,
        component=f"{type(node).__module__}:{type(node).__qualname__}",
        key=cache_key(parts),
        parts=parts,
        payload=pickle.dumps((node.config, dict(inputs))),
        run_id=run_id,
        root=root,
        log=log,
        beam=beam,
    )


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job."""

    state: str
    """``ran``, ``cached`` (another runner was first), ``failed`` or ``interrupted``."""
    exit_code: int = 0
    error: str | None = None


Send = Callable[[str, Any], None]


class LogStream(io.TextIOBase):
    """A worker's log: without secrets, and without errors when its disk is full.

    The log is on the disk that a step may fill, and Beam reports an error only after
    it printed it: an exception from ``print`` would hang the pipeline.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.secrets: Mapping[str, str] = {}
        """The secrets of the job to hide, with their references."""

    def write(self, text: str) -> int:
        """Writes text, or loses it."""
        with suppress(OSError):
            self._stream.write(hide_secrets(text, self.secrets))
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flushes the stream, or loses its buffer."""
        with suppress(OSError):
            self._stream.flush()

    def fileno(self) -> int:
        """Returns the descriptor of the stream."""
        return self._stream.fileno()


def main(descriptor: int) -> None:
    """Executes the jobs of one runner until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    skip_optional_imports()
    sys.stdout, sys.stderr = LogStream(sys.stdout), LogStream(sys.stderr)
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(
        target=_receive, args=(connection, jobs, stop), daemon=True
    ).start()
    lock = threading.Lock()

    def send(kind: str, value: Any) -> None:
        # If the runner is gone, the receiving thread ends this process.
        with lock, suppress(BrokenPipeError, ConnectionResetError):
            connection.send((kind, value))

    while True:
        job = jobs.get()
        outcome = run_job(job, send, stop.is_set)
        send("outcome", outcome)


def run_job(job: Job, send: Send, should_stop: Callable[[], bool]) -> Outcome:
    """Executes a job and returns its outcome; turns every exception into one."""
    try:
        return _execute(job, send, should_stop)
    except Preempted as error:
        return Outcome("interrupted", error.exit_code, str(error))
    except TextmillError as error:
        traceback.print_exc()
        return Outcome("failed", error.exit_code, str(error))
    except Exception as error:
        traceback.print_exc()
        if sentence := machine_error_message(error, job.node, job.root):
            return Outcome("failed", MachineError.exit_code, sentence)
        kind = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
        sentence = (
            f"internal error in {job.node}: {kind}; the traceback is in {job.log}"
        )
        return Outcome("failed", 1, sentence)


def _execute(job: Job, send: Send, should_stop: Callable[[], bool]) -> Outcome:
    send("progress", {"phase": "importing"})
    module, _, name = job.component.partition(":")
    component: type[Component] = getattr(importlib.import_module(module), name)
    config, inputs = pickle.loads(job.payload)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LogStream):
            stream.secrets = secret_values(config)

    next_message = 0.0

    def while_waiting(process: str) -> None:
        nonlocal next_message
        if should_stop():
            raise Preempted(f"{job.node}: stopped while waiting for another run")
        if time.monotonic() >= next_message:
            next_message = time.monotonic() + _WAITING_SECONDS
            send("waiting", {"process": process, "message": _describe_holder(process)})

    with publish.locked(job.root, job.node, job.key, while_waiting=while_waiting):
        if look_up(job.root, component, job.node, job.key).execution is not None:
            return Outcome("cached")
        with _work_dir(job, component.resumable) as work_dir:
            context = Context(
                work_dir=work_dir,
                report=_throttled(send),
                should_stop=should_stop,
                beam=job.beam,
                key=job.key,
                lineage=partial(_lineage, job),
            )
            _execute_and_publish(job, component, config, inputs, context)
    return Outcome("ran")


def _lineage(job: Job) -> list[dict[str, Any]]:
    with MetadataStore(job.root) as store:
        return publish.read_lineage(store.folder_of, job.parts["inputs"])


def _execute_and_publish(
    job: Job,
    component: type[Component],
    config: Any,
    inputs: Mapping[str, Artifact | Mapping[str, Artifact]],
    context: Context,
) -> None:
    started = time.time()
    staging = publish.staging_dir(job.root, job.node, job.key)
    publish.remove(staging)
    make_folder(staging.parent)
    outputs = {}
    for name, port in component.contract.outputs.items():
        (staging / name).mkdir(parents=True)
        outputs[name] = port.type(staging / name)
    try:
        component.execute(
            config=resolve_secrets(config),
            inputs=inputs,
            outputs=outputs,
            context=context,
        )
        context.report({"phase": "saving"})
        _check_files(job, component, config)
        environment = _environment(job)
        for artifact in outputs.values():
            publish.seal(artifact, environment=environment)
        execution = _execution(job, component, outputs, started) | {"host": environment}
        final = publish.published_dir(job.root, job.node, job.key)
        publish.commit(staging, final, execution=execution)
    except TextmillError:
        folder = publish.failed_dir(job.root, job.run_id, job.node)
        publish.keep_failed(folder, outputs)
        raise
    finally:
        publish.remove(staging)


def _execution(
    job: Job,
    component: type[Component],
    outputs: Mapping[str, Artifact],
    started: float,
) -> dict[str, Any]:
    finished = time.time()
    return {
        "node": job.node,
        "component": component.__name__,
        "key": job.key,
        "run_id": job.run_id,
        "started": started,
        "finished": finished,
        "seconds": round(finished - started, 3),
        "inputs": job.parts["inputs"],
        "outputs": {name: one.reference for name, one in outputs.items()},
        "seals": {name: one.seal for name, one in outputs.items()},
        "parts": job.parts,
    }


def _check_files(job: Job, component: type[Component], config: Any) -> None:
    with MetadataStore(job.root) as store:
        keys = Keys(job.root, store)
        current = keys.external(component, config, job.parts["inputs"])
    changed = sorted(set(current.items()) ^ set(job.parts["files"].items()))
    if changed:
        raise DataError(
            f"{job.node}: {changed[0][0]} changed while it was read; run again"
        )


def _environment(job: Job) -> dict[str, Any]:
    return {
        "run_id": job.run_id,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }


@contextmanager
def _work_dir(job: Job, resumable: bool) -> Iterator[Path]:
    """Context manager: a folder, kept after a kill if the component can resume."""
    if resumable:
        folder = publish.work_dir(job.root, job.node, job.key)
        make_folder(folder)
        yield folder
        shutil.rmtree(folder)
    else:
        folder = publish.scratch_dir(job.root, job.node, job.key)
        publish.remove(folder)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            publish.remove(folder)


def _throttled(send: Send) -> Callable[[dict[str, Any]], None]:
    last, phase = 0.0, None

    def report(event: dict[str, Any]) -> None:
        nonlocal last, phase
        time_now = time.monotonic()
        done = event.get("step") is not None and event.get("step") == event.get("total")
        is_new_phase = event.get("phase") != phase
        if done or is_new_phase or time_now - last >= _REPORT_SECONDS:
            last, phase = time_now, event.get("phase")
            send("progress", event)

    return report


def _describe_holder(process: str) -> str:
    """Returns the process that a node waits for and, if it is stopped, the way out."""
    message = f"waits for process {process}, which is executing it"
    try:
        is_stopped = psutil.Process(int(process)).status() == psutil.STATUS_STOPPED
    except (psutil.NoSuchProcess, ValueError):
        return message
    if not is_stopped:
        return message
    return (
        f"{message} and is stopped: `kill -CONT {process}` continues it, "
        f"`kill -KILL {process}` ends it"
    )


def _receive(
    connection: Connection, jobs: queue.SimpleQueue[Job], stop: threading.Event
) -> None:
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)
        if message == "stop":
            stop.set()
        else:
            jobs.put(message)
