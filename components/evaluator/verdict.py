"""The verdict: thresholds are data, and a model meets all of them or is not blessed."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from typing import Any

from models.faults import ConfigError, DataError, did_you_mean

_RULE = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*")
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def judge(
    metrics: Mapping[str, Mapping[str, float]], thresholds: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Returns what became of every threshold, in the order of their names.

    Raises:
        ConfigError: a threshold names no metric, or is no rule.
        DataError: a metric is NaN, which never passes.
    """
    for name, metric in metrics.items():
        if not math.isfinite(metric["value"]):
            raise DataError(
                f"evaluate: {name} is {metric['value']}; look at the curves"
            )
    verdicts = []
    for name, rule in sorted(thresholds.items()):
        matched = _RULE.fullmatch(rule)
        if name not in metrics or not matched:
            hint = did_you_mean(name, list(metrics))
            raise ConfigError(
                f"evaluate.thresholds.{name}: expected a rule such as '>= 0.6' "
                f"for one of {', '.join(metrics)}, got {rule!r}{hint}"
            )
        value = metrics[name]["value"]
        passed = bool(_COMPARE[matched[1]](value, float(matched[2])))
        verdicts.append(
            {"metric": name, "rule": rule, "value": value, "passed": passed}
        )
    return verdicts
