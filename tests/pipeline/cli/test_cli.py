"""The command line, as its users call it: in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.display import (
    render_answer,
    render_plan,
    render_run,
    render_table,
)
from textmill.pipeline.cli.doctor import examine, existing
from textmill.pipeline.cli.predict import find_model
from textmill.pipeline.cli.tensorboard import link
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.store import MetadataStore

REPOSITORY = Path(__file__).parents[3]
GOOD = """\
name: tiny
datasets: {docs: {source: {docstrings: [stdlib]}}}
vocabulary: {size: 64, learn_from: docs}
model: {layers: 1, width: 16, heads: 2}
stages: {pretrain: {task: masked_lm, dataset: docs, train: {steps: 2}}}
"""
SIX_MISTAKES = """\
name: tiny
datasets: {docs: {source: {docstrings: stdlib}}}
vocabulary: {size: 64, learn_from: doc}
model: {layers: 1, width: 15, heads: 2}
stages:
  pretrain: {task: masked_ml, dataset: docs, train: {steps: 2}}
  again: {task: masked_lm, init: nothing, dataset: docs, train: {step: 2}}
"""


def textmill(*arguments, folder, code=0, stdin="", **environment):
    """Calls the command; returns stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "textmill.pipeline.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(REPOSITORY / ".ci/typing"), "TEXTMILL_ROOT": ""}
        | environment,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "c.yaml").write_text(GOOD)
    return tmp_path


def saved_model(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    return folder


def test_the_command_line_imports_nothing_heavy(folder):
    script = (
        "import sys, textmill.pipeline.cli, textmill.pipeline.cli.display\n"
        "heavy = {'tensorflow', 'keras', 'apache_beam', 'numpy', 'pydantic', 'rich',"
        " 'ruamel', 'jinja2', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr


def test_help_names_every_command(folder):
    out, _ = textmill("--help", folder=folder)
    for command in ("run", "plan", "runs", "report", "predict", "config", "doctor"):
        assert f"\n  {command} " in out


def test_a_good_config_is_fine(folder):
    out, err = textmill("config", "check", "c.yaml", folder=folder)
    assert (out, err) == ("c.yaml: fine; 1 data set, 1 stage\n", "")


def test_six_mistakes_are_reported_at_once(folder):
    (folder / "c.yaml").write_text(SIX_MISTAKES)
    out, err = textmill("config", "check", "c.yaml", folder=folder, code=2)
    first, *lines = err.splitlines()
    assert out == ""
    assert first == "textmill: 6 errors in c.yaml"
    assert [line.split()[1] for line in lines] == [
        "datasets.docs.source.docstrings:",
        "vocabulary.learn_from:",
        "model:",
        "stages.pretrain.task:",
        "stages.again.init:",
        "stages.again.train.step:",
    ]


def test_run_and_plan_refuse_a_wrong_config_before_anything_else(folder):
    for command in ("run", "plan"):
        wrong = ("--set", "stages.pretrain.train.step=1")
        out, err = textmill(command, "c.yaml", *wrong, folder=folder, code=2)
        assert out == ""
        assert err == (
            "textmill: --set stages.pretrain.train.step=1 stages.pretrain.train.step: "
            "expected a known key, got 'step'; did you mean 'steps'?\n"
        )
    assert not (folder / "textmill_root").exists()


def test_show_prints_defaults_overrides_and_references(folder):
    out, _ = textmill(
        *("config", "show", "c.yaml"),
        *("--set", "vocabulary={file: '${env:TM_SECRET}/v.txt'}"),
        folder=folder,
        TM_SECRET="hush",
    )
    assert "steps: 2\n" in out
    assert "learning_rate: 0.001\n" in out
    assert "file: ${env:TM_SECRET}/v.txt" in out or "${env:TM_SECRET}/v.txt" in out
    assert "hush" not in out


def test_schema_describes_every_field(folder):
    schema = json.loads(textmill("config", "schema", folder=folder)[0])
    fields = [
        field
        for part in [schema, *schema["$defs"].values()]
        for field in part["properties"].values()
    ]
    assert len(fields) > 80
    assert all(field["description"] for field in fields)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "c.yaml", "--nonsense"),
        ("nonsense",),
        ("config", "check", "absent.yaml"),
        ("runs", "list"),
        ("runs", "list", "--root", "absent"),
        ("report",),
        ("predict", "library", "text"),
    ],
)
def test_wrong_usage_exits_with_2_and_no_traceback(folder, arguments):
    out, err = textmill(*arguments, folder=folder, code=2)
    assert out == ""
    assert "Traceback" not in err


