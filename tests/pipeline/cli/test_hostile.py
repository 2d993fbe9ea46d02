"""Paths, values and terminals that commands cannot use: a sentence, an exit code."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.cli import main
from textmill.pipeline.cli.options import writing

CONFIG = """\
name: tiny
datasets: {docs: {source: {txt: docs.txt}}}
vocabulary: {learn_from: docs}
model: {layers: 1, width: 16, heads: 2}
stages: {pretrain: {task: masked_lm, dataset: docs, train: {steps: 2}}}
"""
LONG = "x" * 300
COMPILE = ("compile", "c.yaml", "--to", "kubeflow", "--root", "gs://bucket/root")


@pytest.fixture(autouse=True)
def folder(tmp_path):
    """A config with its data, and a root, in the folder of the commands."""
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "docs.txt").write_text("a text\n")
    (tmp_path / "root").mkdir()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "check", LONG], "none that can be read (File name too long)"),
        (["config", "check", "/proc/self/mem"], "none that can be read"),
        (["runs", "list", "--root", LONG], "File name too long; give another path"),
        (["predict", f"./{LONG}", "x", "--root", "root"], "File name too long"),
        (["data", "diff", LONG, LONG], "File name too long"),
        (["data", "diff", "deep.json", "deep.json"], "expected JSON (maximum recursi"),
        (["data", "diff", "flat.json", "flat.json"], "the splits of a profile, got o"),
        ([*COMPILE, "-o", "/proc/x"], "/proc/x: No such file or directory; name an"),
        (["data", "peek", "c.yaml", "-n", "9" * 20], "less than or equal to 100000000"),
        (["gc", "--keep", "9" * 20], "less than or equal to 1000000"),
    ],
)
def test_a_path_or_number_that_cannot_be_is_one_sentence(textmill, arguments, words):
    with open("deep.json", "w") as file:
        file.write("[" * 100_000)
    with open("flat.json", "w") as file:
        json.dump({"format": 2, "splits": {"train": {"documents": 3}}}, file)
    _, err = textmill(*arguments, code=2)
    assert words in err
    assert "Traceback" not in err


def test_a_path_that_cannot_be_written_is_named_and_a_full_disk_is_not_hidden(tmp_path):
    for path in ("/proc/x", tmp_path / "no" / "x", tmp_path / LONG):
        words = r"name another place|existing folder"
        with pytest.raises(ConfigError, match=words), writing(Path(path)):
            open(path, "w").close()
    with pytest.raises(OSError, match="No space left"), writing(tmp_path / "x"):
        raise OSError(28, os.strerror(28), "x")


def test_a_working_directory_that_is_gone_matters_to_relative_paths_alone(
    textmill, tmp_path, monkeypatch
):
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    command = ("plan", tmp_path / "c.yaml")
    out, _ = textmill(*command, "--root", tmp_path / "root")
    assert out.endswith("0 of 8 nodes are up to date.\n")
    _, err = textmill("init", tmp_path / "docs.txt", code=2)
    assert err.startswith("textmill: the working directory does not exist any more")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_characters_that_the_terminal_lacks_are_escaped_as_in_json(
    textmill, monkeypatch, encoding
):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    override = "datasets.docs.source.txt=/docs_天_\U0001f600_\udcff.txt"
    command = ["textmill", "config", "show", "c.yaml", "--changed", "--set", override]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as exit:
        main()
    assert not exit.value.code
    stream.flush()
    assert "docs_" in stream.buffer.getvalue().decode(encoding)


def test_escapes_keep_json_readable(monkeypatch):
    from textmill.pipeline.cli import _escape_unencodable

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    _escape_unencodable()
    print(json.dumps("é 天 \U0001f600", ensure_ascii=False))
    stream.flush()
    written = stream.buffer.getvalue()
    assert written == b'"\\u00e9 \\u5929 \\ud83d\\ude00"\n'
    assert json.loads(written) == "é 天 \U0001f600"


def test_paths_of_this_machine_in_a_compiled_pipeline_are_a_warning(textmill):
    _, err = textmill(*COMPILE, "-o", "pipeline.yaml")
    assert err.count("\n") == 1
    assert err.startswith(
        "textmill: warning: c.yaml:2:28 datasets.docs.source.txt: 'docs.txt' is a path "
        "of this machine; steps find it only if their image has it"
    )
    for source in ("{txt: 's3://b/docs.txt'}", "{txt: /mnt/textmill/docs.txt}"):
        overrides = ("--set", f"datasets.docs.source={source}")
        volume = ("--set", "run.kubeflow.volume=claim")
        _, err = textmill(*COMPILE, "-o", "pipeline.yaml", *overrides, *volume)
        assert err == ""
