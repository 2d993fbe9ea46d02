import json

import pytest

from tests.components.reporter.pages import (
    EDGES,
    EVALUATION,
    HOSTILE,
    LOGS,
    PROFILE,
    PUSH,
)
from textmill.components.artifacts import (
    Evaluation,
    Profile,
    PushedModel,
    Report,
    TrainedModel,
    TrainingLogs,
)
from textmill.components.reporter import ReporterConfig, report
from textmill.pipeline.publish import seal


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
    return {
        port: {
            "mail" if port == "profiles" else "spam": make(
                kind, tmp_path / port, name, text, **facts
            )
        }
        for port, (kind, name, text, facts) in inputs.items()
    }


@pytest.fixture
def written(artifacts, tmp_path):
    made = Report(tmp_path / "report")
    report(**artifacts, report=made, config=ReporterConfig(title="post", edges=EDGES))
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
        "seconds": 549.2,
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
