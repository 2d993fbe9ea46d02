"""Task embed through the command: served vectors are evaluated and compared to BM25."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.pipeline.test_end_to_end import textmill
from textmill.components.artifacts import Documents

SAMPLES = Path(__file__).parents[1] / "samples"
pytestmark = pytest.mark.slow

CONFIG = f"""\
name: similarity
datasets:
  pairs:
    source: {{jsonl: {SAMPLES / "similarity.jsonl"}, text: [query, passage]}}
    split: {{train: 0.6, eval: 0.2, test: 0.2}}
vocabulary: {{kind: wordpiece, size: 300, learn_from: pairs}}
model: {{family: bert, layers: 1, width: 16, heads: 2, sequence_length: 24}}
stages:
  search:
    task: embed
    dataset: pairs
    train: {{xla: false, steps: 6, global_batch: 4, contrast_size: 4}}
    evaluate: {{thresholds: {{recall_10: ">= bm25 - 0.99"}}}}
    export: {{}}
    push: {{}}
"""
VECTORS = """\
import json, sys
from pathlib import Path
from textmill.components.predictor.saved_model import load_saved_model, predict_texts
model = load_saved_model(Path(sys.argv[1]))
answers = predict_texts(model, json.loads(sys.stdin.read()))
print(json.dumps([answer["vector"] for answer in answers]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrieval")
    (folder / "similarity.yaml").write_text(CONFIG)
    done = textmill("run", "similarity.yaml", "--root", "root", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "root"


def output(root, node, name):
    [manifest] = root.glob(f"artifacts/{node}/*/{name}/manifest.json")
    return manifest.parent


def vectors(root, texts):
    """Returns the vectors that a pushed model answers in a fresh process."""
    folder = root / "pushed/search/1"
    done = subprocess.run(
        [sys.executable, "-c", VECTORS, folder],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(done.stdout.splitlines()[-1]))


def test_ranks_are_those_of_the_pushed_models_vectors(project):
    documents = Documents(output(project, "ingest.pairs", "documents"))
    read = list(documents.read("test"))
    first, second = (vectors(project, [d[k] for d in read]) for k in ("text", "text_2"))
    cosines = first @ second.T
    own = np.diag(cosines)[:, None]
    wanted = (cosines >= own).sum(axis=1)
    folder = output(project, "predict.search", "predictions")
    table = pq.read_table(folder / "test.parquet")
    assert table["id"].to_pylist() == [d["id"] for d in read]
    assert table["rank"].to_pylist() == wanted.tolist()
    np.testing.assert_allclose(table["similarity"], own[:, 0], atol=1e-5)
    evaluation = output(project, "evaluate.search", "evaluation")
    metrics = json.loads((evaluation / "metrics.json").read_text())["metrics"]
    assert metrics["mrr"]["value"] == pytest.approx(np.mean(1 / wanted))


def test_bm25_stands_beside_with_a_paired_difference(project):
    evaluation = output(project, "evaluate.search", "evaluation")
    measured = json.loads((evaluation / "metrics.json").read_text())
    baseline = measured["baselines"]["bm25"]
    assert baseline["metrics"]["recall_1"]["value"] > 0.5
    for name, difference in baseline["differences"].items():
        value = measured["metrics"][name]["value"] - baseline["metrics"][name]["value"]
        assert difference["value"] == pytest.approx(value)
    assert [t["passed"] for t in measured["thresholds"]] == [True]


def test_the_report_quotes_the_hardest_queries(project):
    [report] = project.glob("runs/*/report.html")
    [data] = project.glob("artifacts/report/*/*/report.json")
    [stage] = json.loads(data.read_text())["stages"]
    ranks = [row["rank"] for row in stage["examples"]["retrieved"]]
    assert ranks == sorted(ranks, reverse=True) and min(ranks) > 1
    assert "Hardest queries" in report.read_text()


@pytest.mark.parametrize(
    ("knobs", "fault"),
    [
        ({"stages.search.train.contrast_size": "3"}, "a divisor of global_batch 4"),
        ({"datasets.pairs.source.text": "query"}, "2 or 3 texts a document for task"),
        ({"stages.search.train.temperature": "0"}, "above 0"),
    ],
)
def test_knobs_that_do_not_fit_are_a_sentence(knobs, fault, tmp_path):
    (tmp_path / "similarity.yaml").write_text(CONFIG)
    options = [part for key in knobs for part in ("--set", f"{key}={knobs[key]}")]
    done = textmill("config", "check", "similarity.yaml", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert fault in done.stderr