def test_debug_shows_the_traceback_wherever_it_stands(folder):
    for arguments in (("--debug", "report"), ("report", "--debug")):
        _, err = textmill(*arguments, folder=folder, code=2)
        assert "Traceback" in err
        assert err.splitlines()[-1].startswith("textmill: ")


def test_a_root_that_is_a_file_gives_one_message(folder):
    (folder / "root").write_text("")
    _, err = textmill("runs", "list", "--root", "root", folder=folder, code=2)
    assert err.count("\n") == 1
    assert "expected a root folder" in err


def test_the_root_may_come_from_the_environment(folder):
    _, err = textmill("runs", "list", folder=folder, code=2, TEXTMILL_ROOT="elsewhere")
    assert err.startswith("textmill: elsewhere: expected a root folder, found none")


def record(root, run_id, started):
    summary = {
        "run_id": run_id,
        "status": "succeeded",
        "started": started,
        "seconds": 61.0,
        "nodes": {"train.a": {"state": "ran", "seconds": 60.0}},
        "stages": {"a": {"metrics": {"loss": 1.5}, "blessed": None, "pushed": None}},
    }
    page = root / "runs" / run_id / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    with MetadataStore(root) as store:
        store.record_run(summary)


def test_runs_are_listed_newest_first_and_shown(folder):
    root = folder / "textmill_root"
    record(root, "first", 1.0)
    record(root, "second", 2.0)
    lines = textmill("runs", "list", folder=folder)[0].splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "second", "first"]
    out = textmill("runs", "show", folder=folder)[0]
    assert out.startswith("second: succeeded\n")
    assert "train.a  ran    1 min 00 s" in out
    assert textmill("report", folder=folder)[0] == (
        "textmill_root/runs/second/report.html\n"
    )
    assert textmill("report", "first", folder=folder)[0].count("first") == 1
    _, err = textmill("runs", "show", "frist", folder=folder, code=2)
    assert err.endswith("has no run 'frist'; did you mean 'first'?\n")
    (root / "runs" / "first" / "report.html").unlink()
    _, err = textmill("report", "first", folder=folder, code=2)
    assert "expected a report, found none" in err


def test_doctor_examines_without_touching_the_root(folder):
    out, _ = textmill("doctor", folder=folder)
    assert "python" in out
    assert "disk" in out
    assert not (folder / "textmill_root").exists()


def test_doctor_stops_at_a_root_that_cannot_be_written():
    root = Path("/proc/textmill")
    assert existing(root) == Path("/proc")
    [check] = [c for c in examine(root) if c.subject == "root"]
    assert check.status == "stop"


def test_the_newest_pushed_version_answers(tmp_path):
    for version in ("2", "10", "3.partial"):
        saved_model(tmp_path / "pushed" / "library" / version)
    newest = tmp_path / "pushed" / "library" / "10"
    assert find_model("library", Mirror(str(tmp_path))) == newest
    assert find_model(str(newest), Mirror("elsewhere")) == newest
    assert find_model(str(newest.parent), Mirror("elsewhere")) == newest
    with pytest.raises(ConfigError, match=r"\(library\).*did you mean 'library'"):
        find_model("libary", Mirror(str(tmp_path)))


