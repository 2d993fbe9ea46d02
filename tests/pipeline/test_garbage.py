"""Garbage collection: deleted files, kept files, and refusals."""

import json
import sys

import pytest

from tests.pipeline.toy_components import Words
from textmill.components.artifacts import PushedVersion
from textmill.components.manifest import write_manifest
from textmill.models.errors import IntegrityError, MachineError
from textmill.pipeline.cli import main
from textmill.pipeline.garbage import delete_garbage, find_garbage
from textmill.pipeline.publish import commit, published_dir, seal, shared_root
from textmill.pipeline.store import MetadataStore, process_identity, write_summary


def publish(root, node, key, *, inputs=None, **facts):
    """Publishes a result of one output; returns its digest and seal."""
    staging = root / "staged"
    words = Words(staging / "words")
    words.write(f"{node} {key}")
    seal(words)
    record = {
        "node": node,
        "component": "Reader",
        "key": key,
        "run_id": "r",
        "started": 1.0,
        "finished": 2.0,
        "seconds": 1.0,
        "inputs": inputs or {},
        "outputs": {"words": words.digest},
        "seals": {"words": words.seal},
    } | facts
    final = published_dir(root, node, key)
    final.parent.mkdir(parents=True, exist_ok=True)
    commit(staging, final, execution=record)
    with MetadataStore(root) as store:
        store.record_execution(record | {"state": "ran"})
    return words.digest, words.seal


def record(root, run_id, started, nodes, *, status="succeeded", name="toy", **process):
    summary = {
        "run_id": run_id,
        "name": name,
        "status": status,
        "started": started,
        "process": process_identity() | process,
        "nodes": {node: {"state": "ran", "key": key} for node, key in nodes.items()},
        "stages": {},
    }
    folder = root / "runs" / run_id
    folder.mkdir(parents=True)
    write_summary(folder, summary)
    with MetadataStore(root) as store:
        store.record_run(summary)
    return folder


def push(root, serving_seal, version=1):
    folder = root / "pushed" / "topic" / str(version)
    (folder / "assets.extra").mkdir(parents=True)
    (folder / PushedVersion.MODEL).write_bytes(b"model")
    facts = {"serving": serving_seal}
    write_manifest(folder, kind="PushedVersion", facts=facts)
    return folder


def names(garbage, root):
    return [(one.kind, one.path.relative_to(root).as_posix()) for one in garbage]


@pytest.fixture
def root(tmp_path):
    """Two runs of one pipeline, the newer with another result of train."""
    digest, _ = publish(tmp_path, "read", "1")
    publish(tmp_path, "train", "1", inputs={"words": digest})
    publish(tmp_path, "train", "2", inputs={"words": digest})
    record(tmp_path, "old", 1.0, {"read": "1", "train": "1"})
    record(tmp_path, "new", 2.0, {"read": "1", "train": "2"})
    return tmp_path


def test_old_runs_and_results_go_and_the_newest_stay(root):
    assert names(find_garbage(root, keep=1), root) == [
        ("run", "runs/old"),
        ("result", "artifacts/train/1"),
    ]
    assert find_garbage(root, keep=2) == []
    delete_garbage(root, keep=1)
    assert not (root / "artifacts/train/1").exists()
    assert sorted(path.name for path in root.glob("runs/*")) == ["new"]
    with MetadataStore(root) as store:
        assert [run["run_id"] for run in store.runs()] == ["new"]
    assert delete_garbage(root, keep=1) == []


def test_sizes_are_those_of_the_deleted_files(root):
    (root / "artifacts/train/1/words/link").symlink_to(sys.executable)
    before = sum(p.lstat().st_size for p in root.glob("*/**/*") if not p.is_dir())
    gone = delete_garbage(root, keep=1)
    after = sum(p.lstat().st_size for p in root.glob("*/**/*") if not p.is_dir())
    assert sum(item.num_bytes for item in gone) == before - after > 0


def test_a_pushed_version_stays_with_everything_it_was_made_from(root):
    digest, _ = publish(root, "read", "0")
    model, _ = publish(root, "train", "0", inputs={"words": digest})
    _, serving = publish(root, "export", "0", inputs={"models": {"a": model}})
    publish(root, "push", "0", inputs={"serving": serving})
    publish(root, "export", "9")
    version = push(root, serving)
    assert names(find_garbage(root, keep=2), root) == [("result", "artifacts/export/9")]
    delete_garbage(root, keep=2)
    kept = ["export", "push", "read", "train"]
    assert sorted(p.parent.name for p in root.glob("artifacts/*/0")) == kept
    PushedVersion(version).verify()


