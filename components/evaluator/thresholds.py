"""Thresholds: comparisons of metrics with a number or with another model.

A rule about another model is about a difference, which has an interval.
``>= pushed - 0.01`` holds if the whole 95 % interval of the new value minus the other
is at or above -0.01: a test of non-inferiority that passes a model which is worse by
the margin 2.5 % of the time.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from textmill.components.artifacts import PushedVersion
from textmill.models.errors import ConfigError, DataError, did_you_mean
from textmill.models.metrics import METRICS
from textmill.models.tasks import TASKS

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
RULE = re.compile(
    rf"\s*(?P<comparison>>=|<=|>|<)\s*"
    rf"(?:(?P<other>pushed|majority|linear|encoder|bm25)"
    rf"(?:\s*(?P<sign>[-+])\s*(?P<margin>{_NUMBER}))?"
    rf"|(?P<number>[-+]?{_NUMBER}))\s*"
)
"""A threshold: a comparison with a number, the pushed model or a baseline."""
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_TOKEN_TARGETS = ("none", "text")
"""Targets of the tasks that predict tokens."""

Metrics = Mapping[str, Mapping[str, float]]
"""``value``, ``low`` and ``high`` by name."""


@dataclass(frozen=True)
class Baseline:
    """A pushed version with its evaluation."""

    version: int
    card: Mapping[str, Any]
    same_documents: bool = True
    """True if its evaluation used the same documents."""
    differences: Metrics = field(default_factory=dict)
    """The new model's metrics minus its, over the rows that both were measured on."""
    paired_rows: int = 0
    """The number of those rows."""

    def metric(self, name: str) -> Mapping[str, float]:
        """Returns a metric of its evaluation.

        Raises:
            ConfigError: its evaluation lacks the metric.
        """
        metrics: Metrics = self.card["metrics"]
        if name not in metrics:
            raise ConfigError(
                f"evaluate.thresholds.{name}: expected a metric of pushed version "
                f"{self.version} ({', '.join(metrics)}), which has another task; give "
                "the stage another name"
            )
        return metrics[name]


