"""``textmill data`` and ``vocabulary``, as users call them, after one tiny run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from textmill.components.manifest import canonical_json
from textmill.models.errors import ConfigError
from textmill.pipeline.cli.data_display import render_document
from textmill.pipeline.config.load import load_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.progress import visible

REPOSITORY = Path(__file__).parents[3]
SOURCES = str(REPOSITORY / ".ci/typing")
CONFIG = """\
name: tiny
datasets:
  docs:
    source: {jsonl: docs.jsonl, id: id, label: kind}
    split: {train: 0.8, eval: 0.2}
    limits: {max_bad_fraction: 0.1}
vocabulary: {kind: character, size: 64, learn_from: docs}
model: {layers: 1, width: 16, heads: 2}
stages: {pretrain: {task: masked_lm, dataset: docs, train: {steps: 2}}}
"""


def textmill(*arguments, folder, code=0):
    """Calls the command; returns stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "textmill.pipeline.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": SOURCES, "TEXTMILL_ROOT": ""},
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project whose documents were profiled once."""
    folder = tmp_path_factory.mktemp("project")
    rows = [
        {
            "id": f"d{n}",
            "text": f"note {n} on {'天气' * (n % 3)}rain",
            "kind": "ab"[n % 2],
        }
        for n in range(40)
    ]
    lines = [json.dumps(row) for row in rows]
    lines.insert(7, "{broken")
    (folder / "docs.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "c.yaml").write_text(CONFIG)
    textmill("run", "c.yaml", "--until", "profile.docs", folder=folder)
    return folder


def test_peek_shows_the_first_documents_in_shard_order(folder):
    out, err = textmill("data", "peek", "c.yaml", "docs", "-n", 2, folder=folder)
    heads = [line for line in out.splitlines() if line.startswith("── ")]
    assert len(heads) == 2
    assert all(" · label " in head for head in heads)
    assert err == "textmill: 2 of 36 documents of train\n"
    assert textmill("data", "peek", "c.yaml", "docs", "-n", 2, folder=folder)[0] == out


def test_peek_finds_text_in_any_case_and_prints_json(folder):
    arguments = ("peek", "c.yaml", "docs", "--grep", "NOTE 3 ", "--json")
    documents = [
        json.loads(line)
        for split in ("train", "eval")
        for line in textmill("data", *arguments, "--split", split, folder=folder)[
            0
        ].splitlines()
    ]
    assert documents == [{"id": "d3", "text": "note 3 on rain", "label": "b"}]


def test_peek_names_the_splits_there_are(folder):
    arguments = ("data", "peek", "c.yaml", "docs", "--split", "test")
    _, err = textmill(*arguments, folder=folder, code=2)
    assert err == "textmill: --split: expected one of train, eval, got 'test'\n"


def test_stats_show_counts_labels_tokens_losses_and_anomalies(folder):
    out, err = textmill("data", "stats", "c.yaml", "docs", folder=folder)
    assert re.search(r"tokenized at [0-9.]+ MB/s, one thread\n", err)
    lines = [line.split() for line in out.splitlines()]
    assert ["DOCS", "TRAIN", "EVAL"] in lines
    assert ["documents", "36", "4"] in lines
    assert ["read", "41"] in lines
    assert ["bad", "1", "bad_json"] in lines
    assert any(line[:3] == ["tokens", "of", "a"] for line in lines)
    small = ["warning", "small", "train", "36", "documents,", "fewer", "than", "50"]
    assert small in lines


def test_stats_as_json_are_the_profile(folder):
    out, _ = textmill("data", "stats", "c.yaml", "docs", "--json", folder=folder)
    assert textmill("data", "stats", "docs", "--json", folder=folder)[0] == out
    [file] = folder.glob("textmill_root/artifacts/profile.docs/*/profile/profile.json")
    assert json.loads(out) == json.loads(file.read_text())


def test_a_written_schema_agrees_with_its_documents(folder):
    arguments = ("data", "schema", "c.yaml", "docs", "-o", "schema.yaml")
    out, err = textmill(*arguments, folder=folder)
    text = (folder / "schema.yaml").read_text()
    assert (out, err) == (
        "",
        "schema.yaml: name it in datasets.docs.profile.schema\n",
    )
    assert "values:\n    - a\n    - b\n" in text
    frozen = ("--set", "datasets.docs.profile.schema=schema.yaml")
    textmill("run", "c.yaml", *frozen, "--until", "profile.docs", folder=folder)
    out, _ = textmill("data", "stats", "c.yaml", "docs", *frozen, folder=folder)
    assert "schema" not in out
    out, _ = textmill("data", "schema", "c.yaml", "docs", folder=folder)
    assert out == text


def test_a_listed_kind_fails_the_run_and_publishes_no_profile(folder):
    strict = ("--set", "datasets.docs.profile.fail_on=[small]")
    arguments = ("run", "c.yaml", *strict, "--until", "profile.docs")
    _, err = textmill(*arguments, folder=folder, code=3)
    assert "small (train): 36 documents, fewer than 50" in err
    _, err = textmill("data", "stats", "c.yaml", "docs", *strict, folder=folder)
    assert "profile.docs would run again; this is the result of run " in err


def test_two_profiles_are_compared_by_run_and_by_path(folder):
    [file, *_] = folder.glob(
        "textmill_root/artifacts/profile.docs/*/profile/profile.json"
    )
    changed = json.loads(file.read_text())
    train = changed["splits"]["train"]
    train["documents"], train["labels"] = 66, {"a": 3, "c": 30}
    (folder / "other.json").write_text(json.dumps(changed))
    runs = json.loads(textmill("runs", "list", "--json", folder=folder)[0])
    before = f"{runs[-1]['run_id']}:docs"
    out, _ = textmill("data", "diff", before, "other.json", folder=folder)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "train, documents 36 66 +83.3%" in lines
    [labels] = [line for line in lines if line.startswith("train, labels 0.9091")]
    assert labels.endswith("l-infinity 'c' from 0.0% to 90.9%")
    assert "new label: c" in lines
    same = textmill("data", "diff", before, file.parent, "--json", folder=folder)[0]
    assert {
        one["value"] for measures in json.loads(same).values() for one in measures
    } == {0}


def test_dead_letters_are_shown_with_their_place(folder):
    out, _ = textmill("data", "dead", "c.yaml", "docs", folder=folder)
    assert "bad_json        1" in out
    assert "docs.jsonl, line " in out
    letters = textmill("data", "dead", "c.yaml", "docs", "--json", folder=folder)[0]
    assert json.loads(letters)["length"] == 7


def test_the_records_of_a_failed_ingestion_stay_with_the_run(folder):
    strict = ("--set", "datasets.docs.limits.max_bad_fraction=0")
    arguments = ("run", "c.yaml", *strict, "--root", "strict", "--until", "ingest.docs")
    _, err = textmill(*arguments, folder=folder, code=3)
    assert "`textmill data dead FILE docs` shows the bad records" in err
    root = ("docs", *strict, "--root", "strict")
    out, err = textmill("data", "dead", "c.yaml", *root, folder=folder)
    assert "bad_json        1" in out
    assert "textmill: ingest.docs failed in run " in err
    out, err = textmill("data", "peek", "c.yaml", *root, "-n", 1, folder=folder)
    assert "note 0 on rain" in out
    assert "textmill: 1 documents that could be read; 1 bad records\n" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("peek", "c.yaml", "dogs"), "has no data set 'dogs'; did you mean 'docs'?"),
        (("stats", "c.yaml", "docs", "--root", "r"), "--until profile.docs`"),
        (("peek", "c.yaml", "docs", "--root", "r"), "--until ingest.docs`"),
        (("diff", "absent.json", "absent.json"), "expected a profile.json"),
        (
            ("schema", "c.yaml", "docs", "-o", "no/s.yaml"),
            "expected an existing folder",
        ),
        (("diff", "nothing:docs", "x"), "has no run 'nothing'"),
    ],
)
def test_wrong_usage_gives_one_message(folder, arguments, sentence):
    out, err = textmill("data", *arguments, folder=folder, code=2)
    assert out == ""
    assert err.count("\n") == 1
    assert sentence in err
    assert not (folder / "r").exists()


def test_a_document_cannot_command_the_terminal():
    document = {"id": "a\x1b[2J", "text": "red \x1b[31m \u202egnol\r\n\tkept ‍é"}
    assert render_document(document) == (
        "── a\\u{1b}[2J\nred \\u{1b}[31m \\u{202e}gnol\\u{d}\n\tkept ‍é\n"
    )
    assert visible("plain") == "plain"


def test_of_a_long_document_the_part_that_was_sought_is_shown():
    text = "a" * 5000 + "needle" + "b" * 5000
    shown = render_document({"id": "1", "text": text}, around="NEEDLE")
    assert "[4,000 characters before]" in shown
    assert "needle" in shown
    assert "characters more; --json prints all]" in shown


def load(folder, profile):
    (folder / "c.yaml").write_text(
        CONFIG.replace("    limits:", f"    profile: {profile}\n    limits:")
    )
    return load_config(folder / "c.yaml")


def test_paths_of_a_profile_are_relative_to_the_file(tmp_path):
    loaded = load(tmp_path, "{schema: s.yaml, baseline: ../old/profile.json}")
    profile = loaded.config.datasets["docs"].profile
    assert profile.schema == str(tmp_path / "s.yaml")
    assert profile.baseline == str(tmp_path.parent / "old" / "profile.json")


def test_a_changed_profile_does_not_ingest_again(tmp_path):
    plain = create_pipeline(load(tmp_path, "{}"), tmp_path)
    strict = create_pipeline(load(tmp_path, "{fail_on: [drift]}"), tmp_path)
    assert plain.node("ingest.docs").config == strict.node("ingest.docs").config
    assert plain.node("profile.docs").config != strict.node("profile.docs").config


def test_documents_without_a_label_are_kept_where_a_stage_needs_none(tmp_path):
    loaded = load(tmp_path, "{}")
    assert create_pipeline(loaded, tmp_path).node("ingest.docs").config.keep_unlabelled
    labelled = load_config(tmp_path / "c.yaml", ["stages.pretrain.task=classify"])
    node = create_pipeline(labelled, tmp_path).node("ingest.docs")
    assert not node.config.keep_unlabelled


def test_a_kind_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"fail_on\.0: expected 'bad', 'empty'"):
        load(tmp_path, "{fail_on: [drfit]}")


def test_the_profile_of_a_data_set_is_in_the_schema_of_configs():
    from textmill.pipeline.config.schema import config_schema

    definitions = config_schema()["$defs"]
    fields = definitions["DatasetConfig"]["properties"]
    assert fields["profile"]["description"].startswith("Checks of its documents")
    assert fields["clean"]["description"]
    assert canonical_json(
        definitions["ProfileConfig"]["properties"]["fail_on"]["default"]
    )


def test_a_stage_waits_for_a_profile_that_may_fail(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    for kinds, waits in (("[]", False), ("[drift]", True)):
        override = f"datasets.docs.profile.fail_on={kinds}"
        loaded = load_config(tmp_path / "c.yaml", [override])
        node = create_pipeline(loaded, tmp_path).node("tokenize.pretrain")
        assert ("profile.docs" in node.upstream()) == waits


def test_vocabulary_cut_shows_tokens_as_the_model_has_them(folder):
    arguments = ("vocabulary", "encode", "c.yaml", "Note 3天", "é")
    out, _ = textmill(*arguments, folder=folder)
    assert out == "n o t e   3 天\n[UNK]\n"
    out, _ = textmill(*arguments, "--json", folder=folder)
    first, second = map(json.loads, out.splitlines())
    assert first["tokens"] == ["n", "o", "t", "e", " ", "3", "天"]
    assert second == {"text": "é", "tokens": ["[UNK]"], "ids": [1]}
    assert len(set(first["ids"])) == 7


def test_vocabulary_export_writes_files_that_hugging_face_reads(folder):
    import tokenizers

    arguments = ("vocabulary", "export", "c.yaml", "-o", "exported")
    out, err = textmill(*arguments, folder=folder)
    assert "exported/tokenizer.json" in out.splitlines()
    assert err.startswith("textmill: character, ")
    peer = tokenizers.Tokenizer.from_file(str(folder / "exported/tokenizer.json"))
    assert peer.encode("Note", add_special_tokens=False).tokens == ["n", "o", "t", "e"]
    arguments = (*arguments[:-1], "hub", "--to", "keras_hub")
    _, err = textmill(*arguments, folder=folder, code=2)
    assert "KerasHub has no tokenizer of kind character" in err


def test_a_vocabulary_that_was_not_made_names_the_command(folder):
    arguments = ("vocabulary", "encode", "c.yaml", "x", "--root", "nowhere")
    _, err = textmill(*arguments, folder=folder, code=2)
    assert "expected a result of vocabulary, found none" in err
    assert "`textmill run c.yaml --until vocabulary`" in err
