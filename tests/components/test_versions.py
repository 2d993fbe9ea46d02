"""Pushed versions: pointer, pins, rollbacks, removal, signatures."""

import json
import shutil
import subprocess

import pytest

from textmill.components.artifacts import PushedVersion
from textmill.components.manifest import MANIFEST, list_files, write_manifest
from textmill.components.provenance import (
    FILE,
    SIGNING_KEY,
    trusted_keys,
    verify_version,
    write_provenance,
)
from textmill.components.signatures import (
    create_key,
    key_id,
    open_envelope,
    read_private,
    read_public,
)
from textmill.components.versions import (
    Pointer,
    advance,
    current_version,
    locked,
    pin,
    prune,
    read_pointer,
    rollback,
    unpin,
    write_pointer,
)
from textmill.models.errors import ConfigError, IntegrityError

LINEAGE = [
    {
        "node": "ingest.mail",
        "config": {"seed": 1},
        "code": {"textmill.components.ingester": "1" * 64},
        "libraries": {"PyArrow": "21.0"},
        "files": {"mail.csv": "a" * 64},
        "outputs": {"documents": "b" * 64},
    },
    {
        "node": "train.topic",
        "config": {"steps": 3},
        "code": {"textmill.components.trainer": "2" * 64},
        "libraries": {"keras": "3.15.1"},
        "files": {},
        "outputs": {"model": "c" * 64},
    },
]


def push(folder, number, model="m1", *, key=None):
    """Writes a small version as the pusher does."""
    version = folder / str(number)
    (version / "assets.extra").mkdir(parents=True)
    (version / "variables").mkdir()
    (version / PushedVersion.MODEL).write_bytes(b"graph %d" % number)
    (version / "variables/variables.index").write_bytes(bytes(range(64)))
    (version / PushedVersion.CARD).write_text(json.dumps({"model": model}))
    write_provenance(version, lineage=LINEAGE, finished="2026-01-01T00:00:00Z", key=key)
    write_manifest(version, kind="PushedVersion", facts={"serving": "s"})
    return version


@pytest.fixture
def stage(tmp_path):
    folder = tmp_path / "root/pushed/topic"
    folder.mkdir(parents=True)
    create_key(tmp_path / "root" / SIGNING_KEY)
    for number, model in ((1, "m1"), (2, "m2"), (3, "m2")):
        push(folder, number, model, key=tmp_path / "root" / SIGNING_KEY)
    return folder


def test_the_newest_version_is_current_until_a_pointer_names_another(stage):
    assert current_version(stage).name == "3"
    write_pointer(stage, Pointer(version=2))
    assert current_version(stage).name == "2"
    shutil.rmtree(stage / "2")
    assert current_version(stage).name == "3"


def test_a_push_moves_the_pointer_unless_a_version_is_pinned(stage):
    advance(stage, 3)
    assert read_pointer(stage) == Pointer(version=3)
    assert pin(stage, 1) == 1
    advance(stage, 3)
    assert current_version(stage).name == "1"
    with pytest.raises(ConfigError, match="version 1 is pinned; unpin it first"):
        rollback(stage)
    assert unpin(stage) == 3
    assert read_pointer(stage) == Pointer(version=3)


def test_a_rollback_copies_the_last_version_of_another_model(stage):
    assert rollback(stage) == (1, 4)
    copy = PushedVersion(stage / "4")
    assert copy.read_card() == {"model": "m1"}
    assert copy.facts["copy_of"] == 1
    assert current_version(stage).name == "4"
    # The signed files are the same, so the signature holds for the copy as well.
    assert verify_version(stage / "4", trusted_keys(stage / "4")).trusted
    assert rollback(stage, 2) == (2, 5)
    with pytest.raises(ConfigError, match=r"its versions \(1, 2, 3, 4, 5\), got 9"):
        rollback(stage, 9)


def test_a_damaged_version_is_not_rolled_back_to(stage):
    (stage / "1" / PushedVersion.MODEL).write_bytes(b"graph 9")
    with pytest.raises(IntegrityError, match="expected sha256"):
        rollback(stage, 1)
    assert not (stage / "4").exists()


def test_the_oldest_versions_are_removed_but_never_the_current_one(stage):
    pin(stage, 1)
    with locked(stage):
        assert prune(stage, 1) == [2]
    assert {v.name for v in PushedVersion.all(stage)} == {"1", "3"}
    assert not list(stage.glob(".removed-*"))


def test_a_leftover_of_a_killed_removal_goes_with_the_next(stage):
    (stage / "1").rename(stage / ".removed-1")
    with locked(stage):
        assert prune(stage, 5) == []
    assert not list(stage.glob(".removed-*"))


