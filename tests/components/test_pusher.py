"""The pusher: kills at every change of the disk, buckets, kept versions."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.pushing import inputs, pushed
from tests.pipeline.loopback import Fault
from textmill.components.artifacts import PushedVersion
from textmill.components.manifest import list_files
from textmill.components.provenance import trusted_keys, verify_version
from textmill.components.versions import current_version, pin, read_pointer
from textmill.models.errors import ConfigError, RemoteError

REPOSITORY = Path(__file__).parents[2]


def test_a_push_killed_at_any_write_leaves_the_old_or_the_new_version(tmp_path):
    start = tmp_path / "start"
    for number, model in enumerate(("m1", "m2")):
        pushed(inputs(start / f"in{number}", model), start)
    inputs(start / "in", "m3")
    old, states, number = read(start), set(), 0
    while True:
        number += 1
        root = shutil.copytree(start, tmp_path / "root")
        code = push_and_kill(root, number)
        state = read(root)
        assert state in (old, ("3", "m3"))
        states.add(state)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        # The next push completes it, without a gap or a second copy.
        assert push_and_kill(root, 0) == 0
        assert read(root) == ("3", "m3")
        names = {p.name for p in (root / "pushed/topic").iterdir()}
        assert names == {"2", "3", ".lock", "current.json"}
        shutil.rmtree(root)
    assert states == {old, ("3", "m3")}
    assert number > 20


def push_and_kill(root, number):
    command = [sys.executable, "-m", "tests.components.pushing", str(root), str(number)]
    return subprocess.run(command, cwd=REPOSITORY, env=os.environ).returncode


def read(root):
    """Returns number and model of the verified version that readers take."""
    version = current_version(root / "pushed/topic")
    verify_version(version, trusted_keys(version))
    return version.name, PushedVersion(version).read_card()["model"]


def test_old_versions_go_and_the_pinned_one_stays(tmp_path):
    for number in range(1, 6):
        model = inputs(tmp_path / str(number), f"m{number}")
        pushed(model, tmp_path, keep=2)
        if number == 2:
            pin(tmp_path / "pushed/topic", 1)
    folder = tmp_path / "pushed/topic"
    assert [v.name for v in PushedVersion.all(folder)] == ["5", "4", "1"]
    assert current_version(folder).name == "1"


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_bucket_gets_the_same_versions(service, scheme, tmp_path):
    url = f"{scheme}://bucket/models/topic"
    for number in (1, 2, 3):
        pushed(
            inputs(tmp_path / str(number), f"m{number}"), tmp_path, to=(url,), keep=2
        )
    local, prefix = tmp_path / "pushed/topic", "models/topic/"
    remote = {
        name.removeprefix(prefix): data
        for name, data in service.objects.items()
        if name.startswith(prefix)
    }
    assert remote == {
        name: (local / name).read_bytes()
        for name in ["current.json", *list_files(local)]
        if name != ".lock"
    }


def test_versions_in_a_bucket_are_numbered_after_those_of_other_roots(
    service, tmp_path
):
    url = "gs://bucket/models/topic"
    pushed(inputs(tmp_path / "1", "m1"), tmp_path / "a", to=(url,))
    result = pushed(inputs(tmp_path / "2", "m2"), tmp_path / "b", to=(url,))
    assert result.facts["version"] == 2
    assert "models/topic/2/saved_model.pb" in service.objects
    assert read_pointer(tmp_path / "b/pushed/topic").version == 2


def test_a_bucket_that_does_not_answer_is_pushed_to_by_the_next_run(service, tmp_path):
    url = "gs://bucket/models/topic"
    artifacts = inputs(tmp_path / "1", "m1")
    service.faults += [Fault("POST", "/upload/", status=403)]
    with pytest.raises(RemoteError):
        pushed(artifacts, tmp_path, to=(url,))
    assert "models/topic/1/saved_model.pb" not in service.objects
    result = pushed(artifacts, tmp_path, to=(url,))
    assert result.facts["version"] == 1
    assert "models/topic/1/saved_model.pb" in service.objects


def test_a_key_that_is_not_one_stops_the_push_before_a_version(tmp_path):
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(ConfigError, match="expected an Ed25519 key in PEM"):
        pushed(inputs(tmp_path / "1"), tmp_path, key=str(tmp_path / "key.pem"))
    assert PushedVersion.all(tmp_path / "pushed/topic") == []
