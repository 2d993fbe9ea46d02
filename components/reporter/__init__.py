"""The report step: one offline HTML page about a pipeline's results.

Reading order: ``data`` gathers the artifacts into one JSON value; ``headline`` sums up
its stages; ``dataset_section`` describes a data set; ``charts`` computes the
positions of lines and boxes; ``page`` renders the templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textmill.components.artifacts import (
    Evaluation,
    Profile,
    PushedModel,
    Report,
    TrainedModel,
    TrainingLogs,
    read_json,
    write_json,
)
from textmill.components.base import Artifact, Component, Input, Output


@dataclass(frozen=True, kw_only=True)
class ReporterConfig:
    """The title and the graph of the page."""

    title: str
    """The pipeline's name."""
    edges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The graph: upstream nodes by node, in topological order."""


def report(
    *,
    profiles: dict[str, Input[Profile]],
    models: dict[str, Input[TrainedModel]],
    logs: dict[str, Input[TrainingLogs]],
    evaluations: dict[str, Input[Evaluation]],
    pushes: dict[str, Input[PushedModel]],
    report: Output[Report],
    config: ReporterConfig,
) -> None:
    """Writes the page. Profiles are named by data set, the other inputs by stage."""
    from textmill.components.reporter.data import gather
    from textmill.components.reporter.page import render_report

    data = gather(
        config.title,
        config.edges,
        profiles=profiles,
        models=models,
        logs=logs,
        evaluations=evaluations,
        pushes=pushes,
    )
    write_json(report.file(Report.DATA), data)
    report.file(Report.PAGE).write_text(render_report(data), encoding="utf-8")


class Reporter(Component, executor=report):
    """Profiles, models, logs, evaluations, pushes -> report."""

    @classmethod
    def render_run(
        cls, summary: Mapping[str, Any], outputs: Mapping[str, Artifact]
    ) -> str:
        """Returns the page of a run, with the report if there is one."""
        from textmill.components.reporter.page import render_run

        report = outputs.get("report")
        data = read_json(report.verify_file(Report.DATA)) if report else None
        return render_run(data, summary)
