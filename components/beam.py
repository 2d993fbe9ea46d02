"""Beam: the one way to open a pipeline, on a runner that is named.

The name DirectRunner means Prism to Beam, which fetches a Go program over the network
without a checksum or a timeout: neither is taken.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
from apache_beam.transforms.environments import EmbeddedPythonGrpcEnvironment

from models.faults import ConfigError, did_you_mean

DEFAULTS = {"direct_running_mode": "multi_threading", "direct_num_workers": 2}
_REFUSED = ("direct", "switchingdirect", "prism")


def open_pipeline(options: Mapping[str, Any]) -> apache_beam.Pipeline:
    """Returns a pipeline for the options of ``run.beam``, FnApiRunner by default.

    Raises:
        ConfigError: the runner is refused, or an option is none of Beam's.
    """
    given = dict(options)
    runner = str(given.pop("runner", "FnApiRunner"))
    if runner.rpartition(".")[2].lower().removesuffix("runner") in _REFUSED:
        raise ConfigError(
            f"run.beam.runner: {runner} fetches the Prism program over the network "
            "without a checksum; write FnApiRunner"
        )
    known = PipelineOptions([]).get_all_options()
    for name in given:
        if name not in known:
            hint = did_you_mean(name, list(known))
            raise ConfigError(f"run.beam.{name}: not an option of Beam{hint}")
    values = (DEFAULTS if runner == "FnApiRunner" else {}) | given
    threads = values.get("direct_running_mode") == "multi_threading"
    threads = threads and runner == "FnApiRunner"
    if threads:
        del values["direct_running_mode"]
    return apache_beam.Pipeline(
        runner=_threaded_runner() if threads else runner,
        options=PipelineOptions.from_dictionary(values),
    )


def _threaded_runner() -> FnApiRunner:
    """Returns FnApiRunner with worker threads that flush whole elements only.

    Beam's own ``multi_threading`` also flushes every second, on another thread and
    without a lock, so that an element being written can be cut in two; its reader then
    takes the rest for something else, and may ask for all the memory there is.
    """
    # It would warn that there is one worker, because the mode is not named to it.
    logging.getLogger(fn_runner.__name__).setLevel(logging.ERROR)
    never = EmbeddedPythonGrpcEnvironment(data_buffer_time_limit_ms=-1)
    return FnApiRunner(default_environment=never)
