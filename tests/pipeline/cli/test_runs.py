"""``textmill runs``: results, changes and differences between runs."""

import json
import sys

import pytest

from textmill.components.artifacts import Documents
from textmill.pipeline.cli import main
from textmill.pipeline.cli.runs_display import render_runs
from textmill.pipeline.publish import EXECUTION, published_dir, seal
from textmill.pipeline.run_comparison import Change, compare_runs
from textmill.pipeline.store import MetadataStore


def summary(run_id, started, *, accuracy=None, pushed=None, name="toy", key="1"):
    metrics = {} if accuracy is None else {"accuracy": accuracy, "macro_f1": 0.5}
    return {
        "run_id": run_id,
        "name": name,
        "status": "succeeded",
        "started": started,
        "seconds": 61.0,
        "nodes": {
            "ingest.docs": {
                "state": "ran",
                "key": key,
                "outputs": {"documents": f"artifacts/ingest.docs/{key}/documents"},
            }
        },
        "stages": {"topic": {"metrics": metrics, "blessed": None, "pushed": pushed}},
    }


def ingest(root, key, num_documents, labels, *, code):
    """Publishes documents of a number of bytes, and the record of their making."""
    folder = published_dir(root, "ingest.docs", key)
    documents = Documents(folder / "documents")
    documents.file("ledger.json").write_text(str(num_documents))
    documents.facts = {"splits": {"train": num_documents}, "labels": labels}
    seal(documents)
    parts = {"code": code, "libraries": {"keras": f"3.{key}"}}
    (folder / EXECUTION).write_text(json.dumps({"parts": parts}))


@pytest.fixture
def root(tmp_path):
    """Two runs with another width, more documents, newer code and a better model."""
    ingest(tmp_path, "1", 10, ["a"], code={"reader": "aaa", "split": "b"})
    ingest(tmp_path, "2", 12, ["a", "b"], code={"reader": "ccc", "split": "b"})
    runs = [
        summary("first", 1.0, accuracy=0.5, pushed="pushed/topic/1"),
        summary("second", 2.0, accuracy=0.75, pushed="pushed/topic/2", key="2"),
    ]
    for run, width in zip(runs, (64, 128), strict=True):
        folder = tmp_path / "runs" / run["run_id"]
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"name: toy\nmodel: {{width: {width}}}\n")
        with MetadataStore(tmp_path) as store:
            store.record_run(run)
    return tmp_path


def test_runs_show_their_metric_its_change_and_the_pushed_version():
    runs = [
        summary("d", 4.0, accuracy=0.75, pushed="pushed/topic/2"),
        summary("c", 3.0, accuracy=0.9, name="other"),
        summary("b", 2.0),
        summary("a", 1.0, accuracy=0.5, pushed="pushed/topic/1"),
    ]
    lines = [line.split() for line in render_runs(runs).splitlines()]
    assert lines[0] == [
        *("RUN", "STATUS", "STARTED", "TOOK"),
        *("STAGE", "RESULT", "CHANGE", "PUSHED"),
    ]
    assert lines[1][-5:] == ["topic", "accuracy", "0.75", "+0.25", "2"]
    assert lines[2][-3:] == ["topic", "accuracy", "0.9"]
    assert lines[3][-1] == "topic"
    assert lines[4][-4:] == ["topic", "accuracy", "0.5", "1"]


def test_a_run_of_two_stages_has_a_line_for_each():
    run = summary("a", 1.0, accuracy=0.5)
    run["stages"]["mail"] = {"metrics": {"loss": 2.0}, "pushed": None}
    _, first, second = render_runs([run]).splitlines()
    assert first.split()[-3:] == ["topic", "accuracy", "0.5"]
    assert second.split() == ["mail", "loss", "2"]


def test_a_comparison_finds_changes_of_config_data_code_metrics_and_pushes(root):
    with MetadataStore(root) as store:
        comparison = compare_runs(root, store.run("first"), store.run("second"))
    assert comparison.config == [Change("model.width", 64, 128)]
    digests = [change for change in comparison.data if change.name == "docs.digest"]
    assert len(digests) == 1
    assert [change for change in comparison.data if change not in digests] == [
        Change("docs.documents.train", 10, 12),
        Change("docs.labels", ["a"], ["a", "b"]),
    ]
    assert comparison.code == [
        Change("library keras", "3.1", "3.2"),
        Change("module reader", "aaa", "ccc"),
    ]
    assert comparison.metrics == [Change("topic.accuracy", 0.5, 0.75)]
    pushed = Change("topic", "pushed/topic/1", "pushed/topic/2")
    assert comparison.pushed == [pushed]


def diff(root, monkeypatch, capsys, *arguments, code=0):
    command = ["textmill", "runs", "diff", *arguments, "--root", str(root)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as exit:
        main()
    assert (exit.value.code or 0) == code
    return capsys.readouterr()


def test_the_newest_two_runs_are_compared_by_default(root, monkeypatch, capsys):
    out, _ = diff(root, monkeypatch, capsys)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "first -> second"
    assert "model.width 64 128" in lines
    assert "docs.documents.train 10 12" in lines
    assert "topic, accuracy 0.5 0.75 +0.25" in lines
    same, _ = diff(root, monkeypatch, capsys, "second", "second")
    assert same.splitlines()[-1].startswith("The same config, data, code")
    comparison = json.loads(diff(root, monkeypatch, capsys, "--json")[0])
    assert comparison["config"] == [{"name": "model.width", "before": 64, "after": 128}]


def test_a_single_run_cannot_be_compared(tmp_path, monkeypatch, capsys):
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("only", 1.0))
    _, err = diff(tmp_path, monkeypatch, capsys, code=2)
    assert "expected two runs of one pipeline, found one" in err
