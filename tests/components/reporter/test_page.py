import copy
import re

from tests.components.reporter.conftest import CONFIG
from tests.components.reporter.pages import HOSTILE, Page
from textmill.components.artifacts import Report
from textmill.components.reporter import report
from textmill.components.reporter.formats import duration, listing, number
from textmill.components.reporter.page import render_report, render_run


def test_same_inputs_give_the_same_bytes(artifacts, written, tmp_path):
    again = Report(tmp_path / "again")
    report(**artifacts, report=again, config=CONFIG)
    for name in (Report.DATA, Report.PAGE):
        assert (again.path / name).read_bytes() == (written / name).read_bytes()


def test_page_loads_nothing(written, data, summary):
    for html in ((written / Report.PAGE).read_text(), render_run(data, summary)):
        page = Page(html)
        assert page.links and all(link.startswith("#") for link in page.links)
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


def test_page_opens_with_the_headline(written):
    text = Page((written / Report.PAGE).read_text()).text
    parts = (
        "spam passed its gate, and is pushed",
        "Graph spam mail Lineage",
        "accuracy 0.710 0.690 – 0.730 on 1,234 documents of test",
        "✓ holds: accuracy ≥ 0.60",
        "version 3",
        "Graph data flows to the right",
        "classify · measured on 1,234 documents of test",
        "Confusion",
        "Worst errors",
        "Use version 3",
        "many are short",
        "Lineage SHA-256",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_report_has_no_states_and_a_run_has_them(data, summary):
    assert "cached" not in Page(render_report(data)).text
    text = Page(render_run(data, summary)).text
    assert "10 nodes: 9 ran, 1 from the cache, in 9 min 09 s." in text
    assert "20251123-021455-7f3a" in text
    assert "train 1 min 01 s" in text


def test_date_and_machine_are_on_the_page_of_a_run_alone(data, summary):
    said = ("2026-11-26 23:00 UTC", "python 3.11.9", "tensorflow 2.21.0")
    on_run, on_report = (
        Page(html).text for html in (render_run(data, summary), render_report(data))
    )
    assert all(part in on_run for part in said)
    assert not any(part in on_report for part in said)


def test_metrics_stand_next_to_a_baseline_and_the_version_before(data):
    text = Page(render_report(data)).text
    assert "95 % interval Measured on most frequent label version 2" in text
    assert (
        "accuracy 0.710 0.690 – 0.730 1,234 documents of test "
        "0.500 +0.210 [+0.100, +0.300] 0.680 +0.030"
    ) in text
    assert "loss 0.900 0.800 – 1.000 1,234 documents of test – 1.100 −0.200" in text
    difference = {"value": -0.05, "low": -0.08, "high": 0.0}
    linear = {"metrics": {"accuracy": {"value": 0.76, "low": 0.7, "high": 0.8}}}
    linear["differences"] = {"accuracy": difference}
    data["stages"][0]["evaluation"]["baselines"]["linear"] = linear
    data["stages"][0]["push"]["previous"]["same_documents"] = False
    text = Page(render_report(data)).text
    assert "most frequent label linear model version 2, on other documents" in text
    assert "0.760 −0.050 [−0.080, ±0] 0.680 +0.030" in text


def test_groups_and_pretraining_on_the_same_documents_are_named(data):
    evaluation = data["stages"][0]["evaluation"]
    evaluation |= {"groups": 9, "grouped_by": "author"}
    seen = {"documents": 1000, "share": 0.81, "is_estimate": True}
    evaluation["seen_in_pretraining"] = {"mail": seen}
    text = Page(render_report(data)).text
    assert "measured on 1,234 documents of test in 9 groups by author" in text
    assert "Only 9 groups by author there: the intervals are rough." in text
    assert "There is no test split" not in text
    evaluation["calibrated_on_these_rows"] = True
    assert "There is no test split" in Page(render_report(data)).text
    assert (
        "About 81% of these documents are, without their labels, in the train split of "
        "data set mail, from which the model was pretrained; set decontaminate.against "
        "in mail to hold them out."
    ) in text


def test_calibration_is_drawn_and_put_in_words(data):
    scores = data["stages"][0]["evaluation"]["calibration"]
    page = render_report(data)
    text = Page(page).text
    assert "this model 0.070 0.050 – 0.090 0.400 0.300 – 0.500 0.150 0.100" in text
    assert "calibration error of about 0.030 on as many documents, by chance." in text
    assert "The model stands by" not in text
    assert (
        "accuracy by confidence: answers from 0.500 at confidence 0.6 to 0.800 at "
        "confidence 0.9"
    ) in page
    assert "error by coverage: error from 0 at coverage 0.01 to 0.290 at" in page
    scores["confident"] = {
        "coverage": {"value": 0.9, "low": 0.88, "high": 0.92},
        "error": {"value": 0.05, "low": 0.04, "high": 0.06},
    }
    assert (
        "The model stands by a share of 0.900 0.880 – 0.920 of its answers; 0.050 "
        "0.040 – 0.060 of these are wrong."
    ) in Page(render_report(data)).text


def test_settings_are_those_of_the_training(data):
    data["stages"][0]["model"]["model"]["dropout"] = 0.1
    text = Page(render_report(data)).text
    assert "global batch 32 optimizer adamw epochs 3 steps 20 dropout 0 seed 17" in text
    assert "0.1" not in text.partition("Model")[2].partition("Confusion")[0]


def test_every_rule_of_a_gate_says_if_it_holds(data):
    missed = {"metric": "macro_f1", "rule": ">= 0.80", "value": 0.5, "passed": False}
    gates = data["stages"][0]["evaluation"]["thresholds"]
    gates.append(missed | {"bound": 0.8})
    data["stages"][0]["evaluation"]["blessed"] = False
    data["stages"][0]["push"]["pushed"] = False
    text = Page(render_report(data)).text
    assert "✓ holds: accuracy ≥ 0.60 ✗ missed: macro F1 ≥ 0.80" in text


def test_every_drawing_has_words(data, summary):
    html = render_run(data, summary)
    assert "tokenize.spam after vocabulary; train.spam after tokenize.spam" in html
    assert (
        "loss by step: train from 5.250 at step 10 to 4.500 at step 20, lowest 4.500 "
        "at step 20, highest 5.250 at step 10; eval 4.750 at step 20."
    ) in html
    for drawing in re.findall(r"<(?:svg|div class=\"plot)[^>]*>", html):
        assert "aria-label=" in drawing or 'aria-hidden="true"' in drawing


def test_failed_run_names_the_error_and_the_next_step(summary):
    summary |= {"status": "failed", "stages": {}, "name": "post"}
    states = ["ran"] * 4 + ["failed"] + ["skipped"] * 5
    for node, state in zip(summary["nodes"].values(), states, strict=True):
        node["state"] = state
    summary["nodes"]["train.spam"]["error"] = "train.spam: loss is NaN at step 412"
    page = Page(render_run(None, summary))
    assert "post Stopped at train.spam train.spam: loss is NaN at step 412" in page.text
    assert "The results of the 4 finished nodes are kept." in page.text
    assert "svg" in page.tags


def test_run_without_known_edges_lists_its_nodes(summary):
    for node in summary["nodes"].values():
        del node["upstream"], node["outputs"], node["key"]
        node["seconds"] = None
    page = Page(render_run(None, summary))
    assert "svg" not in page.tags
    assert "validate.spam ran –" in page.text


def test_stage_with_nothing_but_a_name_still_has_a_page(data):
    bare = {"name": "spam", "model": None, "curves": {}, "evaluation": None}
    data["stages"] = [bare | {"push": None}]
    data["profiles"] = [{"name": "mail"}]
    assert "spam not measured no gate not pushed" in Page(render_report(data)).text


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
    assert "rows are true labels" not in text
    assert "class 03 class 05 4" in text


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


def test_page_shows_token_statistics(data):
    profile = copy.deepcopy(data["profiles"][0])
    profile["splits"]["train"]["tokens"] = {
        **{"tokens": 120_000, "tokens_a_word": 1.333, "tokens_a_character": 0.25},
        **{"unknown_share": 0.0125, "entries": 8000, "unused_entries": 400},
        "longest": [{"token": HOSTILE, "count": 3}],
    }
    page = Page(render_report({**data, "profiles": [profile]}))
    for said in (
        "Vocabulary on 120,000 tokens of train",
        "tokens per word 1.33",
        "unknown 1.25 %",
        "unused 400 of 8,000 entries (5.0 %)",
        f"Longest: {HOSTILE} 3",
    ):
        assert said in page.text
    assert "script" not in page.tags


def test_choices_of_a_model_are_yes_or_left_out(data):
    shape = {"width": 16, "qk_norm": True, "activation_checkpointing": False}
    data["stages"][0]["model"] = {"model": shape}
    text = Page(render_report(data)).text
    assert "qk norm yes" in " ".join(text.split())
    assert "activation checkpointing" not in text