def test_the_run_that_pushed_a_version_stays(root):
    _, serving = publish(root, "export", "0")
    pusher = {"component": "Pusher", "run_id": "old"}
    publish(root, "push", "0", inputs={"serving": serving}, **pusher)
    assert ("run", "runs/old") in names(find_garbage(root, keep=1), root)
    push(root, serving)
    assert ("run", "runs/old") not in names(find_garbage(root, keep=1), root)


def test_a_damaged_pushed_version_stops_the_collection(root):
    version = push(root, "seal")
    manifest = version / "manifest.json"
    manifest.write_text(manifest.read_text().replace("seal", "lead", 1))
    with pytest.raises(IntegrityError, match="topic/1"):
        delete_garbage(root, keep=1)
    assert (root / "runs/old").exists()


def test_the_last_success_of_every_pipeline_stays(root):
    record(root, "failed", 3.0, {"read": "1"}, status="failed")
    record(root, "other", 0.5, {"read": "1"}, name="other")
    assert [path for kind, path in names(find_garbage(root, keep=1), root)] == [
        "runs/old",
        "artifacts/train/1",
    ]


def test_the_newest_run_is_the_one_recorded_last_whatever_the_clock_said(root):
    record(root, "clock_set_back", 0.5, {"read": "1", "train": "1"})
    assert [path for _, path in names(find_garbage(root, keep=1), root)] == [
        "runs/new",
        "runs/old",
        "artifacts/train/2",
    ]


def test_checkpoints_of_a_killed_run_that_is_kept_stay(root):
    folder = record(root, "killed", 3.0, {}, status="abandoned")
    event = {"event": "node_started", "node": "train", "key": "3"}
    torn = '{"event": "node_started", "no'
    (folder / "events.jsonl").write_text(json.dumps(event) + "\n" + torn)
    for key in ("3", "given-up"):
        (root / "work" / "train" / key).mkdir(parents=True)
        (root / "work" / "train" / key / "tensors").write_bytes(b"12345")
    [item] = find_garbage(root, keep=3)
    assert (item.kind, item.path.name, item.num_bytes) == ("checkpoint", "given-up", 5)


def test_leftovers_of_killed_processes_and_locks_go(root):
    draft = root / "runs" / "new" / ".summary.json.4711"
    draft.write_text("{")
    (root / "artifacts/train/3.staging/words").mkdir(parents=True)
    (root / "pushed/topic/.staging-2").mkdir(parents=True)
    (root / "locks").mkdir(exist_ok=True)
    (root / "locks" / "train-1.lock").write_text("1")
    assert names(delete_garbage(root, keep=2), root) == [
        ("leftover", "artifacts/train/3.staging"),
        ("leftover", "runs/new/.summary.json.4711"),
        ("leftover", "pushed/topic/.staging-2"),
        ("lock", "locks/train-1.lock"),
    ]


def test_tables_of_fit_go_with_the_last_run_that_names_them(root):
    (root / "rows").mkdir()
    for run in ("old", "new"):
        (root / "rows" / f"{run}.jsonl").write_text("{}\n")
        config = root / "runs" / run / "config.yaml"
        config.write_text(f"jsonl: /root/rows/{run}.jsonl\n")
    assert find_garbage(root, keep=2) == []
    delete_garbage(root, keep=1)
    assert [path.name for path in (root / "rows").iterdir()] == ["new.jsonl"]


def test_nothing_is_deleted_while_a_run_uses_the_root(root):
    with shared_root(root), pytest.raises(MachineError, match="another process is us"):
        delete_garbage(root, keep=1)
    record(root, "far", 3.0, {}, status="running", host="elsewhere")
    with pytest.raises(MachineError, match="run far is using it"):
        delete_garbage(root, keep=1)
    assert (root / "runs/old").exists()


def test_a_run_on_a_platform_is_live_until_it_has_a_summary(root):
    (root / "runs" / "job" / "nodes").mkdir(parents=True)
    with pytest.raises(MachineError, match="run job is using it"):
        delete_garbage(root, keep=1)


def test_the_command_lists_by_default_and_deletes_with_yes(root, monkeypatch, capsys):
    def gc(*options):
        arguments = ["textmill", "gc", "--root", str(root), "--keep", "1", *options]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as exit:
            main()
        assert not exit.value.code
        return capsys.readouterr().out.splitlines()

    lines = gc()
    assert {line.split()[0] for line in lines[1:3]} == {"run", "result"}
    assert lines[-1].endswith(": can be deleted: add --yes")
    assert (root / "runs/old").exists()
    assert gc("--yes")[-1].endswith(": deleted")
    assert not (root / "runs/old").exists()
    assert gc("--yes") == [f"{root}: nothing to delete"]
