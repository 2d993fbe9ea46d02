"""The local runner with real worker processes: results, failures and kills."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from textmill.components.base import Component
from textmill.models.errors import ConfigError, MachineError
from textmill.pipeline.cache.plan import plan
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.runners.local import LocalRunner
from textmill.pipeline.store import MetadataStore, rebuild

sys.path.insert(0, str(Path(__file__).parents[1]))
import toy_components as toy

HERE = Path(__file__).parents[1]
REPOSITORY = HERE.parent.parent


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("some text")
    return path


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def run(pipeline, root, **options):
    return LocalRunner(root, progress=False, **options).run(pipeline)


def test_a_root_that_is_renamed_during_a_run_is_named(root):
    root.mkdir()
    mover = toy.FolderMover(toy.ReadConfig(path=str(root)), id="move")
    with pytest.raises(MachineError, match="was moved or deleted while a run"):
        run(toy.alone(mover), root)


def states(data):
    return {id: node["state"] for id, node in data["nodes"].items()}


def final_files(root):
    """Every file under a final name, by path below artifacts, with its bytes."""
    return {
        path.relative_to(root / "artifacts").as_posix(): path.read_bytes()
        for path in root.glob("artifacts/*/*/*/**/*")
        if path.is_file() and path.name != "manifest.json"
    }


def digests(root):
    return {
        path.parent.name: json.loads(path.read_bytes())["outputs"]
        for path in root.glob("artifacts/*/*/execution.json")
    }


def trouble(kind, note="", **inputs) -> Component:
    return toy.Troublemaker(
        toy.TroubleConfig(kind=kind, note=str(note)), id="trouble", **inputs
    )


def start_counting(root, source, *, steps=30, seconds=0.02, limit=None):
    """Runs read -> count -> shout in a process of its own."""
    script = "import sys, toy_components as t; t.run_counting(*eval(sys.argv[1]))"
    if limit is not None:
        script = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, {limit}); {script}"
    arguments = (str(root), str(source), steps, seconds)
    return subprocess.Popen(
        [sys.executable, "-c", script, repr(arguments)],
        env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{REPOSITORY}/.ci/typing"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return result


def processes_below(root):
    """Pids of workers whose log lies below the root."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(root) in os.readlink(entry / "fd/1"):
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


def test_a_first_run_runs_everything_and_the_next_one_nothing(source, root):
    summary = run(toy.chain(source), root)
    assert summary.exit_code == 0
    assert summary.data["status"] == "succeeded"
    assert states(summary.data) == {"read": "ran", "shout.a": "ran", "join": "ran"}
    joined = root / summary.data["nodes"]["join"]["outputs"]["joined"]
    assert toy.Words(joined).read() == "SOME TEXT! some text"
    again = run(toy.chain(source), root)
    assert set(states(again.data).values()) == {"cached"}
    assert not list((root / "runs" / again.data["run_id"]).glob("logs/*"))


def test_a_run_writes_its_log(source, root):
    data = LocalRunner(root, progress=False).run(
        toy.chain(source), config_text="name: toy\n"
    )
    folder = root / "runs" / data.data["run_id"]
    assert (folder / "config.yaml").read_text() == "name: toy\n"
    assert json.loads((folder / "summary.json").read_bytes()) == data.data
    run_id = data.data["run_id"]
    page = (folder / "report.html").read_text()
    assert page == f"<!doctype html> {run_id}: ['joined']"
    events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    events = [event for event in events if event["event"] != "progress"]
    assert [event["event"] for event in events] == [
        "run_started",
        *["node_started", "node_finished"] * 3,
        "run_finished",
    ]
    assert events[1]["reasons"] == ["first run"]
    with MetadataStore(root) as store:
        (row,) = store.runs()
        assert (row["status"], row["exit_code"]) == ("succeeded", 0)
        executions = store.run(row["run_id"])["executions"]
        assert [e["node"] for e in executions] == ["read", "shout.a", "join"]
        read = json.loads(
            next(root.glob("artifacts/read/*/execution.json")).read_text()
        )
        lineage = store.lineage(read["outputs"]["words"])
    assert [(e["node"], e["direction"], e["name"]) for e in lineage] == [
        ("read", "output", "words"),
        ("shout.a", "input", "words"),
        ("join", "input", "parts.plain"),
    ]


