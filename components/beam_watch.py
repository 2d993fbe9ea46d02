"""Ends a Beam pipeline whose workers make no progress.

Beam's runner waits for the answer of a worker without a limit: for ever, if the thread
or process that would send it is gone. Progress is processor time, bytes from and to
disks, and new processes, in this process and its children: a bundle may run for hours,
but if nothing at all happens it is lost. Time while the process is stopped is not
counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from typing_extensions import override

from textmill.models.errors import MachineError

_TICK_SECONDS = 5.0
_IDLE_SHARE = 0.02  # of a core, for the idle threads of a process
_TICKS = 12
_TICKS_ON_NETWORK = 120
_SENTENCE = (
    "Beam's workers made no progress for {seconds:.0f} s: one of them is lost or "
    "hangs; see the log, free memory and disk, then run the same command again"
)


class WatchedRunner(FnApiRunner):
    """Beam's FnApiRunner, which fails when its workers make no progress.

    Raises:
        MachineError: they made none for a minute, or for ten minutes while a connection
            to another machine was open.
    """

    _workers: Any = None

    @override
    def run_stages(self, *arguments: Any, **options: Any) -> Any:
        with _watching(self._abort):
            return super().run_stages(*arguments, **options)

    @override
    def _execute_bundle(self, runner_execution_context: Any, *arguments: Any) -> Any:
        self._workers = runner_execution_context.worker_handler_manager
        return super()._execute_bundle(runner_execution_context, *arguments)

    def _abort(self, sentence: str) -> None:
        """Answers all open requests with an error, in place of the workers."""
        handlers = {} if self._workers is None else self._workers._workers_by_id
        for worker in list(handlers.values()):
            for future in list(worker.control_conn._futures_by_id.values()):
                error = beam_fn_api_pb2.InstructionResponse(
                    instruction_id=future.instruction_id, error=sentence
                )
                future.set(error)


@contextmanager
def _watching(abort: Callable[[str], None]) -> Iterator[None]:
    """Context manager: aborts its body when this process tree makes no progress."""
    watch = _Watch(abort)
    watch.start()
    try:
        yield
    except Exception as error:
        if watch.sentence is None:
            raise
        raise MachineError(watch.sentence) from error
    finally:
        watch.ended.set()


class _Watch(threading.Thread):
    """Looks at the processes once a tick."""

    def __init__(self, abort: Callable[[str], None]) -> None:
        super().__init__(name="beam_watch", daemon=True)
        self._abort = abort
        self._own = psutil.Process()
        self._before = set(self._own.children(recursive=True))
        self.ended = threading.Event()
        self.sentence: str | None = None

    @override
    def run(self) -> None:
        last, idle_ticks, patience = _activity(self._own), 0, _TICKS
        while idle_ticks < patience:
            if self.ended.wait(_TICK_SECONDS):
                return
            current = _activity(self._own)
            idle_ticks = 0 if _moved(last, current) else idle_ticks + 1
            last = current
            patience = _TICKS_ON_NETWORK if _is_connected(self._own) else _TICKS
        self.sentence = _SENTENCE.format(seconds=idle_ticks * _TICK_SECONDS)
        self._abort(self.sentence)
        # Their end closes connections that Beam waits for.
        for child in set(self._own.children(recursive=True)) - self._before:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def _activity(own: psutil.Process) -> dict[int, tuple[float, int]]:
    """Returns processor seconds, and bytes from and to disks, by process of a tree."""
    activity = {}
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times, counters = process.cpu_times(), process.io_counters()
            size = counters.read_bytes + counters.write_bytes
            activity[process.pid] = times.user + times.system, size
    seconds, size = activity[own.pid]
    activity[own.pid] = seconds - time.thread_time(), size  # without this thread
    return activity


def _moved(
    last: dict[int, tuple[float, int]], current: dict[int, tuple[float, int]]
) -> bool:
    """Returns whether a process began, ended, computed, read or wrote."""
    return last.keys() != current.keys() or any(
        seconds - last[pid][0] > _IDLE_SHARE * _TICK_SECONDS or size != last[pid][1]
        for pid, (seconds, size) in current.items()
    )


def _is_connected(own: psutil.Process) -> bool:
    """Returns whether a process tree has a connection to another machine."""
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            for connection in process.net_connections("tcp"):
                if connection.raddr and not _is_loopback(connection.raddr.ip):
                    return True
    return False


def _is_loopback(address: str) -> bool:
    return address.removeprefix("::ffff:").startswith("127.") or address == "::1"
