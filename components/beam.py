"""Beam: the one way to open a pipeline, on a runner that is named.

The name DirectRunner means Prism to Beam, which fetches a Go program over the network
without a checksum or a timeout: neither is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions

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
    return apache_beam.Pipeline(
        runner=runner, options=PipelineOptions.from_dictionary(values)
    )