def test_the_index_can_be_rebuilt_from_disk(source, root):
    run(toy.chain(source), root)
    run(Pipeline("toy", [*toy.chain(source).nodes, trouble("data")]), root)
    with MetadataStore(root) as store:
        runs = [store.run(row["run_id"]) for row in store.runs()]
    (root / "store.sqlite").write_bytes(b"nonsense" * 1000)
    assert rebuild(root) == {"runs": 2, "executions": 3}
    with MetadataStore(root) as store:
        assert [store.run(row["run_id"]) for row in store.runs()] == runs
    assert set(states(run(toy.chain(source), root).data).values()) == {"cached"}


def test_the_value_of_a_secret_is_in_no_file_of_a_run(root, tmp_path, monkeypatch):
    secret = "hidden-value"
    monkeypatch.setenv("TM_PLACE", secret)
    monkeypatch.chdir(tmp_path)
    (tmp_path / secret).mkdir()
    place = str(tmp_path / "${env:TM_PLACE}" / "words-${env:TM_PLACE}.txt")
    missing = run(toy.chain(place), root).data["nodes"]["read"]["error"]
    assert missing.endswith("/${env:TM_PLACE}/words-${env:TM_PLACE}.txt: no such file")
    (tmp_path / secret / f"words-{secret}.txt").write_text("some words")
    os.utime(tmp_path / secret / f"words-{secret}.txt", (1, 1))
    assert run(toy.chain(place), root).exit_code == 0
    failing = toy.Troublemaker(
        toy.TroubleConfig(kind="secret", note=place), id="trouble"
    )
    error = run(toy.alone(failing), root).data["nodes"]["trouble"]["error"]
    assert "words-${env:TM_PLACE}.txt: bad line" in error
    files = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_a_changed_value_runs_its_node_and_downstream_nodes(source, root):
    run(toy.chain(source), root)
    data = run(toy.chain(source, suffix="?"), root).data
    assert states(data) == {"read": "cached", "shout.a": "ran", "join": "ran"}


def test_an_input_rebuilt_to_the_same_digest_runs_nothing_downstream(source, root):
    run(toy.chain(source), root)
    data = run(toy.chain(source, limit=9), root).data
    assert states(data) == {"read": "ran", "shout.a": "cached", "join": "cached"}


def test_a_selection_uses_earlier_results(source, root):
    pipeline = toy.chain(source)
    with pytest.raises(ConfigError, match="read: expected a result"):
        run(pipeline.select(only=["shout.a"]), root)
    run(pipeline.select(until="read"), root)
    assert states(run(pipeline.select(only=["shout.a"]), root).data) == {
        "shout.a": "ran"
    }


@pytest.mark.parametrize(
    ("kind", "exit_code", "sentence"),
    [
        ("data", 3, "rows.csv:3: expected 2 columns, found 1; mend the line"),
        ("defect", 1, "internal error in trouble: ValueError: unforeseen; the trace"),
        ("memory", 5, "trouble: out of memory"),
        ("disk", 5, "trouble.bin: Input/output error; the disk or the machine failed"),
        ("silence", 1, "internal error in trouble: AssertionError"),
        ("segfault", 1, "trouble: its worker was killed by signal 11 (SIGSEGV); see"),
        ("no memory", 5, "trouble: its worker was killed by signal 6 (SIGABRT), as ha"),
    ],
)
def test_a_failing_node_publishes_nothing(kind, exit_code, sentence, root):
    summary = run(toy.alone(trouble(kind)), root, retries=0)
    node = summary.data["nodes"]["trouble"]
    assert (summary.exit_code, node["state"]) == (exit_code, "failed")
    assert node["error"].startswith(sentence)
    assert summary.data["status"] == "failed"
    assert not list(root.glob("artifacts/trouble/*"))


