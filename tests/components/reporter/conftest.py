import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.components.reporter.pages import (
    EDGES,
    EVALUATION,
    HOSTILE,
    LOGS,
    PROFILE,
    PUSH,
    SETTINGS,
    TEXTS,
)
from tests.conftest import write_documents
from textmill.components.artifacts import (
    Evaluation,
    Predictions,
    Profile,
    PushedModel,
    Report,
    TrainedModel,
    TrainingLogs,
)
from textmill.components.reporter import ReporterConfig, report
from textmill.pipeline.publish import seal

CONFIG = ReporterConfig(
    title="post", edges=EDGES, settings={"spam": SETTINGS}, texts={"spam": 10}
)


def make(kind, folder, name, text, **facts):
    """Writes an artifact of one file and its manifest."""
    artifact = kind(folder)
    artifact.facts = facts
    artifact.file(name).write_text(text)
    seal(artifact)
    return kind(folder)


@pytest.fixture
def artifacts(tmp_path):
    model_facts = {
        "task": "classify",
        "model": {"family": "bert", "layers": 2},
        "labels": ["ham", HOSTILE],
        "vocabulary": "ab" * 32,
        "parameters": 1_470_087,
    }
    scalars = "".join(json.dumps(scalar) + "\n" for scalar in LOGS)
    inputs = {
        "profiles": (Profile, Profile.FILE, json.dumps(PROFILE), {}),
        "models": (TrainedModel, TrainedModel.WEIGHTS, "tensors", model_facts),
        "logs": (TrainingLogs, TrainingLogs.SCALARS, scalars, {}),
        "evaluations": (
            Evaluation,
            Evaluation.FILE,
            json.dumps(EVALUATION),
            {"blessed": True},
        ),
        "pushes": (PushedModel, PushedModel.FILE, json.dumps(PUSH), PUSH),
    }
    documents = write_documents(tmp_path / "documents", {"train": TEXTS, "test": TEXTS})
    artifacts = {
        port: {
            "mail" if port == "profiles" else "spam": make(
                kind, tmp_path / port, name, text, **facts
            )
        }
        for port, (kind, name, text, facts) in inputs.items()
    }
    predictions = write_predictions(tmp_path / "predictions", documents)
    return artifacts | {
        "documents": {"spam": documents},
        "predictions": {"spam": predictions},
    }


def write_predictions(folder, documents):
    """Writes answers to the test split: ham, with a falling probability."""
    rows = list(documents.read("test"))
    labels = ["ham", HOSTILE]
    probabilities = np.array([[0.99 - 0.1 * i, 0.01 + 0.1 * i] for i in range(4)])
    predictions = Predictions(folder)
    table = {
        "id": [row["id"] for row in rows],
        "target": pa.array([labels.index(row["label"]) for row in rows], pa.int32()),
        "probabilities": pa.FixedSizeListArray.from_arrays(probabilities.ravel(), 2),
    }
    pq.write_table(pa.table(table), predictions.file("test.parquet"))
    predictions.facts = {"task": "classify", "split": "test", "labels": labels}
    seal(predictions)
    return predictions


@pytest.fixture
def written(artifacts, tmp_path):
    made = Report(tmp_path / "report")
    report(**artifacts, report=made, config=CONFIG)
    return made.path


@pytest.fixture
def data(written):
    return json.loads((written / Report.DATA).read_text())


@pytest.fixture
def summary():
    return {
        "run_id": "20251123-021455-7f3a",
        "status": "succeeded",
        "config_digest": "00",
        "started": 1795734000.0,
        "seconds": 549.2,
        "environment": {"python": "3.11.9", "tensorflow": "2.21.0"},
        "nodes": {
            node: {
                "state": "cached" if node == "ingest.mail" else "ran",
                "seconds": 61.0,
                "key": "0123456789ab",
                "outputs": {"out": f"artifacts/{node}/0123456789ab/out"},
                "upstream": list(upstream),
            }
            for node, upstream in EDGES.items()
        },
        "stages": {"spam": {"metrics": {"accuracy": 0.71}, "blessed": True}},
    }
