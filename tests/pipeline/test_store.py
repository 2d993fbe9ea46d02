"""The metadata store: its content, its refusals, and rebuilding it from disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from textmill.models.errors import ConfigError, IntegrityError, MachineError
from textmill.pipeline.store import (
    MetadataStore,
    is_running,
    process_identity,
    rebuild,
    write_summary,
)


def summary(id, *, status="succeeded", started=1.0, process=None):
    return {
        "run_id": id,
        "status": status,
        "exit_code": 0,
        "started": started,
        "seconds": 2.0,
        "process": process or process_identity(),
        "nodes": {},
        "stages": {},
    }


def failed(node, run_id):
    return {
        "node": node,
        "run_id": run_id,
        "component": "Trainer",
        "key": "k",
        "state": "failed",
        "exit_code": 3,
        "error": "no documents",
        "started": 1.0,
        "seconds": 0.5,
    }


def test_runs_come_newest_first(tmp_path):
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("a", started=1.0))
        store.record_run(summary("b", started=2.0, status="running"))
        store.record_run(summary("b", started=2.0, status="failed"))
        assert [(run["run_id"], run["status"]) for run in store.runs()] == [
            ("b", "failed"),
            ("a", "succeeded"),
        ]


def test_a_clock_that_is_set_back_does_not_change_the_order_of_runs(tmp_path):
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("before", started=90_000.0))
        store.record_run(summary("after", started=3_600.0, status="running"))
        store.record_run(summary("before", started=90_000.0, status="abandoned"))
        assert [run["run_id"] for run in store.runs()] == ["after", "before"]


def test_a_failed_execution_is_kept_with_its_code(tmp_path):
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("a"))
        store.record_execution(failed("train.x", "a"))
        (execution,) = store.run("a")["executions"]
        assert (execution["node"], execution["exit_code"]) == ("train.x", 3)
        assert execution["error"] == "no documents"


def test_an_unknown_run_is_named_with_the_nearest(tmp_path):
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("20261123-toy-4f2a"))
        with pytest.raises(ConfigError, match="did you mean '20261123-toy-4f2a'"):
            store.run("20261123-toy-4f2b")


def test_four_processes_open_and_write_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from textmill.pipeline.store import MetadataStore\n"
        "for i in range(25):\n"
        "    with MetadataStore(Path(sys.argv[1])) as store:\n"
        "        store.remember_sources({f'{sys.argv[2]}-{i}': 'x'})\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "root")]
    writers = [
        subprocess.Popen([*command, str(index)], stderr=subprocess.PIPE)
        for index in range(4)
    ]
    assert [writer.communicate()[1] for writer in writers] == [b""] * 4
    with MetadataStore(tmp_path / "root") as store:
        assert len(store.sources()) == 100


def test_a_damaged_page_is_detected_at_open_and_restored_from_disk(tmp_path):
    with MetadataStore(tmp_path) as store:
        for index in range(500):
            store.record_run(summary(f"run-{index}"))
    path = tmp_path / "store.sqlite"
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="textmill runs rebuild"):
        MetadataStore(tmp_path)
    assert rebuild(tmp_path) == {"runs": 0, "executions": 0}
    MetadataStore(tmp_path).close()


def test_rebuilding_replaces_remembered_digests_and_sources_too(tmp_path):
    with MetadataStore(tmp_path) as store:
        store.remember_sources({"key": "[1, 2]"})
        store.remember_file_digests({"path": ("state", "sha256")})
    with MetadataStore(tmp_path) as store:
        connection = sqlite3.connect(tmp_path / "store.sqlite")
        connection.execute("UPDATE file_digests SET sha256 = CAST(x'ff' AS TEXT)")
        connection.commit()
        connection.close()
        with pytest.raises(IntegrityError, match="textmill runs rebuild"):
            store.file_digests()
    assert rebuild(tmp_path) == {"runs": 0, "executions": 0}
    with MetadataStore(tmp_path) as store:
        assert (store.sources(), store.file_digests()) == ({}, {})


def test_one_torn_summary_does_not_keep_the_others_out(tmp_path):
    for name in ("a", "b", "c"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        write_summary(folder, summary(name))
    torn = tmp_path / "runs" / "b" / "summary.json"
    torn.write_bytes(torn.read_bytes()[:-20])
    with pytest.raises(IntegrityError, match=r"runs/b/summary\.json: damaged.* 2 runs"):
        rebuild(tmp_path)
    with MetadataStore(tmp_path) as store:
        assert {run["run_id"] for run in store.runs()} == {"a", "c"}


def test_rebuilt_runs_are_in_the_order_of_their_start_and_not_of_their_names(tmp_path):
    for started, name in enumerate(("c", "a", "b")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        write_summary(folder, summary(name) | {"started": float(started)})
    assert rebuild(tmp_path) == {"runs": 3, "executions": 0}
    with MetadataStore(tmp_path) as store:
        assert [run["run_id"] for run in store.runs()] == ["b", "a", "c"]


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"not a database, but long enough" * 99)
    with pytest.raises(IntegrityError, match="damaged"):
        MetadataStore(tmp_path)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    MetadataStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for act in (MetadataStore, rebuild):
        with pytest.raises(ConfigError, match="expected schema 1, found 99"):
            act(tmp_path)


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "root").touch()
    with pytest.raises(MachineError, match="give another --root"):
        MetadataStore(tmp_path / "root")


def test_only_runs_of_ended_processes_are_marked_abandoned(tmp_path):
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    own = process_identity()
    another = own | {"pid": sleeper.pid}
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("mine", status="running", process=own))
        # The pid lives, but its process began at another time.
        store.record_run(summary("reused", status="running", process=another))
        gone = own | {"pid": 2**22 + 1}
        store.record_run(summary("gone", status="running", process=gone))
        far = own | {"host": "elsewhere", "pid": 1}
        store.record_run(summary("far", status="running", process=far))
        assert sorted(store.abandon_dead_runs()) == ["gone", "reused"]
        statuses = {run["run_id"]: run["status"] for run in store.runs()}
    sleeper.communicate()
    assert statuses == {
        "mine": "running",
        "reused": "abandoned",
        "gone": "abandoned",
        "far": "running",
    }


def test_a_zombie_is_dead():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not is_running(process_identity(child))
    os.waitpid(child, 0)