def test_the_traceback_of_a_defect_is_in_the_log(root):
    error = run(toy.alone(trouble("defect")), root).data["nodes"]["trouble"]["error"]
    log = Path(error.rpartition(" ")[2])
    assert "raise ValueError" in log.read_text()


def test_downstream_nodes_of_a_failure_are_skipped_and_others_run(source, root):
    bad = trouble("data")
    below = toy.Shouter(toy.SuffixConfig(), id="below", words=bad.outputs["words"])
    pipeline = Pipeline("toy", [bad, below, *toy.chain(source).nodes])
    summary = run(pipeline, root)
    assert summary.exit_code == 3
    assert states(summary.data) == {
        "trouble": "failed",
        "below": "skipped",
        "read": "ran",
        "shout.a": "ran",
        "join": "ran",
    }


def test_a_killed_worker_is_replaced_as_often_as_asked(tmp_path, root):
    once = trouble("killed once", tmp_path / "note")
    refused = run(toy.alone(once), root)
    assert refused.exit_code == 5
    assert "killed by signal 9" in refused.data["nodes"]["trouble"]["error"]
    (tmp_path / "note").unlink()
    summary = run(toy.alone(once), root, retries=1)
    assert states(summary.data) == {"trouble": "ran"}
    events = (root / "runs" / summary.data["run_id"] / "events.jsonl").read_text()
    assert events.count("node_retried") == 1


def test_known_faults_are_never_tried_again(root):
    summary = run(toy.alone(trouble("data")), root, retries=3)
    events = (root / "runs" / summary.data["run_id"] / "events.jsonl").read_text()
    assert events.count("node_started") == 1
    assert "node_retried" not in events


def test_a_file_that_changes_while_it_is_read_fails_the_node(source, root):
    summary = run(toy.alone(trouble("edited", source)), root)
    assert summary.exit_code == 3
    error = summary.data["nodes"]["trouble"]["error"]
    assert error == "trouble: text.txt changed while it was read; run again"


def test_a_full_disk_exits_5_and_keeps_earlier_results(source, root):
    run(toy.chain(source), root)
    before = final_files(root)
    script = (
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (1 << 21, 1 << 21))\n"
        "import sys, toy_components as t; from pathlib import Path\n"
        "node = t.Troublemaker(t.TroubleConfig(kind='big'), id='trouble')\n"
        "runner = t.LocalRunner(Path(sys.argv[1]), progress=False)\n"
        "summary = runner.run(t.alone(node))\n"
        "print(summary.data['nodes']['trouble']['error'])\n"
        "raise SystemExit(summary.exit_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)],
        env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{REPOSITORY}/.ci/typing"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 5, done.stderr
    assert "File too large" in done.stdout
    assert "GB free" in done.stdout
    assert final_files(root) == before
    assert not list(root.glob("artifacts/trouble/*"))


def test_independent_nodes_run_at_once_in_two_workers(root):
    nodes = [
        toy.Counter(toy.CountConfig(steps=10, seconds=0.1), id=f"count.{index}")
        for index in range(2)
    ]
    summary = run(Pipeline("toy", nodes), root, workers=2)
    assert set(states(summary.data).values()) == {"ran"}
    folder = root / "runs" / summary.data["run_id"]
    events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    kinds = [event["event"] for event in events if "node_" in event["event"]]
    assert kinds[:2] == ["node_started", "node_started"]
    assert len(list(folder.glob("logs/*"))) == 2


def events_of(root, summary):
    path = root / "runs" / summary.data["run_id"] / "events.jsonl"
    return [json.loads(line) for line in path.open()]


def test_a_node_has_one_reason_which_names_the_first_change(source, root):
    run(toy.chain(source), root)
    source.write_text("another text")
    events = events_of(root, run(toy.chain(source), root))
    reasons = {e["node"]: e["reason"] for e in events if e["event"] == "node_started"}
    assert reasons == {
        "read": "file text.txt changed",
        "shout.a": "because read changed",
        "join": "because read changed",
    }