def test_a_stage_is_never_a_folder_of_the_working_directory(tmp_path, monkeypatch):
    pushed = saved_model(tmp_path / "root" / "pushed" / "library" / "1")
    planted = saved_model(tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    assert find_model("library", Mirror(str(tmp_path / "root"))) == pushed
    assert find_model("./library", Mirror(str(tmp_path / "root"))).samefile(planted)
    with pytest.raises(ConfigError, match="nothing was pushed"):
        find_model("library", Mirror(str(tmp_path / "other")))


def test_a_version_without_a_model_does_not_answer(tmp_path):
    (tmp_path / "pushed" / "library" / "1").mkdir(parents=True)
    with pytest.raises(ConfigError, match="nothing was pushed"):
        find_model("library", Mirror(str(tmp_path)))


def test_tables_are_aligned_without_trailing_space():
    assert render_table([["a", "b", ""], ["aa", "b", "c"]]) == "a   b\naa  b  c"


class Node:
    def __init__(self, id, state, reasons):
        self.id, self.state, self.reasons = id, state, reasons


def test_a_plan_gives_every_reason_a_line():
    nodes = [
        Node("ingest.docs", "cached", []),
        Node(
            "train.a", "run", ["steps: 1 -> 2 (c.yaml:5:9)", "models/backbones/bert.py"]
        ),
    ]
    assert render_plan(nodes) == (
        "NODE         STATE   WHY\n"
        "ingest.docs  cached\n"
        "train.a      run     steps: 1 -> 2 (c.yaml:5:9)\n"
        "                     models/backbones/bert.py\n"
        "\n"
        "1 of 2 nodes are up to date."
    )


def test_a_plan_of_several_stages_has_a_line_for_each():
    nodes = [
        Node("ingest.mood", "cached", []),
        Node("train.topic", "run", ["first run"]),
        Node("push.topic", "waits", ["waits for train.topic"]),
        Node("train.mood", "cached", []),
    ]
    assert render_plan(nodes, ["topic", "mood"]).split("\n\n")[1:] == [
        "STAGE  TO RUN\ntopic  2 of 2 nodes\nmood   up to date",
        "2 of 4 nodes are up to date.",
    ]


SUMMARY = {
    "run_id": "r1",
    "status": "succeeded",
    "nodes": {
        "train.library": {"state": "ran", "seconds": 3.0},
        "push.library": {"state": "cached", "seconds": 0.0},
    },
    "stages": {
        "pretrain": {"metrics": {"loss": 4.25}, "blessed": None, "pushed": None},
        "library": {
            "task": "classify",
            "split": "eval",
            "rows": 80,
            "metrics": {"accuracy": 0.7},
            "intervals": {"accuracy": [0.65, 0.75]},
            "blessed": True,
            "pushed": "pushed/library/1",
        },
    },
}


def test_a_run_ends_in_metrics_places_and_the_next_step(tmp_path):
    page = tmp_path / "runs" / "r1" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    out = render_run(SUMMARY, tmp_path, is_default_root=True)
    assert out.split("\n\n")[1].splitlines() == [
        "pretrain  loss 4.25",
        "library   on 80 documents of eval: accuracy 0.7 [0.65, 0.75]; passed its gate",
        f"          pushed to {tmp_path}/pushed/library/1",
        f"report    {page}",
        'next      textmill predict library "your text"',
    ]
    assert f"predict --root {tmp_path} library" in render_run(SUMMARY, tmp_path)


def test_labels_without_a_row_are_named_beside_the_metrics(tmp_path):
    stages = SUMMARY["stages"]
    stage = stages["library"] | {"absent_labels": ["tecnical", "Billing "]}
    out = render_run(SUMMARY | {"stages": stages | {"library": stage}}, tmp_path)
    assert "labels without a row there: 'tecnical', 'Billing '" in out


def test_a_failed_run_shows_the_failure_and_the_next_step(tmp_path):
    failed = {"state": "failed", "seconds": 1.0, "error": "disk full; make room"}
    summary = SUMMARY | {
        "status": "failed",
        "nodes": {"train.library": failed},
        "stages": {},
    }
    out = render_run(summary, tmp_path)
    assert out.count("disk full; make room") == 1
    assert "same command again" in out
    assert "disk full" not in render_run(summary, tmp_path, with_messages=False)


def test_warnings_are_counted_with_their_command(tmp_path):
    entry = {"node": "profile.docs", "dataset": "docs", "count": 3}
    entry |= {"about": "2 leakage, imbalance"}
    summary = SUMMARY | {"warnings": [entry]}
    line = f"3 warnings: textmill data stats --root {tmp_path} docs"
    assert f"\n{line} (2 leakage, imbalance)\n" in render_run(summary, tmp_path)


def test_a_missed_gate_shows_its_numbers_and_the_version_that_stays(tmp_path):
    gate = {"metric": "accuracy", "rule": ">= 0.8", "value": 0.7, "bound": 0.8}
    gate |= {"passed": False}
    stage = SUMMARY["stages"]["library"] | {"thresholds": [gate], "blessed": False}
    stage |= {"pushed": None}
    saved_model(tmp_path / "pushed" / "library" / "3")
    lines = render_run(SUMMARY | {"stages": {"library": stage}}, tmp_path).splitlines()
    assert lines[:2] == [
        "library did not pass its gate",
        "library: accuracy must be >= 0.8, and is 0.7.",
    ]
    assert lines[-1] == "next     Not pushed. Version 3 is still the one served."


def test_results_are_broken_between_words(tmp_path):
    stage = {"metrics": {"accuracy": 0.7, "loss": 1.5}, "blessed": True, "pushed": None}
    stage["intervals"] = {"accuracy": [0.65, 0.75]}
    summary = SUMMARY | {"stages": {"library": stage}}
    assert render_run(summary, tmp_path, width=44).split("\n\n")[1].splitlines() == [
        "library  accuracy 0.7 [0.65, 0.75],",
        "         loss 1.5; passed its gate",
    ]
    failed = {"state": "failed", "seconds": 1.0, "error": "expected rows, found none"}
    summary |= {"status": "failed", "nodes": {"train.library": failed}, "stages": {}}
    out = render_run(summary, tmp_path, width=20).splitlines()
    assert out[:3] == ["Stopped at", "train.library", "expected rows, found"]


def test_an_answer_ranks_its_probabilities():
    answer = {"label": "numpy", "probabilities": {"scipy": 0.25, "numpy": 0.75}}
    assert render_answer("text", answer, is_only_one=True) == (
        "label    numpy\n  numpy   75.00%\n  scipy   25.00%"
    )
    assert render_answer("text", answer).startswith("> text\nlabel")


def test_a_curve_is_named_by_the_run_that_trains_it(tmp_path):
    folder = tmp_path / "links"
    folder.mkdir()
    live = tmp_path / "work" / "train.a" / "1f" / "events"
    live.mkdir(parents=True)
    for run in ("20261126-first", "20261127-second"):
        events = tmp_path / "runs" / run / "events.jsonl"
        events.parent.mkdir(parents=True)
        event = {"event": "node_started", "node": "train.a", "key": "1f"}
        events.write_text(json.dumps(event) + "\n")
    link(tmp_path, folder)
    assert (folder / "train.a" / "20261127-second").readlink() == live
    published = tmp_path / "artifacts" / "train.a" / "1f"
    (published / "logs" / "events").mkdir(parents=True)
    record = {"run_id": "20261127-second"}
    (published / "execution.json").write_text(json.dumps(record))
    link(tmp_path, folder)
    [path] = (folder / "train.a").iterdir()
    assert path.name == "20261127-second"
    assert path.readlink() == published / "logs" / "events"


def test_a_curve_keeps_its_name_when_its_training_ends(tmp_path):
    folder = tmp_path / "links"
    folder.mkdir()
    live = tmp_path / "work" / "train.a" / "1f" / "events"
    live.mkdir(parents=True)
    (tmp_path / "artifacts" / "train.a" / "2f.staging" / "logs" / "events").mkdir(
        parents=True
    )
    link(tmp_path, folder)
    assert (folder / "train.a" / "1f").readlink() == live
    published = tmp_path / "artifacts" / "train.a" / "1f" / "logs" / "events"
    published.mkdir(parents=True)
    link(tmp_path, folder)
    assert (folder / "train.a" / "1f").readlink() == published
    shutil.rmtree(tmp_path / "artifacts")
    shutil.rmtree(tmp_path / "work")
    link(tmp_path, folder)
    assert not list(folder.glob("*/*"))
