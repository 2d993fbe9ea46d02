import copy
import json
import re
from html.parser import HTMLParser

import pytest

from textmill.components.artifacts import (
    Evaluation,
    Profile,
    PushedModel,
    Report,
    TrainedModel,
    TrainingLogs,
)
from textmill.components.reporter import ReporterConfig, report
from textmill.components.reporter.charts import (
    draw_graph,
    draw_plot,
    reduce_edges,
    round_ticks,
    spread,
)
from textmill.components.reporter.data import curves, downsample
from textmill.components.reporter.headline import (
    duration,
    headline_metric,
    judge,
    listing,
)
from textmill.components.reporter.page import number, render_report, render_run
from textmill.pipeline.publish import seal

HOSTILE = '<script>alert("x")</script>'
EDGES = {
    "ingest.mail": (),
    "profile.mail": ("ingest.mail",),
    "vocabulary": ("ingest.mail",),
    "tokenize.spam": ("ingest.mail", "vocabulary"),
    "train.spam": ("tokenize.spam", "vocabulary"),
    "evaluate.spam": ("ingest.mail", "tokenize.spam", "train.spam"),
    "export.spam": ("ingest.mail", "train.spam"),
    "validate.spam": ("export.spam",),
    "push.spam": ("export.spam", "evaluate.spam", "validate.spam"),
    "report": ("profile.mail", "train.spam", "evaluate.spam", "push.spam"),
}
EVALUATION = {
    "task": "classify",
    "split": "test",
    "rows": 1234,
    "metrics": {
        "accuracy": {"value": 0.71, "low": 0.69, "high": 0.73},
        "loss": {"value": 0.9, "low": 0.8, "high": 1.0},
    },
    "thresholds": [
        {
            "metric": "accuracy",
            "rule": ">= 0.60",
            "bound": 0.6,
            "value": 0.71,
            "passed": True,
        }
    ],
    "blessed": True,
    "labels": ["ham", HOSTILE],
    "confusion": [[600, 17], [40, 577]],
    "per_class": {
        label: {
            name: {"value": 0.7, "low": 0.6, "high": 0.8}
            for name in ("precision", "recall", "f1")
        }
        | {"support": 617}
        for label in ("ham", HOSTILE)
    },
    "slices": {
        "kind": {
            "list": {"rows": 9, "accuracy": {"value": 0.5, "low": 0.2, "high": 0.8}}
        }
    },
    "samples": ["Dear <b>friend</b>"],
}
PROFILE = {
    "splits": {
        "train": {
            "documents": 10_000,
            "words": 90_000,
            "bytes": 512_000,
            "labels": {"ham": 7000, HOSTILE: 3000},
            "lengths": {
                "words": {
                    "histogram": [
                        {"from": 0, "below": 1, "documents": 4},
                        {"from": 2, "below": 5, "documents": 8},
                    ],
                    **{"p5": 1, "p50": 3, "p95": 4},
                }
            },
            "top_terms": [
                {"term": "offer", "count": 5000},
                {"term": HOSTILE, "count": 2},
            ],
        }
    },
    "anomalies": [{"severity": "warning", "what": "many are short", "where": "train"}],
}
PUSH = {"pushed": True, "version": 3, "destination": "pushed/spam/3", "reason": None}
LOGS = [
    {"step": 10, "name": "train/loss", "value": 5.25},
    {"step": 20, "name": "train/loss", "value": 4.5},
    {"step": 20, "name": "eval/loss", "value": 4.75},
]


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
    made = {
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
        for port, (kind, name, text, facts) in made.items()
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


class Page(HTMLParser):
    """The tags, the attributes that could load something, and the text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        loads = ("src", "href", "srcset", "action", "data", "poster")
        self.links += [value for name, value in attrs if name in loads]

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_data_holds_every_stage_with_its_facts_curves_and_verdict(data, artifacts):
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
        "evaluation of spam": artifacts["evaluations"]["spam"].digest,
        "push of spam": artifacts["pushes"]["spam"].digest,
    }


def test_same_inputs_give_the_same_bytes(artifacts, written, tmp_path):
    again = Report(tmp_path / "again")
    report(**artifacts, report=again, config=ReporterConfig(title="post", edges=EDGES))
    for name in (Report.DATA, Report.PAGE):
        assert (again.path / name).read_bytes() == (written / name).read_bytes()


def test_page_loads_nothing(written, data, summary):
    for html in ((written / Report.PAGE).read_text(), render_run(data, summary)):
        page = Page(html)
        assert page.links == []
        assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
        assert not re.search(r"url\(|@import|https?:", html)


def test_hostile_text_is_inert_and_readable(data, summary):
    data["title"] = data["stages"][0]["name"] = HOSTILE
    data["graph"].append({"node": f"train.{HOSTILE}", "upstream": [HOSTILE]})
    summary["nodes"]["train.spam"] |= {"state": "failed", "error": HOSTILE}
    summary["run_id"] = summary["nodes"]["report"]["key"] = '"><script>'
    page = Page(render_run(data, summary))
    assert "script" not in page.tags
    assert "b" in page.tags and "<b>friend</b>" in page.text
    assert page.text.count(HOSTILE) >= 8


def test_page_opens_with_the_verdict(written):
    text = Page((written / Report.PAGE).read_text()).text
    parts = (
        "spam passed its gate, and is pushed",
        "accuracy 0.710 0.690 – 0.730",
        "✓ blessed accuracy ≥ 0.60",
        "version 3",
        "Graph",
        "classify · 1,234 rows of test",
        "Confusion",
        "many are short",
        "Lineage",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_report_has_no_states_and_a_run_has_them(data, summary):
    assert "cached" not in Page(render_report(data)).text
    text = Page(render_run(data, summary)).text
    assert "10 nodes: 9 ran, 1 from the cache, in 9 min 09 s." in text
    assert "20251123-021455-7f3a" in text
    assert "train 1 min 01 s" in text


def test_run_gives_the_destination_relative_to_its_root(data, summary):
    data["stages"][0]["push"]["destination"] = "/somewhere/else/pushed/spam/3"
    summary["stages"]["spam"]["pushed"] = "pushed/spam/3"
    assert judge(data, summary).rows[0].pushed == "version 3 in pushed/spam/3"


def test_failed_run_says_what_failed_and_what_to_do_next(summary):
    summary |= {"status": "failed", "stages": {}, "name": "post"}
    states = ["ran"] * 4 + ["failed"] + ["skipped"] * 5
    for node, state in zip(summary["nodes"].values(), states, strict=True):
        node["state"] = state
    summary["nodes"]["train.spam"]["error"] = "train.spam: loss is NaN at step 412"
    page = Page(render_run(None, summary))
    assert "post Stopped at train.spam train.spam: loss is NaN at step 412" in page.text
    assert "The 4 finished nodes are kept." in page.text
    assert "svg" in page.tags


def test_run_without_known_edges_lists_its_nodes(summary):
    for node in summary["nodes"].values():
        del node["upstream"], node["outputs"], node["key"]
        node["seconds"] = None
    page = Page(render_run(None, summary))
    assert "svg" not in page.tags
    assert "validate.spam ran –" in page.text


def test_interrupted_run_is_told_to_go_on(summary):
    summary["status"] = "interrupted"
    verdict = judge(None, summary)
    assert verdict.headline == "Stopped before the end"
    assert verdict.next_step == (
        "Give the same command again: it goes on where it stopped."
    )


def test_run_that_failed_outside_its_nodes_never_looks_finished(summary):
    summary["status"] = "failed"
    verdict = judge(None, summary)
    assert (verdict.tone, verdict.headline) == ("bad", "Stopped before the end")


def test_missed_gate_names_metric_rule_and_value(data):
    stage = data["stages"][0]
    gate = {"metric": "accuracy", "rule": ">= 0.80", "value": 0.71, "passed": False}
    gate |= {"bound": 0.8}
    stage["evaluation"] |= {"blessed": False, "thresholds": [gate]}
    stage["push"] = {**PUSH, "pushed": False, "reason": "not blessed"}
    verdict = judge(data)
    assert verdict.tone == "bad"
    assert verdict.headline == "spam did not pass its gate"
    assert verdict.details == ["spam: accuracy must be >= 0.80, and is 0.71."]
    assert (verdict.rows[0].pushed, verdict.rows[0].reason) == (None, "not blessed")
    assert "✗ not blessed" in Page(render_report(data)).text


def test_a_gate_beside_the_pushed_model_names_its_version(data):
    rule = {"metric": "accuracy", "rule": ">= pushed - 0.01", "value": 0.71}
    gate = {**rule, "version": 3, "bound": 0.74, "passed": False}
    gate |= {"same_documents": True}
    data["stages"][0]["evaluation"] |= {"blessed": False, "thresholds": [gate]}
    verdict = judge(data)
    assert verdict.details == [
        "spam: accuracy must be >= pushed - 0.01 (0.74, by version 3), and is 0.71."
    ]
    assert verdict.rows[0].bound == 0.74
    assert "≥ pushed - 0.01 (0.74, by version 3)" in Page(render_report(data)).text
    gate |= {"same_documents": False}
    said = "≥ pushed - 0.01 (0.74, by version 3 on other documents)"
    assert said in Page(render_report(data)).text
    gate |= {"version": None, "bound": None, "passed": True}
    data["stages"][0]["evaluation"] |= {"blessed": True}
    assert "≥ pushed - 0.01 (nothing is pushed yet)" in Page(render_report(data)).text


@pytest.mark.parametrize(
    ("blessed", "pushed", "headline", "tone"),
    [
        (True, True, "spam passed its gate, and is pushed", "good"),
        (True, False, "spam passed its gate", "good"),
        (None, True, "spam pushed, without a gate", "plain"),
        (None, False, "Trained and measured", "plain"),
    ],
)
def test_headline_follows_gate_and_push(data, blessed, pushed, headline, tone):
    data["stages"][0]["evaluation"]["blessed"] = blessed
    data["stages"][0]["push"]["pushed"] = pushed
    verdict = judge(data)
    assert (verdict.headline, verdict.tone) == (headline, tone)


def test_several_stages_are_judged_together(data):
    second = copy.deepcopy(data["stages"][0])
    data["stages"].append(second | {"name": "tone"})
    assert judge(data).headline == "spam and tone passed their gates, and are pushed"


def test_stage_with_nothing_but_a_name_still_has_a_page(data):
    bare = {"name": "spam", "model": None, "curves": {}, "evaluation": None}
    data["stages"] = [bare | {"push": None}]
    data["profiles"] = [{"name": "mail"}]
    assert "spam not measured no gate not pushed" in Page(render_report(data)).text


def test_language_model_is_known_by_its_loss_and_classifier_by_accuracy():
    metrics = {"accuracy": 0.3, "loss": 4.4}
    assert headline_metric("masked_lm", metrics) == "loss"
    assert headline_metric("classify", metrics) == "accuracy"
    assert headline_metric(None, metrics | {"perplexity": 81.5}) == "loss"
    assert headline_metric("classify", {}) is None


def test_length_histogram_keeps_its_empty_bins(written):
    html = (written / Report.PAGE).read_text()
    assert re.findall(r'<i style="left:([\d.]+)%;.*?height:([\d.]+)%"', html) == [
        ("0.0", "50.0"),
        ("33.33", "0.0"),
        ("66.67", "100.0"),
    ]


def test_many_classes_show_mistakes_in_place_of_a_matrix(data):
    labels = [f"class {index:02}" for index in range(40)]
    matrix = [[9 * (row == column) for column in range(40)] for row in range(40)]
    matrix[3][5] = 4
    data["stages"][0]["evaluation"] |= {
        "labels": labels,
        "confusion": matrix,
        "per_class": {},
    }
    text = Page(render_report(data)).text
    assert "rows are the truth" not in text
    assert "class 03 class 05 4" in text


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


def test_implied_edges_are_not_drawn():
    assert reduce_edges(EDGES) == {
        "ingest.mail": [],
        "profile.mail": ["ingest.mail"],
        "vocabulary": ["ingest.mail"],
        "tokenize.spam": ["vocabulary"],
        "train.spam": ["tokenize.spam"],
        "evaluate.spam": ["train.spam"],
        "export.spam": ["train.spam"],
        "validate.spam": ["export.spam"],
        "push.spam": ["evaluate.spam", "validate.spam"],
        "report": ["profile.mail", "push.spam"],
    }


def test_graph_gives_a_lane_to_each_name_and_a_column_to_each_depth():
    graph = draw_graph(EDGES)
    place = {box.node: (box.x, box.y) for box in graph.boxes}
    assert [lane.title for lane in graph.lanes] == ["mail", "", "spam"]
    assert len(set(place.values())) == len(EDGES)
    assert place["evaluate.spam"][1] == place["push.spam"][1]
    assert place["export.spam"][1] == place["validate.spam"][1]
    assert place["export.spam"][0] == place["evaluate.spam"][0]
    columns = ["ingest.mail", "vocabulary", "tokenize.spam", "train.spam"]
    assert [place[node][0] for node in columns] == [76, 190, 304, 418]


def test_graph_reads_the_same_in_any_order():
    assert draw_graph(dict(sorted(EDGES.items()))).boxes[0].node == "ingest.mail"
    assert draw_graph({}).boxes == []


def test_plot_scales_to_round_axes():
    plot = draw_plot({"train": [[0, 4.1], [50, 2.0], [100, 1.0]]})
    assert [(tick.at, tick.value) for tick in plot.y_ticks] == [
        (100.0, 1.0),
        (75.0, 2.0),
        (50.0, 3.0),
        (25.0, 4.0),
        (0.0, 5.0),
    ]
    assert plot.lines[0].points == "0,22.5 50,75 100,100"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 800, [0, 200, 400, 600, 800]),
        (1e-9, 1e-3, [0, 0.0005, 0.001]),
        (2.0, 2.0, [1.0, 1.5, 2.0, 2.5, 3.0]),
        (0.0, 0.0, [-0.5, 0.0, 0.5]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, ticks):
    assert round_ticks(low, high) == ticks


def test_labels_of_neighbouring_curves_move_apart():
    assert spread([50, 52, 10], 10) == [50, 60, 10]
    assert spread([99, 98], 10) == [100, 90]


def test_numbers_durations_and_lists_read_naturally():
    assert [number(v) for v in (1234, 0.7, 78.3, 0.0, 2.5e-05, 1234.5)] == [
        "1,234",
        "0.700",
        "78.30",
        "0",
        "2.5e-05",
        "1,234",
    ]
    assert [duration(s) for s in (0.04, 9.96, 59.6, 185, 7620)] == [
        "0.0 s",
        "10 s",
        "1 min 00 s",
        "3 min 05 s",
        "2 h 07 min",
    ]
    assert listing(["a", "b", "c"]) == "a, b and c"


def test_the_page_tells_what_the_vocabulary_makes_of_the_text(data):
    profile = copy.deepcopy(data["profiles"][0])
    profile["splits"]["train"]["tokens"] = {
        **{"tokens": 120_000, "tokens_a_word": 1.333, "tokens_a_character": 0.25},
        **{"unknown_share": 0.0125, "entries": 8000, "unused_entries": 400},
        "longest": [{"token": HOSTILE, "count": 3}],
    }
    page = Page(render_report({**data, "profiles": [profile]}))
    for said in (
        "Vocabulary on 120,000 tokens of train",
        "tokens a word 1.33",
        "unknown 1.25 %",
        "unused 400 of 8,000 entries (5.0 %)",
        f"Longest: {HOSTILE} 3",
    ):
        assert said in page.text
    assert "script" not in page.tags