def test_one_worker_executes_all_nodes(source, root):
    pipeline = toy.chain(source)
    words = pipeline.node("read").outputs["words"]
    more = toy.Shouter(toy.SuffixConfig(suffix="?"), id="shout.b", words=words)
    summary = run(Pipeline("toy", [*pipeline.nodes, more]), root)
    log = root / "runs" / summary.data["run_id"] / "logs" / "0.log"
    first, second = log.read_text().splitlines()
    assert first == second
    assert first.startswith("shouted by process ")


ANNEX = """
from dataclasses import dataclass
from pathlib import Path
from textmill.components.base import Component, Input, Output
from toy_components import Words

@dataclass(frozen=True)
class Config:
    edit: bool = False

def say(
    *, earlier: Input[Words] | None = None, words: Output[Words], config: Config
) -> None:
    from annex import word
    words.write(word.WORD)
    if config.edit:
        Path(word.__file__).write_text("WORD = 'a newer one'")

class Sayer(Component, executor=say):
    pass
"""


def test_code_that_changes_during_a_run_counts_for_the_nodes_to_come(
    tmp_path, root, monkeypatch
):
    folder = tmp_path / "annex"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "steps.py").write_text(ANNEX)
    (folder / "word.py").write_text("WORD = 'old'")
    monkeypatch.syspath_prepend(tmp_path)
    steps = importlib.import_module("annex.steps")
    first = steps.Sayer(steps.Config(edit=True), id="a")
    second = steps.Sayer(steps.Config(), id="b", earlier=first.outputs["words"])
    data = run(Pipeline("annex", [first, second]), root).data
    words = {
        id: toy.Words(root / node["outputs"]["words"]).read()
        for id, node in data["nodes"].items()
    }
    assert words == {"a": "old", "b": "a newer one"}


def test_progress_reaches_the_events_at_most_once_a_second(root):
    node = toy.Counter(toy.CountConfig(steps=30, seconds=0.05), id="count")
    summary = run(toy.alone(node), root)
    path = root / "runs" / summary.data["run_id"] / "events.jsonl"
    events = [json.loads(line) for line in path.open()]
    progress = [event for event in events if event["event"] == "progress"]
    assert 2 <= len(progress) <= 4
    assert progress[0]["phase"] == "importing"
    assert progress[-1]["total"] == 30


@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_any_instant_goes_on_where_it_was(seed, source, root, tmp_path):
    reference = tmp_path / "reference"
    assert run(toy.counting(source, steps=30), reference).exit_code == 0
    delay = random.Random(seed).uniform(0.3, 2.0)
    process = start_counting(root, source)
    time.sleep(delay)
    process.kill()
    process.communicate()
    wait_for(lambda: not processes_below(root), seconds=5)
    finished = {path.parts[-3] for path in root.glob("artifacts/*/*/execution.json")}
    summary = run(toy.counting(source, steps=30), root)
    assert summary.exit_code == 0
    repeated = {id for id, state in states(summary.data).items() if state == "ran"}
    assert repeated == {"read", "count", "shout"} - finished
    assert final_files(root) == final_files(reference)
    assert digests(root) == digests(reference)
    left = [path.name for path in root.glob("artifacts/*/*.*")]
    assert left == [] and not list(root.glob("work/*/*"))
    with MetadataStore(root) as store:
        statuses = [row["status"] for row in store.runs()]
    assert statuses in (["succeeded", "abandoned"], ["succeeded"] * 2, ["succeeded"])


def test_a_term_signal_lets_a_resumable_node_commit_and_the_next_run_resumes(
    source, root
):
    process = start_counting(root, source, steps=100)
    wait_for(lambda: list(root.glob("work/count/*/step")))
    process.terminate()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 75, output
    (step,) = root.glob("work/count/*/step")
    reached = int(step.read_text())
    assert 0 < reached < 100
    with MetadataStore(root) as store:
        data = store.run(store.runs()[0]["run_id"])
    assert data["status"] == "interrupted"
    assert states(data) == {"read": "ran", "count": "interrupted", "shout": "skipped"}
    assert data["nodes"]["count"]["note"] == f"stopped at step {reached}"
    summary = run(toy.counting(source, steps=100), root)
    assert states(summary.data) == {"read": "cached", "count": "ran", "shout": "ran"}
    log = root / "runs" / summary.data["run_id"] / "logs" / "0.log"
    assert f"began at {reached}\n" in log.read_text()


