"""Thresholds: comparisons of metrics with a number or with the pushed model."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from textmill.components.artifacts import PushedVersion
from textmill.models.errors import ConfigError, DataError, did_you_mean

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
RULE = re.compile(
    rf"\s*(?P<comparison>>=|<=|>|<)\s*"
    rf"(?:(?P<other>pushed|linear)(?:\s*(?P<sign>[-+])\s*(?P<margin>{_NUMBER}))?"
    rf"|(?P<number>[-+]?{_NUMBER}))\s*"
)
"""A threshold: a comparison with a number, the pushed model or the linear one."""
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def check_thresholds(
    metrics: Mapping[str, Mapping[str, float]],
    thresholds: Mapping[str, str],
    baseline: Baseline | None = None,
    others: Mapping[str, Mapping[str, Mapping[str, float]]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Returns the outcome of every threshold, sorted by metric.

    Args:
        metrics: ``value`` and interval by name.
        thresholds: rules by metric; a rule with ``pushed`` passes without a baseline.
        baseline: the pushed model for such rules.
        others: metrics of other models of the same rows, by name.

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
        value = metrics[name]["value"]
        outcome: dict[str, Any] = {"metric": name, "rule": rule, "value": value}
        if matched["other"] == "pushed":
            outcome["version"] = baseline.version if baseline else None
            outcome["same_documents"] = baseline.same_documents if baseline else None
        bound = _bound(name, matched, baseline, others)
        passed = bound is None or bool(_COMPARE[matched["comparison"]](value, bound))
        outcomes.append({**outcome, "bound": bound, "passed": passed})
    return outcomes


def _bound(
    metric: str,
    rule: re.Match[str],
    baseline: Baseline | None,
    others: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> float | None:
    """Returns the number that a rule compares with; None without a pushed model."""
    if not (name := rule["other"]):
        return float(rule["number"])
    if name == "pushed":
        if baseline is None:
            return None
        value = baseline.value(metric)
    elif name in others:
        value = others[name][metric]["value"]
    else:
        raise ConfigError(
            f"evaluate.thresholds.{metric}: no model {name!r} was measured; "
            f"set evaluate.baseline: {name}"
        )
    margin = float(rule["margin"] or 0.0)
    return value + (-margin if rule["sign"] == "-" else margin)


class Baseline(NamedTuple):
    """A pushed version with its evaluation."""

    version: int
    card: Mapping[str, Any]
    same_documents: bool = True
    """True if its evaluation used the same documents."""

    def value(self, metric: str) -> float:
        """Returns the value of a metric.

        Raises:
            ConfigError: its evaluation lacks the metric.
        """
        metrics = self.card["metrics"]
        if metric not in metrics:
            raise ConfigError(
                f"evaluate.thresholds.{metric}: expected a metric of pushed version "
                f"{self.version} ({', '.join(metrics)}), which has another task; give "
                "the stage another name"
            )
        return float(metrics[metric]["value"])


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
