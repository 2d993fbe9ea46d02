"""``textmill serve``: targets of the command line, tokens, and refusals."""

import json

import pytest

from textmill.components.server import CURRENT, ServerConfig
from textmill.models.errors import ConfigError
from textmill.pipeline.cli.serve import _source, _tokens
from textmill.pipeline.remote.mirror import Mirror


@pytest.fixture
def root(tmp_path):
    """A root with two versions of a stage, the first of which is current."""
    for number in (1, 2):
        folder = tmp_path / f"pushed/topic/{number}"
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"")
    pointer = json.dumps({"version": 1, "pinned": True})
    (tmp_path / "pushed/topic/current.json").write_text(pointer)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "name", "label", "version"),
    [
        ("topic", "topic", CURRENT, 1),
        ("topic@2", "topic", None, 2),
        ("topic@stable=2", "topic", "stable", 2),
        ("mails=topic", "mails", CURRENT, 1),
        ("{root}/pushed/topic", "topic", CURRENT, 1),
        ("{root}/pushed/topic/2", "topic", CURRENT, 2),
        ("mails={root}/pushed/topic/2", "mails", CURRENT, 2),
        ("{root}/pushed/topic@2", "topic", None, 2),
    ],
)
def test_a_target_is_a_name_a_label_and_a_version(root, target, name, label, version):
    source = _source(target.format(root=root), Mirror(str(root)))
    assert (source.name, source.label) == (name, label)
    assert source.find() == root / f"pushed/topic/{version}"


def test_a_source_follows_the_pointer(root):
    source = _source("topic", Mirror(str(root)))
    (root / "pushed/topic/current.json").write_text('{"version": 2, "pinned": false}')
    assert source.find() == root / "pushed/topic/2"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("tropic", "serve: expected a pushed stage (topic) or the folder"),
        ("topic@3", "expected a pushed version, got none"),
        ("topic@x", "expected STAGE, STAGE@VERSION or NAME=PATH"),
        ("./nothing/", "expected a pushed stage"),
    ],
)
def test_a_target_without_a_model_is_refused(textmill, root, target, message):
    _, err = textmill("serve", target, "--root", root, code=2)
    assert message in err


def test_tokens_come_from_a_file_and_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "tokens"
    file.write_text("one\ntwo\n")
    monkeypatch.setenv("TEXTMILL_SERVE_TOKENS", "three")
    assert _tokens(file) == ("three", "one", "two")
    file.write_text("\n")
    with pytest.raises(ConfigError, match="expected a token, got none"):
        _tokens(file)


def test_a_certificate_needs_its_key(textmill, root):
    arguments = ("serve", "topic", "--root", root, "--tls-cert", "cert.pem")
    _, err = textmill(*arguments, code=2)
    assert "both tls_certificate and tls_key" in err
    assert ServerConfig().host == "127.0.0.1"