def check_thresholds(
    metrics: Metrics,
    thresholds: Mapping[str, str],
    baseline: Baseline | None = None,
    others: Mapping[str, Mapping[str, Metrics]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Returns the outcome of every threshold, sorted by metric.

    Args:
        metrics: of the new model.
        thresholds: rules by metric; a rule with ``pushed`` passes without a baseline.
        baseline: the pushed model for such rules.
        others: ``metrics`` of other models of the same rows, and ``differences`` from
            them, by name.

    Raises:
        ConfigError: a threshold is malformed, names an unknown metric or a model that
            was not measured, or the baseline lacks the metric.
        DataError: a metric is NaN, which never passes.
    """
    for name, metric in metrics.items():
        if not math.isfinite(metric["value"]):
            raise DataError(
                f"evaluate: {name} is {metric['value']}; look at the curves"
            )
    outcomes = []
    for name, rule in sorted(thresholds.items()):
        matched = RULE.fullmatch(rule)
        if name not in metrics or not matched:
            hint = did_you_mean(name, list(metrics))
            raise ConfigError(
                f"evaluate.thresholds.{name}: expected a rule such as '>= 0.6' or "
                f"'>= pushed - 0.01' for one of {', '.join(metrics)}, got {rule!r}"
                f"{hint}"
            )
        outcome = {"metric": name, "rule": rule, "value": metrics[name]["value"]}
        if matched["other"] is None:
            bound = float(matched["number"])
            passed = _COMPARE[matched["comparison"]](outcome["value"], bound)
            outcomes.append({**outcome, "bound": bound, "passed": bool(passed)})
        elif matched["other"] == "pushed":
            compared = _compare_pushed(matched, metrics[name], name, baseline)
            outcomes.append(outcome | compared)
        else:
            outcomes.append(outcome | _compare_measured(matched, name, others))
    return outcomes


def _compare_pushed(
    rule: re.Match[str],
    metric: Mapping[str, float],
    name: str,
    baseline: Baseline | None,
) -> dict[str, Any]:
    """Returns the outcome of a rule about the pushed model: it passes without one."""
    if baseline is None:
        return {"version": None, "same_documents": None, "bound": None, "passed": True}
    other = baseline.metric(name)
    paired = name in baseline.differences
    difference = baseline.differences[name] if paired else subtract(metric, other)
    return {
        "version": baseline.version,
        "same_documents": baseline.same_documents,
        "paired_rows": baseline.paired_rows if paired else None,
        **_check_difference(rule, other, difference),
    }


def _compare_measured(
    rule: re.Match[str], name: str, others: Mapping[str, Mapping[str, Metrics]]
) -> dict[str, Any]:
    """Returns the outcome of a rule about a model of the same rows."""
    if (other := rule["other"]) not in others:
        raise ConfigError(
            f"evaluate.thresholds.{name}: no model {other!r} was measured, expected "
            f"one of {', '.join(others) or 'none'}; set evaluate.baseline: linear for "
            "the linear model"
        )
    measured = others[other]
    return _check_difference(
        rule, measured["metrics"][name], measured["differences"][name]
    )


def _check_difference(
    rule: re.Match[str], other: Mapping[str, float], difference: Mapping[str, float]
) -> dict[str, Any]:
    """Returns the outcome of a rule: the whole interval must be on its side."""
    margin = float(rule["margin"] or 0.0) * (-1 if rule["sign"] == "-" else 1)
    comparison = rule["comparison"]
    end = difference["low" if ">" in comparison else "high"]
    return {
        "bound": other["value"] + margin,
        "margin": margin,
        "difference": dict(difference),
        "passed": bool(_COMPARE[comparison](end, margin)),
    }


def subtract(
    first: Mapping[str, float], second: Mapping[str, float]
) -> dict[str, float]:
    """Returns the difference of two independent estimates with its 95 % bounds.

    The distances to the bounds add up as squares (Zou and Donner, 2008). For models
    measured on the same rows this is wider than a paired interval.
    """

    def distance(estimate: Mapping[str, float], bound: str) -> float:
        return abs(estimate.get(bound, estimate["value"]) - estimate["value"])

    value = first["value"] - second["value"]
    below = math.hypot(distance(first, "low"), distance(second, "high"))
    above = math.hypot(distance(first, "high"), distance(second, "low"))
    return {"value": value, "low": value - below, "high": value + above}


def latest_baseline(folder: Path, *, model: str, documents: str) -> Baseline | None:
    """Returns the newest version of a stage with a different model, if any.

    Args:
        folder: the stage's pushed versions.
        model: digest of the evaluated model.
        documents: digest of its documents.

    Raises:
        IntegrityError: a version's card was altered.
    """
    other = PushedVersion.latest_other(folder, model)
    if other is None:
        return None
    version, card = other
    return Baseline(version, card, card["documents"] == documents)


def check_comparable(
    baseline: Baseline, thresholds: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    """Checks that rules about the pushed model compare measures of one thing.

    A mean over tokens is about other tokens after a change of the vocabulary, and about
    other positions after a change of the masks.

    Args:
        baseline: the pushed version.
        thresholds: rules by metric.
        facts: ``task``, ``vocabulary`` and ``task_config`` of the evaluation.

    Raises:
        ConfigError: a rule compares what cannot be compared.
    """
    if TASKS[facts["task"]].target not in _TOKEN_TARGETS:
        return
    unmeasured = getattr(TASKS[facts["task"]].config, "UNMEASURED", ())
    before, after = (_measured_knobs(f, unmeasured) for f in (baseline.card, facts))
    changed = [name for name in before if before[name] != after[name]]
    words = {"vocabulary": "another vocabulary", "task_config": "other task settings"}
    for metric, rule in thresholds.items():
        matched = RULE.fullmatch(rule)
        if metric not in METRICS or not matched or matched["other"] != "pushed":
            continue
        differing = [c for c in changed if c in METRICS[metric].depends_on]
        if differing:
            what = " and ".join(words[name] for name in differing)
            raise ConfigError(
                f"evaluate.thresholds.{metric}: pushed version {baseline.version} was "
                f"measured with {what}, so that its {metric} is about other "
                "tokens; compare with a number, or give the stage another name"
            )


def _measured_knobs(
    facts: Mapping[str, Any], unmeasured: Sequence[str]
) -> dict[str, Any]:
    """Returns the vocabulary and the task's settings; older cards have neither."""
    knobs = {n: facts[n] for n in ("vocabulary", "task_config") if n in facts}
    if config := knobs.get("task_config"):
        knobs["task_config"] = {k: v for k, v in config.items() if k not in unmeasured}
    return knobs
