import os
import signal
import sys
import time

import apache_beam as beam
import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonGrpcEnvironment

from textmill.components import beam_watch
from textmill.components.beam import open_pipeline
from textmill.models.errors import ConfigError, MachineError


class Slow:
    """Takes longer to write than Beam waits between two flushes."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        time.sleep(1.5)
        return Slow, (self.value,)


def pairs(pipeline):
    return (
        pipeline
        | beam.Create([1, 2], reshuffle=False)
        | beam.Map(lambda n: (n, Slow(n)))
        | beam.GroupByKey()
        | beam.Map(lambda pair: (pair[0], [slow.value for slow in pair[1]]))
    )


def test_an_element_that_is_slow_to_write_arrives_whole(tmp_path):
    with open_pipeline({}) as pipeline:
        _ = pairs(pipeline) | beam.io.WriteToText(str(tmp_path / "out"))
    lines = [line for p in tmp_path.iterdir() for line in p.read_text().splitlines()]
    assert sorted(lines) == ["(1, [1])", "(2, [2])"]


def test_stock_threads_still_cut_such_an_element():
    """What open_pipeline avoids; when this fails, its runner can be Beam's own."""
    options = beam.options.pipeline_options.PipelineOptions(
        direct_running_mode="multi_threading", direct_num_workers=1
    )
    with pytest.raises(Exception), beam.Pipeline("FnApiRunner", options) as pipeline:  # noqa: B017
        _ = pairs(pipeline)


@pytest.mark.parametrize("runner", ["DirectRunner", "PrismRunner", "direct"])
def test_runners_that_download_are_refused(runner):
    with pytest.raises(ConfigError, match="write FnApiRunner"):
        open_pipeline({"runner": runner})


def test_an_option_that_beam_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'direct_num_workers'"):
        open_pipeline({"direct_num_worker": 2})


def open_ports(number):
    """Returns the addresses that this process listens on."""
    connections = psutil.Process().net_connections()
    return {
        c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == "LISTEN"
    }


def addresses(pipeline, path):
    with pipeline as opened:
        _ = (
            opened
            | beam.Create([1], reshuffle=False)
            | beam.FlatMap(open_ports)
            | beam.io.WriteToText(str(path))
        )
    return {line for p in path.parent.iterdir() for line in p.read_text().splitlines()}


def test_workers_listen_on_the_loopback_interface_only(tmp_path):
    assert addresses(open_pipeline({}), tmp_path / "out") == {"127.0.0.1"}


def test_stock_workers_still_listen_on_all_interfaces(tmp_path, monkeypatch):
    """If Beam binds its ports to loopback, this fails: remove _Loopback then."""
    import grpc
    from apache_beam.runners.portability.fn_api_runner import worker_handlers

    monkeypatch.setattr(worker_handlers, "grpc", grpc)
    runner = FnApiRunner(default_environment=EmbeddedPythonGrpcEnvironment())
    assert "::" in addresses(beam.Pipeline(runner=runner), tmp_path / "out")


class FullDisk:
    """A stderr whose disk is full: Beam's worker thread ends when it writes to it."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        pass


def lose_thread(_):
    sys.stderr = FullDisk()
    raise ValueError("a fault that Beam prints")


def lose_process(_):
    os.kill(os.getpid(), signal.SIGKILL)


def stop_process(_):
    os.kill(os.getpid(), signal.SIGSTOP)


def run(step, **options):
    with open_pipeline(options) as pipeline:
        _ = pipeline | beam.Create([1], reshuffle=False) | beam.Map(step)


def test_a_lost_worker_thread_is_an_error_of_the_machine(monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(beam_watch, "_TICK_SECONDS", 0.5)
    monkeypatch.setattr(beam_watch, "_TICKS", 3)
    with pytest.raises(MachineError, match="made no progress for 2 s"):
        run(lose_thread)


@pytest.mark.slow
@pytest.mark.parametrize("step", [lose_process, stop_process])
def test_a_lost_worker_process_is_an_error_of_the_machine(step, monkeypatch):
    monkeypatch.setattr(beam_watch, "_TICK_SECONDS", 2.0)
    monkeypatch.setattr(beam_watch, "_TICKS", 3)
    with pytest.raises(MachineError, match="made no progress"):
        run(step, direct_running_mode="multi_processing")


def test_a_long_bundle_goes_on_as_long_as_it_computes(monkeypatch):
    monkeypatch.setattr(beam_watch, "_TICK_SECONDS", 0.5)
    monkeypatch.setattr(beam_watch, "_TICKS", 2)

    def compute(_):
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            sum(range(1000))

    run(compute)
