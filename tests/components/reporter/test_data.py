from tests.components.reporter.pages import EDGES, EVALUATION, PROFILE, PUSH
from textmill.components.reporter.data import curves, downsample


def test_data_contains_facts_curves_and_evaluation_of_every_stage(data, artifacts):
    [stage] = data["stages"]
    assert data["title"] == "post"
    assert stage["name"] == "spam"
    assert stage["model"]["parameters"] == 1_470_087
    assert stage["model"]["digest"] == artifacts["models"]["spam"].digest
    assert stage["evaluation"] == EVALUATION
    assert stage["curves"] == {
        "train/loss": [[10, 5.25], [20, 4.5]],
        "eval/loss": [[20, 4.75]],
    }
    assert stage["push"] == PUSH
    assert data["profiles"] == [{"name": "mail", **PROFILE}]


def test_graph_keeps_its_order_in_the_data(data):
    assert [entry["node"] for entry in data["graph"]] == list(EDGES)
    assert data["graph"][3]["upstream"] == ["ingest.mail", "vocabulary"]


def test_lineage_names_the_digest_of_every_artifact(data, artifacts):
    assert {entry["artifact"]: entry["digest"] for entry in data["lineage"]} == {
        "profile of mail": artifacts["profiles"]["mail"].digest,
        "model of spam": artifacts["models"]["spam"].digest,
        "logs of spam": artifacts["logs"]["spam"].digest,
        "predictions of spam": artifacts["predictions"]["spam"].digest,
        "evaluation of spam": artifacts["evaluations"]["spam"].digest,
        "push of spam": artifacts["pushes"]["spam"].digest,
    }


def test_thinning_keeps_the_ends_and_the_spikes():
    points = [[step, 1.0] for step in range(10_000)]
    points[4321][1], points[777][1] = 99.0, -99.0
    thin = downsample(points)
    assert len(thin) <= 300
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert points[4321] in thin and points[777] in thin
    assert [step for step, _ in thin] == sorted({step for step, _ in thin})


def test_short_curves_are_left_alone_and_infinities_left_out():
    scalars = [
        {"step": 1, "name": "train/loss", "value": 2.0},
        {"step": 2, "name": "train/loss", "value": float("nan")},
        {"step": 3, "name": "train/loss", "value": 1.0},
    ]
    assert curves(scalars) == {"train/loss": [[1, 2.0], [3, 1.0]]}
