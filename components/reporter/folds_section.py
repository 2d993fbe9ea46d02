"""The page's table of folds: metrics of each, of all together, and their spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textmill.components.reporter.measures import interval, order_metrics


def describe_folds(
    task: str | None, folds: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Returns the rows of the table; None for an evaluation without folds."""
    if folds is None:
        return None
    names = order_metrics(task, folds["metrics"])
    return {
        "metrics": names,
        "rows": [
            (fold, values["rows"], [values["metrics"][name] for name in names])
            for fold, values in sorted(
                folds["by_fold"].items(), key=lambda item: int(item[0])
            )
        ],
        "num_rows": folds["rows"],
        "all": [interval(folds["metrics"][name]) for name in names],
        "spread": [folds["spread"][name] for name in names],
    }
