"""Beam: opens every pipeline, on an explicit runner.

Text goes through files (``components/scratch.py``), never through a runner.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from apache_beam.transforms.environments import (
    EmbeddedPythonGrpcEnvironment,
    Environment,
    SubprocessSDKEnvironment,
)

from textmill.components.beam_runners import DEFAULT_RUNNER, refusal
from textmill.components.beam_watch import WatchedRunner
from textmill.models.errors import ConfigError, did_you_mean

DEFAULTS = {"direct_running_mode": "multi_threading", "direct_num_workers": 2}
_WORTH_PROCESSES = 96 << 20


def open_pipeline(
    options: Mapping[str, Any], *, locking_bytes: int = 0
) -> apache_beam.Pipeline:
    """Returns a pipeline for the options of ``run.beam``, FnApiRunner by default.

    Args:
        options: by Beam's names; without ``direct_running_mode``, workers are threads.
        locking_bytes: input bytes of steps that hold the interpreter's lock; above a
            limit, workers are processes.

    Raises:
        ConfigError: the runner is refused, or an option is unknown to Beam.
    """
    given = dict(options)
    runner = str(given.pop("runner", DEFAULT_RUNNER))
    if reason := refusal(runner):
        raise ConfigError(
            f"run.beam.runner: {runner} is refused, because {reason}; "
            f"write {DEFAULT_RUNNER}"
        )
    known = PipelineOptions([]).get_all_options()
    for name in given:
        if name not in known:
            hint = did_you_mean(name, list(known))
            raise ConfigError(f"run.beam.{name}: not an option of Beam{hint}")
    if runner != DEFAULT_RUNNER:
        return apache_beam.Pipeline(
            runner=runner, options=PipelineOptions.from_dictionary(given)
        )
    mode = given.get("direct_running_mode")
    if mode is None and locking_bytes >= _WORTH_PROCESSES:
        mode = "multi_processing"
    values = DEFAULTS | given | {"direct_running_mode": mode or "multi_threading"}
    workers = _WORKERS.get(str(values["direct_running_mode"]))
    if workers is not None:
        # Beam would replace them by its own workers.
        del values["direct_running_mode"]
    return apache_beam.Pipeline(
        runner=workers() if workers else runner,
        options=PipelineOptions.from_dictionary(values),
    )


def _threads() -> WatchedRunner:
    """Returns FnApiRunner with worker threads that flush whole elements only.

    Beam's own ``multi_threading`` also flushes every second, on another thread and
    without a lock, so an element being written can be split in two; its reader then
    misreads the rest, and may allocate all memory.
    """
    return _runner(EmbeddedPythonGrpcEnvironment(data_buffer_time_limit_ms=-1))


def _processes() -> WatchedRunner:
    """Returns FnApiRunner with silent worker processes that can import Textmill."""
    paths = [os.path.abspath(folder) for folder in sys.path]
    script = (
        f"import sys, logging; sys.path += {paths!r}; "
        "logging.disable(logging.INFO); "
        "from textmill.models.optional_imports import skip_optional_imports; "
        "skip_optional_imports(); "
        "from apache_beam.runners.worker import sdk_worker_main; "
        "sdk_worker_main.main(sys.argv)"
    )
    command = shlex.join([sys.executable, "-c", script])
    return _runner(SubprocessSDKEnvironment(command_string=command))


class _Loopback:
    """A gRPC module or server whose ports are open on the loopback interface only.

    Beam's runner opens unauthenticated ports for its workers on all interfaces.
    """

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def server(self, *arguments: Any, **options: Any) -> _Loopback:
        """Returns a new server."""
        return _Loopback(self._original.server(*arguments, **options))

    def add_insecure_port(self, address: str) -> int:
        """Opens a port on the loopback interface, and returns its number."""
        port: int = self._original.add_insecure_port(
            address.replace("[::]", "127.0.0.1")
        )
        return port


def _runner(environment: Environment) -> WatchedRunner:
    if not isinstance(worker_handlers.grpc, _Loopback):
        worker_handlers.grpc = _Loopback(worker_handlers.grpc)
    # Without the mode in its options, it warns about a single worker.
    logging.getLogger(fn_runner.__name__).setLevel(logging.ERROR)
    return WatchedRunner(default_environment=environment)


_WORKERS = {"multi_threading": _threads, "multi_processing": _processes}
