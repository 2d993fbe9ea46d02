"""``textmill push`` and ``verify`` on versions of a stage."""

import json

import pytest

from tests.components.pushing import inputs, pushed
from textmill.components.versions import current_version


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "textmill_root"
    for number, model in enumerate(("m1", "m2"), start=1):
        pushed(inputs(tmp_path / str(number), model), root)
    return root


def test_versions_are_listed_newest_first(textmill, root):
    out, _ = textmill("push", "list")
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["STAGE", "VERSION", "MODEL"],
        ["topic", "2", "current"],
        ["topic", "1", "m1"],
    ]
    rows = json.loads(textmill("push", "list", "topic", "--json")[0])
    assert [row["model"] for row in rows] == ["m2", "m1"]
    assert rows[0]["current"] and not rows[0]["pinned"]


def test_a_rollback_and_its_way_back(textmill, root):
    out, _ = textmill("push", "rollback", "topic")
    assert out == "textmill_root/pushed/topic/3 is current: a copy of version 1\n"
    assert "current, copy of 1" in textmill("push", "list")[0]
    textmill("push", "rollback", "topic", "--to", 2)
    assert current_version(root / "pushed/topic").name == "4"
    _, err = textmill("push", "rollback", "topic", "--to", 7, code=2)
    assert "expected one of its versions (1, 2, 3, 4), got 7" in err


def test_a_pinned_version_stays_current(textmill, root, tmp_path):
    out, _ = textmill("push", "pin", "topic", "--version", 1)
    assert out == "textmill_root/pushed/topic/1 is current, pinned\n"
    pushed(inputs(tmp_path / "3", "m3"), root)
    assert current_version(root / "pushed/topic").name == "1"
    out, _ = textmill("push", "unpin", "topic")
    assert out == "textmill_root/pushed/topic/3 is current\n"


def test_a_version_is_verified_by_stage_folder_and_key(textmill, root, tmp_path):
    out, _ = textmill("verify", "topic")
    assert out.startswith("textmill_root/pushed/topic/2: 6 files as pushed, signed by")
    key = root / "keys/push.pub"
    checked = json.loads(
        textmill("verify", f"{root}/pushed/topic/1", "--key", key, "--json")[0]
    )
    assert checked["trusted"] == checked["signed_by"][0]
    (root / "pushed/topic/2/saved_model.pb").write_bytes(b"other")
    _, err = textmill("verify", "topic", code=4)
    assert "saved_model.pb: expected" in err


def test_an_unknown_stage_is_refused_in_a_sentence(textmill, root):
    _, err = textmill("push", "rollback", "topics", code=2)
    assert "expected one of the pushed stages topic, got 'topics'" in err
    _, err = textmill("verify", "none/1", code=2)
    assert "none/1: expected a pushed version, found none" in err