def test_an_interrupt_exits_130_and_a_second_one_does_not_wait(source, root):
    # Steps of a minute: the node cannot notice the first signal.
    process = start_counting(root, source, steps=2, seconds=60)
    wait_for(lambda: list(root.glob("work/count/*")))
    process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert processes_below(root) == []


def test_an_interrupt_kills_nodes_that_cannot_resume(root):
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    timer.start()
    summary = run(toy.alone(trouble("sleep")), root)
    assert summary.exit_code == 130
    assert states(summary.data) == {"trouble": "interrupted"}
    assert signal.getsignal(signal.SIGINT) is before


def test_patience_ends_after_the_grace_period(root):
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    node = toy.Counter(toy.CountConfig(steps=2, seconds=60), id="count")
    summary = run(toy.alone(node), root, grace_seconds=0.5)
    assert summary.exit_code == 75
    assert states(summary.data) == {"count": "interrupted"}


def test_of_two_concurrent_runs_one_executes_and_both_have_the_result(source, root):
    first = start_counting(root, source, steps=60)
    wait_for(lambda: list(root.glob("work/count/*/step")))
    summary = run(toy.counting(source, steps=60), root)
    first.communicate(timeout=20)
    assert first.returncode == summary.exit_code == 0
    assert states(summary.data)["count"] == "cached"
    with MetadataStore(root) as store:
        runs = [store.run(row["run_id"]) for row in store.runs()]
    assert sorted(states(data)["count"] for data in runs) == ["cached", "ran"]
    assert {data["status"] for data in runs} == {"succeeded"}


def test_a_waiting_run_takes_over_from_one_that_is_killed(source, root):
    first = start_counting(root, source, steps=40, seconds=0.1)
    wait_for(lambda: list(root.glob("work/count/*/step")))
    killer = threading.Timer(1.5, first.kill)
    killer.start()
    summary = run(toy.counting(source, steps=40, seconds=0.1), root)
    first.communicate()
    assert states(summary.data) == {"read": "cached", "count": "ran", "shout": "ran"}
    folder = root / "runs" / summary.data["run_id"]
    events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    [waiting] = [event for event in events if event["event"] == "node_waiting"]
    assert int(waiting["process"]) > 1
    began = (folder / "logs" / "0.log").read_text().splitlines()[0]
    assert int(began.removeprefix("began at ")) > 0


def temporary_dirs(pid):
    return list(Path(tempfile.gettempdir()).glob(f"textmill-run-{pid}-*"))


def test_a_stopped_process_is_named_with_the_way_to_end_it(source, root):
    first = start_counting(root, source, steps=40)
    wait_for(lambda: list(root.glob("work/count/*/step")))
    [worker] = processes_below(root)
    os.kill(worker, signal.SIGSTOP)
    [temporary] = temporary_dirs(first.pid)
    first.kill()
    first.communicate()
    [folder] = root.glob("runs/*")
    (folder / f".summary.json.{first.pid}").touch()
    timer = threading.Timer(1.5, os.kill, (worker, signal.SIGKILL))
    timer.start()
    summary = run(toy.counting(source, steps=40), root)
    assert states(summary.data)["count"] == "ran"
    [event] = [e for e in events_of(root, summary) if e["event"] == "node_waiting"]
    assert event["message"] == (
        f"waits for process {worker}, which is executing it and is stopped: "
        f"`kill -CONT {worker}` continues it, `kill -KILL {worker}` ends it"
    )
    assert not temporary.exists() and not temporary_dirs(os.getpid())
    assert not list(root.glob("runs/*/.*"))


def test_the_plan_names_a_resumable_node_as_still_to_run(source, root):
    process = start_counting(root, source, steps=100)
    wait_for(lambda: list(root.glob("work/count/*/step")))
    process.terminate()
    process.communicate(timeout=20)
    states_by_node = {
        node.id: node.state for node in plan(toy.counting(source, steps=100), root)
    }
    assert states_by_node == {"read": "cached", "count": "run", "shout": "waits"}