def test_a_damaged_pointer_is_an_error_in_a_sentence(stage):
    (stage / "current.json").write_text("{")
    with pytest.raises(IntegrityError, match="delete it to take the newest version"):
        current_version(stage)


def test_the_statement_names_data_code_libraries_and_configs(stage):
    statement, _, _ = open_envelope(stage / "3" / FILE)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    names = {subject["name"] for subject in statement["subject"]}
    assert names == set(list_files(stage / "3")) - {FILE}
    build = statement["predicate"]["buildDefinition"]
    assert build["externalParameters"]["train.topic"] == {"steps": 3}
    assert set(build["internalParameters"]["code"]) == {"ingest.mail", "train.topic"}
    dependencies = {d["name"]: d for d in build["resolvedDependencies"]}
    assert dependencies["mail.csv"]["digest"] == {"sha256": "a" * 64}
    assert dependencies["train.topic/model"]["digest"] == {"sha256": "c" * 64}
    assert dependencies["PyArrow"]["uri"] == "pkg:pypi/pyarrow@21.0"


def test_every_changed_byte_of_a_version_is_found(stage):
    version, checked = stage / "3", 0
    keys = trusted_keys(version)
    assert verify_version(version, keys).files == len(list_files(version))
    for name in [*list_files(version), MANIFEST]:
        path = version / name
        data = path.read_bytes()
        for position in range(0, len(data), max(1, len(data) // 60)):
            changed = bytearray(data)
            changed[position] ^= 0x01
            path.write_bytes(changed)
            with pytest.raises(IntegrityError):
                verify_version(version, keys)
            checked += 1
        path.write_bytes(data)
    assert checked > 200
    verify_version(version, keys)


def test_a_manifest_that_an_attacker_recomputed_is_found(stage):
    version = stage / "3"
    (version / PushedVersion.MODEL).write_bytes(b"graph X")
    write_manifest(version, kind="PushedVersion", facts={"serving": "s"})
    PushedVersion(version).verify()
    with pytest.raises(IntegrityError, match=r"statement is of other files .*model.pb"):
        verify_version(version, trusted_keys(version))
    # A statement of the altered files, by a key that nobody trusts.
    create_key(stage / "theirs.pem")
    (version / FILE).unlink()
    write_provenance(version, lineage=[], finished="", key=stage / "theirs.pem")
    write_manifest(version, kind="PushedVersion", facts={"serving": "s"})
    with pytest.raises(IntegrityError, match="by a trusted key, got one by"):
        verify_version(version, trusted_keys(version))
    # No statement at all.
    (version / FILE).unlink()
    write_manifest(version, kind="PushedVersion", facts={"serving": "s"})
    with pytest.raises(IntegrityError, match="expected a signature"):
        verify_version(version, trusted_keys(version))


def test_a_file_that_is_not_listed_is_found(stage):
    (stage / "3/assets.extra/more.json").write_text("{}")
    with pytest.raises(IntegrityError, match="not in the manifest"):
        verify_version(stage / "3")


def test_a_copy_elsewhere_is_checked_with_a_given_key(stage, tmp_path):
    copy = shutil.copytree(stage / "3", tmp_path / "elsewhere/3")
    assert trusted_keys(copy) == []
    assert verify_version(copy).trusted is None
    public = tmp_path / "root/keys/push.pub"
    assert verify_version(copy, [public]).trusted == key_id(read_public(public))


def test_keys_are_those_of_openssl_and_private(tmp_path):
    create_key(tmp_path / "keys/push.pem")
    assert (tmp_path / "keys/push.pem").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "keys/push.pem").read_bytes()
    create_key(tmp_path / "keys/push.pem")
    assert (tmp_path / "keys/push.pem").read_bytes() == before
    private = read_private(tmp_path / "keys/push.pem")
    public = read_public(tmp_path / "keys/push.pub")
    assert key_id(private.public_key()) == key_id(public)
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = tmp_path / "made.pem"
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(made)]
    subprocess.run(command, check=True)
    assert len(key_id(read_private(made).public_key())) == 64


def test_another_kind_of_key_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "no.pem").write_text("-----BEGIN PRIVATE KEY-----\nAA\n")
    with pytest.raises(ConfigError, match="expected an Ed25519 key in PEM"):
        read_private(tmp_path / "no.pem")
    with pytest.raises(ConfigError, match="expected an Ed25519 key in PEM"):
        read_public(tmp_path / "none.pub")
