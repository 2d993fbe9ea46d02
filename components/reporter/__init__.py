"""The report step: one offline HTML page about a pipeline's results.

Reading order: ``data`` gathers the artifacts into one JSON value, with texts by
``examples``; ``headline`` sums up its stages, ``measures`` puts their measurements
into words; ``stage_section`` and ``dataset_section`` describe a stage and a data set;
``charts`` computes the positions of lines and boxes, and describes them in words;
``formats`` writes numbers; ``page`` renders the templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textmill.components.artifacts import (
    Documents,
    Evaluation,
    Predictions,
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
    """The title, the graph, the settings and the number of texts on the page."""

    title: str
    """The pipeline's name."""
    edges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The graph: upstream nodes by node, in topological order."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The knobs of each stage's training, with every default."""
    texts: Mapping[str, int] = field(default_factory=dict)
    """Number of quoted errors, and of other quoted texts, by stage."""


def report(
    *,
    profiles: dict[str, Input[Profile]],
    models: dict[str, Input[TrainedModel]],
    logs: dict[str, Input[TrainingLogs]],
    documents: dict[str, Input[Documents]],
    predictions: dict[str, Input[Predictions]],
    evaluations: dict[str, Input[Evaluation]],
    pushes: dict[str, Input[PushedModel]],
    report: Output[Report],
    config: ReporterConfig,
) -> None:
    """Writes the page. Profiles are named by data set, the other inputs by stage.

    Documents and predictions are those of stages whose texts are quoted.
    """
    from textmill.components.reporter.data import gather
    from textmill.components.reporter.page import render_report

    data = gather(
        config.title,
        config.edges,
        settings=config.settings,
        texts=config.texts,
        profiles=profiles,
        models=models,
        logs=logs,
        documents=documents,
        predictions=predictions,
        evaluations=evaluations,
        pushes=pushes,
    )
    write_json(report.file(Report.DATA), data)
    report.file(Report.PAGE).write_text(render_report(data), encoding="utf-8")


class Reporter(Component, executor=report):
    """Profiles, models, logs, predictions, evaluations, pushes -> report."""

    @classmethod
    def render_run(
        cls, summary: Mapping[str, Any], outputs: Mapping[str, Artifact]
    ) -> str:
        """Returns the page of a run, with the report if there is one."""
        from textmill.components.reporter.page import render_run

        report = outputs.get("report")
        data = read_json(report.verify_file(Report.DATA)) if report else None
        return render_run(data, summary)
