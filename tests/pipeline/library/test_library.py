"""``import textmill as tm``: a real run, its results, and the pushed model."""

import subprocess
import sys

import pytest

import textmill as tm
from tests.pipeline.test_end_to_end import run_project
from textmill.models.errors import ConfigError, TextmillError


@pytest.fixture(scope="module")
def project(build_once):
    """A project that was run by the command; tests of ``tm.fit`` run nodes."""
    return build_once("tiny", run_project)


@pytest.fixture(scope="module")
def run(project):
    return tm.run(project / "tiny.yaml", root=project / "root", progress=False)


def test_a_run_has_metrics_with_intervals_and_a_report(run):
    stage = run.stages["verb"]
    low, high = stage.intervals["accuracy"]
    assert run.status == "succeeded"
    assert low <= stage.metrics["accuracy"] <= high
    assert (stage.blessed, stage.pushed.name) == (True, "1")
    assert 0 <= stage.baselines["linear"]["accuracy"] <= 1
    assert run.stages["pretrain"].pushed is None
    assert "</html>" in run.report().path.read_text(encoding="utf-8")


def test_a_second_run_is_cached_and_both_are_listed(run, project):
    config = tm.load_config(project / "tiny.yaml")
    second = tm.run(config, root=project / "root", progress=False)
    states = {node["state"] for node in second.summary["nodes"].values()}
    assert states == {"cached"}
    listed = tm.runs(project / "root")
    assert len(listed) == 3
    assert {past.id for past in listed} > {run.id, second.id}
    assert listed[-1].stages == run.stages


def test_a_part_of_the_pipeline_runs_alone(run, project):
    part = tm.run(
        project / "tiny.yaml", root=project / "root", only=["vocabulary"],
        progress=False,
    )  # fmt: skip
    assert list(part.summary["nodes"]) == ["vocabulary"]


def test_a_pushed_model_answers_texts_in_order(run, project):
    model = tm.load(project / "root" / "pushed" / "verb")
    texts = ["the river carries warm bread.", "the baker paints two brown dogs."]
    answers = model.predict(texts)
    assert len(answers) == 2
    for answer in answers:
        assert answer["label"] == next(iter(answer["probabilities"]))
        assert set(answer["probabilities"]) == set(model.labels)
    for again, answer in zip(model.predict(texts[::-1]), answers[::-1], strict=True):
        # A row's place in its batch may change the last bit.
        assert again["probabilities"] == pytest.approx(answer["probabilities"])
    with pytest.raises(TypeError, match="a list of texts"):
        model.predict("one text")


def test_errors_are_sentences_with_their_exit_code(project, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        tm.load_config(project / "tiny.yaml", ["stages.verb.train.step=1"])
    with pytest.raises(ConfigError, match="expected a pushed model"):
        tm.load(tmp_path)
    with pytest.raises(ConfigError, match="expected a root folder"):
        tm.runs(tmp_path)
    (tmp_path / "lines.jsonl").write_text("not JSON\n")
    (tmp_path / "bad.yaml").write_text((project / "tiny.yaml").read_text())
    with pytest.raises(TextmillError, match=r"lines\.jsonl") as raised:
        tm.run(tmp_path / "bad.yaml", root=tmp_path / "root", progress=False)
    assert raised.value.exit_code == 3


def test_importing_it_loads_nothing_heavy():
    script = (
        "import sys, textmill; "
        "print(*{'tensorflow', 'keras', 'numpy', 'apache_beam', 'pydantic', 'pandas'}"
        " & set(sys.modules), [m for m in sys.modules if m.startswith('textmill.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['textmill.pipeline', 'textmill.pipeline.results']"
