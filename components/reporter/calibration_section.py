"""The page's part about the calibration of a classifier: scores and two charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from textmill.components.reporter.charts import describe_plot, draw_plot
from textmill.components.reporter.headline import baseline_title, order_baselines
from textmill.components.reporter.measures import interval

_DIAGONAL = [[0.0, 0.0], [1.0, 1.0]]


def describe_calibration(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the values that the template shows; None without probabilities."""
    scores = evaluation.get("calibration")
    if not scores:
        return None
    points = [[b["confidence"], b["accuracy"]] for b in scores["reliability"]]
    # The frame goes from 0 to 1 for every model, so that pages can be compared.
    reliability = {"calibrated": _DIAGONAL, "answers": points}
    risk = {"error": scores["risk_coverage"]["curve"]}
    return {
        "rows": list(_rows(evaluation)),
        "by_chance": scores["ece_by_chance"],
        "reliability": draw_plot(reliability),
        "reliability_description": describe_plot(
            "accuracy", {"answers": points}, axis="confidence"
        ),
        "risk": draw_plot(risk),
        "risk_description": describe_plot("error", risk, axis="coverage"),
        "confident": {k: interval(v) for k, v in scores.get("confident", {}).items()},
    }


def _rows(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yields a model's name and its scores: the evaluated one, then the baselines."""
    scores = evaluation["calibration"]
    area = interval(scores["risk_coverage"]["aurc"])
    yield "this model", [interval(scores["ece"]), interval(scores["brier"]), area]
    baselines = evaluation.get("baselines") or {}
    for name in order_baselines(baselines):
        if other := baselines[name].get("calibration"):
            title = baseline_title(name)
            yield title, [interval(other["ece"]), interval(other["brier"]), None]
