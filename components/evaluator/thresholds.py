"""The verdict: thresholds are data, and a model meets all of them or is not blessed."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from textmill.components.artifacts import PushedModel, read_json
from textmill.models.errors import ConfigError, DataError, did_you_mean

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
RULE = re.compile(
    rf"\s*(>=|<=|>|<)\s*"
    rf"(?:(?P<pushed>pushed)(?:\s*([-+])\s*({_NUMBER}))?|([-+]?{_NUMBER}))\s*"
)
"""A threshold: a comparison with a number, or with what is pushed."""
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def judge(
    metrics: Mapping[str, Mapping[str, float]],
    thresholds: Mapping[str, str],
    pushed: Baseline | None = None,
) -> list[dict[str, Any]]:
    """Returns what became of every threshold, in the order of their names.

    Args:
        metrics: ``value`` and interval by name.
        thresholds: rules by metric; one that says ``pushed`` holds where nothing is.
        pushed: the model that such rules speak of.

    Raises:
        ConfigError: a threshold names no metric, or is no rule, or the pushed model was
            not measured by it.
        DataError: a metric is NaN, which never passes.
    """
    for name, metric in metrics.items():
        if not math.isfinite(metric["value"]):
            raise DataError(
                f"evaluate: {name} is {metric['value']}; look at the curves"
            )
    verdicts = []
    for name, rule in sorted(thresholds.items()):
        matched = RULE.fullmatch(rule)
        if name not in metrics or not matched:
            hint = did_you_mean(name, list(metrics))
            raise ConfigError(
                f"evaluate.thresholds.{name}: expected a rule such as '>= 0.6' or "
                f"'>= pushed - 0.01' for one of {', '.join(metrics)}, got {rule!r}"
                f"{hint}"
            )
        comparison, relative, way, distance, number = matched.groups()
        value = metrics[name]["value"]
        verdict: dict[str, Any] = {"metric": name, "rule": rule, "value": value}
        if relative:
            verdict["version"] = pushed.version if pushed else None
            verdict["same_documents"] = pushed.same_documents if pushed else None
            bound = pushed.value(name) if pushed else None
            if bound is not None and distance:
                bound += float(distance) * (-1 if way == "-" else 1)
        else:
            bound = float(number)
        passed = bound is None or bool(_COMPARE[comparison](value, bound))
        verdicts.append({**verdict, "bound": bound, "passed": passed})
    return verdicts


class Baseline(NamedTuple):
    """A pushed version, and what its evaluation found."""

    version: int
    card: Mapping[str, Any]
    same_documents: bool = True
    """Whether it was measured on the documents that it is compared on."""

    def value(self, metric: str) -> float:
        """Returns the value of a metric.

        Raises:
            ConfigError: it was not measured by it.
        """
        found = self.card["metrics"]
        if metric not in found:
            raise ConfigError(
                f"evaluate.thresholds.{metric}: expected a metric of pushed version "
                f"{self.version} ({', '.join(found)}), which has another task; give "
                "the stage another name"
            )
        return float(found[metric]["value"])


def latest_baseline(folder: Path, *, model: str, documents: str) -> Baseline | None:
    """Returns the newest version below a folder that is of another model.

    Versions without a card were put there by somebody else, and do not count.

    Args:
        folder: the stage's pushed versions.
        model: the digest of the model that it is compared with.
        documents: the digest of the documents that it is compared on.
    """
    for version in PushedModel.versions(folder):
        card = version / PushedModel.CARD
        if card.is_file() and (found := read_json(card))["model"] != model:
            return Baseline(int(version.name), found, found["documents"] == documents)
    return None
