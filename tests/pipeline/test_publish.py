"""Publishing: manifests that agree with the files, and all or nothing on disk."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from textmill.components.artifacts import Profile
from textmill.components.base import Artifact
from textmill.models.errors import IntegrityError
from textmill.pipeline import publish, run_log


class Note(Artifact):
    pass


def write(path, text="hello", facts=None):
    note = Note(path)
    note.file("deep/note.txt").write_text(text)
    note.records = {"deep/note.txt": 1}
    note.facts = facts or {"words": 1}
    return note


def test_a_sealed_artifact_reads_from_its_manifest(tmp_path):
    note = write(tmp_path / "note")
    publish.seal(note, environment={"run_id": "r1"})
    manifest = json.loads((tmp_path / "note/manifest.json").read_bytes())
    assert manifest["type"] == "Note"
    assert manifest["files"] == [
        {
            "path": "deep/note.txt",
            "size": 5,
            "sha256": hashlib.sha256(b"hello").hexdigest(),
            "records": 1,
        }
    ]
    assert manifest["created"] == {"run_id": "r1"}
    assert note.digest == manifest["digest"]
    assert [path.name for path in note.files()] == ["note.txt"]
    note.verify()


def test_the_digest_covers_files_and_facts_but_not_the_environment(tmp_path):
    digests = []
    for index, (text, facts, environment) in enumerate(
        [
            ("hello", {"words": 1}, {"host": "a"}),
            ("hello", {"words": 1}, {"host": "b"}),
            ("hullo", {"words": 1}, {}),
            ("hello", {"words": 2}, {}),
        ]
    ):
        note = write(tmp_path / str(index), text, facts)
        publish.seal(note, environment=environment)
        digests.append(note.digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_an_identity_stands_in_for_bytes_that_are_not_stable(tmp_path):
    digests = set()
    for text in ("hello", "hullo"):
        note = write(tmp_path / text, text)
        note.identity = {"tensors": "t1"}
        publish.seal(note)
        digests.add(note.digest)
    assert len(digests) == 1


def test_facts_altered_under_an_identity_break_the_seal(tmp_path):
    artifact = Profile(tmp_path)
    artifact.file("profile.json").write_text("{}")
    artifact.identity, artifact.facts = {"content": 1}, {"labels": ["a", "b"]}
    publish.seal(artifact)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["created"] = {"host": "another"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert Profile(tmp_path).facts == {"labels": ["a", "b"]}
    manifest["facts"]["labels"] = ["b", "a"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match="differs from its seal"):
        Profile(tmp_path)


def test_facts_with_numbers_as_keys_agree_with_the_manifest_they_become(tmp_path):
    note = write(tmp_path / "note", facts={"counts": {9: "a", 10: "b"}, "of": (1, 2)})
    publish.seal(note)
    assert Note(note.path).facts == {"counts": {"9": "a", "10": "b"}, "of": [1, 2]}
    assert note.facts == Note(note.path).facts


def test_an_output_without_files_is_our_own_slip(tmp_path):
    with pytest.raises(AssertionError, match="wrote no file"):
        publish.seal(Note(tmp_path))


def test_a_commit_replaces_an_earlier_result(tmp_path):
    final = publish.published_dir(tmp_path, "n", "k")
    for text in ("old", "new"):
        staging = publish.staging_dir(tmp_path, "n", "k")
        note = write(staging / "note", text)
        publish.seal(note)
        publish.commit(staging, final, execution={"key": "k"})
    assert (final / "note/deep/note.txt").read_text() == "new"
    assert json.loads((final / "execution.json").read_bytes()) == {"key": "k"}
    assert [path.name for path in final.parent.iterdir()] == ["k"]


def test_a_flipped_byte_is_found_and_named(tmp_path):
    note = write(tmp_path / "note")
    publish.seal(note)
    (tmp_path / "note/deep/note.txt").write_text("hellp")
    with pytest.raises(IntegrityError, match=r"note.txt: expected sha256"):
        Note(note.path).verify()


def test_a_sweep_spares_the_work_of_another_process(tmp_path):
    for node in ("dead", "alive"):
        publish.staging_dir(tmp_path, node, "k").mkdir(parents=True)
        publish.scratch_dir(tmp_path, node, "k").mkdir(parents=True)
        publish.work_dir(tmp_path, node, "k").mkdir(parents=True)
    publish.published_dir(tmp_path, "dead", "k").mkdir()
    holder = (
        "import sys; from pathlib import Path\n"
        "from textmill.pipeline.publish import locked\n"
        "with locked(Path(sys.argv[1]), 'alive', 'k', while_waiting=print):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"held\n"
        publish.sweep(tmp_path)
    finally:
        process.communicate()
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*/k*")]
    alive = ["artifacts/alive/k.scratch", "artifacts/alive/k.staging", "work/alive/k"]
    assert sorted(left) == sorted(["artifacts/dead/k", *alive])


def test_a_lock_is_waited_for_and_can_be_given_up(tmp_path):
    class GivenUp(Exception):
        pass

    def give_up(process):
        raise GivenUp(process)

    with (
        publish.locked(tmp_path, "n", "k", while_waiting=give_up),
        pytest.raises(GivenUp, match=f"^{os.getpid()}$"),
        publish.locked(tmp_path, "n", "k", while_waiting=give_up),
    ):
        pass
    with publish.locked(tmp_path, "n", "k", while_waiting=give_up):
        pass


def test_a_full_disk_leaves_the_old_file_and_names_path_and_space(tmp_path):
    path = tmp_path / "summary.json"
    publish.write_atomically(path, b"old")
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from textmill.pipeline.publish import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from textmill.models.errors import MachineError\n"
        "try: write_atomically(Path(sys.argv[1]), b'x' * 9999)\n"
        "except MachineError as fault: print(fault)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"{path}: File too large (")
    assert "GB free); make room" in done.stdout
    assert path.read_bytes() == b"old"
    assert [child.name for child in tmp_path.iterdir()] == ["summary.json"]


def test_the_names_of_the_folders_of_a_first_run_are_flushed(tmp_path, monkeypatch):
    flushed, fsync = [], os.fsync

    def record(descriptor):
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    root = tmp_path / "root"
    run_log._make_folder(root, "toy")
    assert flushed == [str(root), str(tmp_path), str(root / "runs")]
