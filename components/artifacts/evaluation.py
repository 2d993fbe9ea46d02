"""Artifacts of measurements: a stage's evaluation, and the report of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textmill.components.artifacts.json_files import read_json
from textmill.components.base import Artifact


class Evaluation(Artifact):
    """Metrics with intervals, slices, confusion matrix, thresholds: ``metrics.json``.

    ``rows.parquet`` has every metric's statistics by row, for a paired comparison with
    the next model (see ``textmill.components.evaluator.pushed``).

    Facts: ``blessed`` (None where no threshold was set); ``model``, ``documents`` and
    ``vocabulary`` (digests); ``split``; ``task``; ``task_config``.
    """

    FILE = "metrics.json"
    ROWS = "rows.parquet"

    def read(self) -> dict[str, Any]:
        """Returns the evaluation.

        Raises:
            IntegrityError: its file was altered.
        """
        value: dict[str, Any] = read_json(self.verify_file(self.FILE))
        return value

    @property
    def blessed(self) -> bool | None:
        """True if every threshold was met; None if none was set."""
        value: bool | None = self.facts["blessed"]
        return value

    def stage_summary(self) -> dict[str, Any]:
        """Returns task, split, rows, metrics, those of baselines, and the gate."""
        evaluation = self.read()
        baselines = {
            name: {
                **_summarize(b["metrics"]),
                "differences": b["differences"],
                **_summarize_calibration(b),
            }
            for name, b in evaluation.get("baselines", {}).items()
        }
        return {
            "task": evaluation["task"],
            "split": evaluation["split"],
            "rows": evaluation["rows"],
            **{k: evaluation[k] for k in _SUMMARIZED if k in evaluation},
            **_summarize(evaluation["metrics"]),
            "thresholds": evaluation["thresholds"],
            "blessed": self.blessed,
            **({"baselines": baselines} if baselines else {}),
            **({"absent_labels": absent} if (absent := _absent(evaluation)) else {}),
            **_summarize_folds(evaluation),
            **_summarize_calibration(evaluation),
        }


_SUMMARIZED = (
    *("groups", "grouped_by"),
    *("seen_in_pretraining", "calibrated_on_these_rows"),
)


def _summarize_calibration(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``calibration`` without its tables; empty for other tasks."""
    if "calibration" not in measured:
        return {}
    scores = measured["calibration"]
    summary = {name: scores[name] for name in ("ece", "ece_by_chance", "brier")}
    if "risk_coverage" in scores:
        summary["aurc"] = scores["risk_coverage"]["aurc"]
    if "confident" in scores:
        summary["confident"] = scores["confident"]
    return {"calibration": summary}


def _summarize_folds(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``folds``: metrics of all together and of each; empty without folds."""
    folds = evaluation.get("folds")
    if folds is None:
        return {}
    others = {name: folds[name] for name in ("rows", "by_fold", "spread")}
    return {"folds": {**others, **_summarize(folds["metrics"])}}


def _absent(evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the labels without a row in the evaluated split."""
    scores = evaluation.get("per_class", {})
    return [label for label in scores if not scores[label]["support"]]


def _summarize(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metrics": {name: m["value"] for name, m in metrics.items()},
        "intervals": {name: [m["low"], m["high"]] for name, m in metrics.items()},
    }


class Report(Artifact):
    """The page about a pipeline: ``report.html`` and its data, ``report.json``."""

    PAGE = "report.html"
    DATA = "report.json"
