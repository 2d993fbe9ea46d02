"""The container entry point, as KFP calls it, with local roots and buckets."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import sentences
from tests.pipeline.loopback import Fault, write_account
from textmill.components.artifacts import PushedModel, PushedVersion
from textmill.components.manifest import MANIFEST
from textmill.models.errors import ConfigError, RemoteError
from textmill.pipeline.cli.predict import find_model
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.publish import seal
from textmill.pipeline.remote.executor_io import wires
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.remote.secret_manager import fetch_secrets
from textmill.pipeline.remote.tensorboard_sync import sync_events
from textmill.pipeline.runners.container import send_pushed
from textmill.pipeline.runners.run_component import main

REPOSITORY = Path(__file__).parents[3]
SOURCES = str(REPOSITORY / ".ci/typing")
CONFIG = """\
name: tiny
datasets:
  lines:
    source: {jsonl: lines.jsonl, id: id}
    split: {train: 0.8, eval: 0.2}
    num_shards: 2
vocabulary: {kind: character, learn_from: lines}
model: {family: gpt, layers: 1, width: 16, heads: 2, sequence_length: 24}
stages:
  lines:
    {task: causal_lm, dataset: lines, train: {steps: 2, global_batch: 8, xla: false}}
"""
LONG_RUN = "steps: 1000, checkpoint_every: 50, log_every: 10,"
INGESTED = "artifacts/ingest.lines"


@pytest.fixture
def project(tmp_path):
    rows = "".join(json.dumps(row) + "\n" for row in sentences())
    (tmp_path / "lines.jsonl").write_text(rows)
    return tmp_path


def entry(project, service, node, root):
    """Starts the entry in a process of its own."""
    options = ["--node", node, "--root", root, "--project", str(project)]
    environment = {
        "TEXTMILL_CONFIG": CONFIG,
        "PYTHONPATH": SOURCES,
    }
    environment["TMPDIR"] = str(project)  # A kill leaves a mirror behind.
    return subprocess.Popen(
        [sys.executable, "-m", "textmill.pipeline.runners.run_component", *options],
        env=os.environ | environment,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


class Platform:
    """Calls the entry point as KFP does, and records the artifacts of its output."""

    def __init__(self, project, root):
        self.project, self.root = project, root
        self.artifacts = {}
        self.values = {}
        loaded = parse_config(CONFIG, project / "config.yaml")
        self.pipeline = create_pipeline(loaded, project / "anywhere")

    def run(self, id, *more, run="run-1"):
        node = self.pipeline.node(id)
        place = self.project / "kfp" / id
        artifacts = {
            name: {"artifacts": [self.artifacts[c.producer, c.output]]}
            for name, c in wires(node)
        }
        outputs = {
            name: {"artifacts": [{"name": name, "uri": str(place / name)}]}
            for name in node.outputs
        }
        given = {"config": CONFIG, "project": str(self.project)}
        given |= {"root": self.root, "run": run} | self.values
        file = place / "output.json"
        message = {
            "inputs": {"parameterValues": given, "artifacts": artifacts},
            "outputs": {"artifacts": outputs, "outputFile": str(file)},
        }
        text = json.dumps(message)
        code = main(["--node", id, "--executor_input", text, *more])
        if file.exists():
            for name, entry in json.loads(file.read_text())["artifacts"].items():
                self.artifacts[id, name] = entry["artifacts"][0]
        return code

    def digests(self):
        return {k: entry["metadata"]["digest"] for k, entry in self.artifacts.items()}

    def publish(self, run="run-1"):
        given = {"config": CONFIG, "project": str(self.project)}
        given |= {"root": self.root, "run": run} | self.values
        message = {"inputs": {"parameterValues": given}, "outputs": {"outputFile": "-"}}
        return main(["--publish", "--executor_input", json.dumps(message)])


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_bucket_gets_the_same_files_as_a_disk(project, service, scheme):
    local = Platform(project, str(project / "root"))
    assert local.run("ingest.lines") == 0
    assert local.run("vocabulary") == 0
    remote = Platform(project, f"{scheme}://bucket/a/root")
    assert remote.run("ingest.lines") == 0
    assert remote.run("vocabulary") == 0
    assert remote.digests() == local.digests()
    on_disk = {
        f"a/root/{path.relative_to(project / 'root').as_posix()}": path.read_bytes()
        for path in (project / "root" / INGESTED).rglob("*")
        if path.is_file() and path.name not in (MANIFEST, "execution.json")
    }
    assert on_disk.items() <= service.objects.items()
    metadata = remote.artifacts["ingest.lines", "documents"]["metadata"]
    assert metadata["place"] == f"{scheme}://bucket/a/root/{metadata['path']}"


def test_results_in_the_bucket_are_not_made_again(project, service, capfd):
    kfp = Platform(project, "gs://bucket/root")
    assert kfp.run("ingest.lines") == 0
    before, uploads = dict(kfp.artifacts), service.called("POST", "/upload")
    assert kfp.run("ingest.lines", run="run-2") == 0
    assert kfp.artifacts == before
    assert service.called("POST", "/upload") == uploads + 1  # the note of run-2
    note = json.loads(service.objects["root/runs/run-2/nodes/ingest.lines.json"])
    assert (note["state"], note["seconds"]) == ("cached", 0.0)


@pytest.mark.slow
def test_a_lost_machine_loses_no_more_than_since_its_last_checkpoint(
    project, service, monkeypatch
):
    kfp = Platform(project, "gs://bucket/root")
    for node in ("ingest.lines", "vocabulary", "tokenize.lines"):
        assert kfp.run(node) == 0
    monkeypatch.setitem(globals(), "CONFIG", CONFIG.replace("steps: 2,", LONG_RUN))
    lost = entry(project, service, "train.lines", kfp.root)
    for _ in range(3000):
        if uploaded := checkpoints(service):
            break
        time.sleep(0.02)
    os.killpg(lost.pid, signal.SIGKILL)
    lost.communicate()
    again = entry(project, service, "train.lines", kfp.root)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    first = min(int(step) for step in re.findall(r"train.lines: step=(\d+)", said))
    assert first > min(uploaded)
    assert not checkpoints(service)
    assert not [name for name in service.objects if name.startswith("root/work/")]


def checkpoints(service):
    """Returns the steps of the whole checkpoints in the bucket."""
    pattern = re.compile(r"root/work/train.lines/\w+/checkpoints/step-(\d+)/digests.*")
    return [int(m[1]) for m in map(pattern.fullmatch, list(service.objects)) if m]


def test_an_incomplete_execution_does_not_count(project, service):
    kfp = Platform(project, "gs://bucket/root")
    assert kfp.run("ingest.lines") == 0
    [seal] = [n for n in service.objects if n.endswith("execution.json")]
    whole = dict(service.objects)
    for name in whole:
        if name.startswith(f"root/{INGESTED}") and name.endswith(
            "0-of-00002.jsonl.zst"
        ):
            del service.objects[name]
    del service.objects[seal]
    assert kfp.run("ingest.lines") == 0
    shards = {n: d for n, d in whole.items() if n.endswith(".zst")}
    assert shards.items() <= service.objects.items()


def test_altered_bytes_are_detected_before_use(project, service, capfd):
    kfp = Platform(project, "gs://bucket/root")
    assert kfp.run("ingest.lines") == 0
    name = next(n for n in sorted(service.objects) if n.endswith(".jsonl.zst"))
    data = bytearray(service.objects[name])
    data[-1] ^= 1
    service.objects[name] = bytes(data)
    assert kfp.run("vocabulary") == 4
    assert "expected sha256" in capfd.readouterr().err


def test_a_refusing_bucket_gives_one_message(project, service, capfd):
    service.faults.append(Fault("GET", "/storage/v1/b/bucket/o", status=403))
    assert Platform(project, "gs://bucket/root").run("ingest.lines") == 7
    assert "gs://bucket/root/artifacts/ingest.lines/" in capfd.readouterr().err
    assert not service.objects


def test_a_value_of_the_submission_reaches_the_node(project):
    kfp = Platform(project, str(project / "root"))
    kfp.values = {
        "datasets__lines__num_shards": 3.0,
        "vocabulary__lowercase": False,
    }
    assert kfp.run("ingest.lines") == 0
    metadata = kfp.artifacts["ingest.lines", "documents"]["metadata"]
    path = project / "root" / metadata["path"]
    assert len(list(path.glob("train-*-of-00003.jsonl.zst"))) == 3


def test_the_newest_span_is_resolved_when_the_step_runs(project):
    kfp = Platform(project, str(project / "root"))
    lines = (project / "lines.jsonl").read_text().splitlines(keepends=True)
    for span, count in ((1, 40), (2, 70)):
        (project / f"span-{span}").mkdir()
        (project / f"span-{span}" / "x.jsonl").write_text("".join(lines[:count]))
    kfp.values = {"datasets__lines__source__jsonl": "span-{SPAN}/*.jsonl"}
    assert kfp.run("ingest.lines") == 0
    path = kfp.artifacts["ingest.lines", "documents"]["metadata"]["path"]
    ledger = json.loads((project / "root" / path / "ledger.json").read_text())
    assert ledger["read"] == 70


def test_the_latest_pushed_model_is_resolved_when_the_step_runs(
    project, service, tmp_path
):
    kfp = Platform(project, "gs://bucket/root")
    kfp.values = {
        "stages__lines__export": {},
        "stages__lines__push": {},
        "stages__lines__evaluate__thresholds": {"loss": "< pushed + 1"},
    }
    steps = ("ingest.lines", "vocabulary", "tokenize.lines", "train.lines")
    for node in (*steps, "predict.lines"):
        assert kfp.run(node) == 0
    for version, loss in ((3, 9.0), (10, 2.5)):
        card = {"model": f"{version}", "documents": "of another day"}
        card |= {"metrics": {"loss": {"value": loss}}}
        pushed = PushedVersion(tmp_path / str(version))
        pushed.file(PushedVersion.MODEL).write_bytes(b"a graph")
        pushed.file(PushedVersion.CARD).write_text(json.dumps(card))
        seal(pushed)
        for name in (PushedVersion.MODEL, PushedVersion.CARD, MANIFEST):
            data = (pushed.path / name).read_bytes()
            service.objects[f"root/pushed/lines/{version}/{name}"] = data
    assert kfp.run("evaluate.lines") == 0
    [name] = [n for n in service.objects if n.endswith("/metrics.json")]
    [threshold] = json.loads(service.objects[name])["thresholds"]
    assert (threshold["version"], threshold["bound"]) == (10, 3.5)
    assert threshold["same_documents"] is False


def pushed_version(root, folder, model):
    """Returns a mirror, and the outputs of a push of version 1."""
    mirror = Mirror(root, folder)
    version = mirror.path / "pushed" / "lines" / "1"
    (version / PushedVersion.CARD).parent.mkdir(parents=True)
    (version / PushedVersion.MODEL).write_text(model)
    (version / PushedVersion.CARD).write_text(model)
    artifact = PushedModel(mirror.path / "artifacts")
    artifact.facts = {
        "pushed": True,
        "destination": os.path.relpath(version, artifact.path),
    }
    return mirror, {"pushed": artifact}


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_two_runs_never_push_the_same_version(service, tmp_path, scheme):
    root = f"{scheme}://bucket/root"
    mirror, first = pushed_version(root, tmp_path / "a", "one")
    send_pushed(first, mirror)
    send_pushed(first, mirror)
    mirror, second = pushed_version(root, tmp_path / "b", "another")
    with pytest.raises(RemoteError, match="another run has just pushed this version"):
        send_pushed(second, mirror)
    assert set(service.objects.values()) == {b"one"}
    there = Mirror(root, tmp_path / "c")
    assert (find_model("lines", there) / PushedVersion.MODEL).read_text() == "one"
    with pytest.raises(ConfigError, match=r"\(lines\).*did you mean 'lines'"):
        find_model("line", there)


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_kept_folder_follows_the_local_one(service, tmp_path, scheme):
    mirror = Mirror(f"{scheme}://bucket/root", tmp_path)
    one, two = tmp_path / "work" / "1", tmp_path / "work" / "2"
    one.parent.mkdir()
    one.write_bytes(b"first")
    mirror.keep("work", wanted=lambda name: not name.endswith("draft"))
    one.rename(two)
    (tmp_path / "work" / "draft").touch()
    mirror.keep("work", wanted=lambda name: not name.endswith("draft"))
    assert service.objects == {"root/work/2": b"first"}
    asked = len(service.requests)
    mirror.keep("work", wanted=lambda name: not name.endswith("draft"))
    assert len(service.requests) == asked
    shutil.rmtree(two.parent)
    mirror.keep("work")
    assert service.objects == {"root/work/2": b"first"}
    mirror.keep("work", done=True)
    assert not service.objects


def test_old_checkpoints_stay_until_the_new_one_is_complete(service, tmp_path):
    mirror = Mirror("gs://bucket/root", tmp_path)
    service.objects |= {"root/work/1": b"older", "root/work/2": b"old"}
    for name in ("3", "4"):
        (tmp_path / "work").mkdir(exist_ok=True)
        (tmp_path / "work" / name).write_text(name)

    def wanted(name):
        # After the folder was listed, and before it is sent, the third goes.
        if name.endswith("4"):
            (tmp_path / "work" / "3").unlink(missing_ok=True)
        return True

    mirror.keep("work", wanted=wanted)
    assert set(service.objects) == {"root/work/1", "root/work/2", "root/work/4"}
    mirror.keep("work")
    assert service.objects == {"root/work/4": b"4"}


def test_a_failed_run_is_published_too(project, service):
    kfp = Platform(project, "gs://bucket/root")
    assert kfp.run("ingest.lines") == 0
    os.truncate(project / "lines.jsonl", 0)
    kfp.values = {"seed": 18}
    assert kfp.run("ingest.lines", run="run-1") == 3
    assert kfp.publish() == 0
    summary = json.loads(service.objects["root/runs/run-1/summary.json"])
    assert (summary["status"], summary["exit_code"]) == ("failed", 3)
    assert summary["nodes"]["ingest.lines"]["state"] == "failed"
    assert "lines.jsonl" in summary["nodes"]["ingest.lines"]["error"]
    assert summary["nodes"]["report"]["state"] == "skipped"
    assert b"ingest.lines" in service.objects["root/runs/run-1/report.html"]
    assert b"seed: 18" in service.objects["root/runs/run-1/config.yaml"]


def test_without_kfp_inputs_come_from_the_root_by_key(project, monkeypatch):
    root = str(project / "root")
    kfp = Platform(project, root)
    monkeypatch.setenv("TEXTMILL_CONFIG", CONFIG)
    options = ["--node", "vocabulary", "--root", root, "--project", str(project)]
    assert main(options) == 2
    assert kfp.run("ingest.lines") == 0
    assert main(options) == 0
    assert kfp.run("vocabulary") == 0
    note = project / "root/runs/run-1/nodes/vocabulary.json"
    assert json.loads(note.read_text())["state"] == "cached"


def test_a_node_that_takes_too_long_is_ended(project):
    many = "".join(f'{{"id": "{n}", "text": "{n} boats"}}\n' for n in range(400_000))
    (project / "lines.jsonl").write_text(many)
    command = [
        sys.executable,
        "-m",
        "textmill.pipeline.runners.run_component",
        "--timeout",
        "1",
    ]
    options = ["--node", "ingest.lines", "--root", "root", "--project", str(project)]
    started = time.monotonic()
    done = subprocess.run(
        [*command, *options],
        env=os.environ | {"TEXTMILL_CONFIG": CONFIG, "PYTHONPATH": SOURCES},
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 5
    assert "ran longer than its timeout of 1 s" in done.stderr
    assert time.monotonic() - started < 30


def test_a_secret_is_fetched_by_its_container(service, monkeypatch, tmp_path):
    service.secrets["projects/p/secrets/token/versions/3"] = "its value"
    monkeypatch.setenv("TEXTMILL_SECRET_MANAGER", service.url)
    monkeypatch.setenv("TOKEN", "secretmanager://projects/p/secrets/token/versions/3")
    account = write_account(tmp_path / "account.json", service)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account)
    fetch_secrets()
    assert os.environ["TOKEN"] == "its value"
    monkeypatch.setenv("TOKEN", "secretmanager://projects/p/secrets/token/versions/4")
    with pytest.raises(RemoteError, match="Secret Manager Secret Accessor"):
        fetch_secrets()


def test_a_mirror_of_a_local_root_is_the_root(tmp_path):
    mirror = Mirror(f"file://{tmp_path}")
    assert (mirror.path, mirror.is_remote) == (tmp_path, False)
    assert mirror.sizes("anything") == {}


def test_curves_are_copied_while_they_grow(service, monkeypatch, tmp_path):
    monkeypatch.setenv("AIP_TENSORBOARD_LOG_DIR", "gs://bucket/curves")
    events = tmp_path / "events"
    with sync_events(events):
        (events / "train").mkdir(parents=True)
        (events / "train" / "events.out").write_bytes(b"one")
    assert service.objects == {"curves/train/events.out": b"one"}
    with sync_events(events):
        (events / "train" / "events.out").write_bytes(b"one two")
    assert service.objects == {"curves/train/events.out": b"one two"}


def test_a_place_without_rights_costs_the_curves_alone(
    service, monkeypatch, tmp_path, capfd
):
    monkeypatch.setenv("AIP_TENSORBOARD_LOG_DIR", "gs://bucket/curves")
    (tmp_path / "events.out").write_bytes(b"one")
    service.faults.append(Fault("POST", "/upload", status=403))
    with sync_events(tmp_path):
        pass
    assert "event files were not copied: gs://bucket/curves/" in capfd.readouterr().err
