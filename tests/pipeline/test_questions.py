"""Task answer through the command: passages longer than the window, or no answer."""

import json

import pyarrow.parquet as pq
import pytest

from tests.pipeline.questions import questions
from tests.pipeline.test_end_to_end import textmill
from tests.pipeline.test_retrieval import output
from textmill.components.artifacts import Documents

pytestmark = pytest.mark.slow

CONFIG = """\
name: questions
datasets:
  questions:
    source:
      {{jsonl: questions.jsonl, id: id, text: [passage, question], answers: answers}}
    clean: {{dedup: none, min_chars: 1}}
    split: {{train: 0.8, eval: 0.1, test: 0.1}}
vocabulary: {{kind: wordpiece, size: 200, learn_from: questions}}
model:
  {{layers: 2, width: 64, heads: 2, sequence_length: 32, dropout: 0, recipe: modern}}
stages:
  find:
    task: answer
    dataset: questions
    train: {{xla: {xla}, steps: {steps}, global_batch: 32, learning_rate: 2.0e-3}}
    export: {{parity_texts: 16}}
    push: {{}}
"""


def run(folder, *, count, steps, xla):
    """Returns the root of a finished run over generated questions."""
    config = CONFIG.format(steps=steps, xla=str(xla).lower())
    (folder / "questions.yaml").write_text(config)
    lines = "".join(json.dumps(row) + "\n" for row in questions(count))
    (folder / "questions.jsonl").write_text(lines)
    done = textmill("run", "questions.yaml", "--root", "root", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "root"


def measured(root):
    evaluation = output(root, "evaluate.find", "evaluation")
    return json.loads((evaluation / "metrics.json").read_text())["metrics"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return run(tmp_path_factory.mktemp("questions"), count=120, steps=4, xla=False)


def test_the_evaluation_is_of_the_served_answers(project):
    documents = Documents(output(project, "ingest.questions", "documents"))
    read = list(documents.read_with("answers", "test"))
    folder = output(project, "predict.find", "predictions")
    table = pq.read_table(folder / "test.parquet").to_pydict()
    assert table["id"] == [d["id"] for d in read]
    rights = [[d["text"][a["start"] : a["end"]] for a in d["answers"]] for d in read]
    assert [json.loads(r) for r in table["references"]] == rights
    metrics = measured(project)
    hits = [
        answer in (right or [""])
        for answer, right in zip(table["answer"], rights, strict=True)
    ]
    assert metrics["exact_match"]["value"] == pytest.approx(sum(hits) / len(hits))
    assert metrics["exact_match"]["value"] <= metrics["token_f1"]["value"] <= 1


def test_the_report_quotes_questions_with_their_answers(project):
    [report] = project.glob("runs/*/report.html")
    [data] = project.glob("artifacts/report/*/*/report.json")
    [stage] = json.loads(data.read_text())["stages"]
    answered = stage["examples"]["answered"]
    assert 0 < len(answered) <= 10
    assert all(row["question"].endswith("is it") for row in answered)
    assert "Questions and answers" in report.read_text()


@pytest.mark.slow
def test_known_answers_in_long_passages_are_found(tmp_path):
    root = run(tmp_path, count=5000, steps=1500, xla=True)
    assert measured(root)["exact_match"]["value"] >= 0.98
