"""Collects the content of ``report.json`` from artifacts, without any times.

Where order matters there are lists, because the keys of JSON files are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from textmill.components.artifacts import (
    Documents,
    Evaluation,
    Predictions,
    Profile,
    PushedModel,
    TrainedModel,
    TrainingLogs,
)
from textmill.components.base import Artifact
from textmill.components.reporter.examples import read_examples

FORMAT = 2
MAX_POINTS = 300


def gather(
    title: str,
    edges: Mapping[str, Iterable[str]],
    *,
    settings: Mapping[str, Mapping[str, Any]],
    texts: Mapping[str, int],
    profiles: Mapping[str, Profile],
    models: Mapping[str, TrainedModel],
    logs: Mapping[str, TrainingLogs],
    documents: Mapping[str, Documents],
    predictions: Mapping[str, Predictions],
    evaluations: Mapping[str, Evaluation],
    pushes: Mapping[str, PushedModel],
) -> dict[str, Any]:
    """Returns the content of ``report.json``."""
    artifacts_by_kind: dict[str, Mapping[str, Artifact]] = {
        "profile": profiles,
        "model": models,
        "logs": logs,
        "predictions": predictions,
        "evaluation": evaluations,
        "push": pushes,
    }
    return {
        "format": FORMAT,
        "title": title,
        "graph": [
            {"node": node, "upstream": sorted(upstream)}
            for node, upstream in edges.items()
        ],
        "stages": [
            {
                "name": name,
                "settings": settings.get(name, {}),
                "model": _model(models.get(name)),
                "curves": curves(logs[name].read()) if name in logs else {},
                "evaluation": _content(evaluations.get(name)),
                "examples": read_examples(
                    predictions[name], documents[name], count=count
                )
                if (count := texts.get(name))
                else {},
                "push": pushes[name].facts if name in pushes else None,
            }
            for name in dict.fromkeys([*models, *evaluations, *pushes])
        ],
        "profiles": [
            {"name": name, **profile.read()} for name, profile in profiles.items()
        ],
        "lineage": [
            {
                "artifact": f"{kind} of {name}",
                "type": type(artifact).__name__,
                "digest": artifact.digest,
            }
            for kind, artifacts in artifacts_by_kind.items()
            for name, artifact in artifacts.items()
        ],
    }


def _model(model: TrainedModel | None) -> dict[str, Any] | None:
    return {**model.facts, "digest": model.digest} if model else None


def _content(evaluation: Evaluation | None) -> dict[str, Any] | None:
    return evaluation.read() if evaluation else None


def curves(scalars: Iterable[Mapping[str, Any]]) -> dict[str, list[list[float]]]:
    """Returns ``[[step, value], ...]`` by name: finite values, at most 300 each."""
    points: dict[str, list[list[float]]] = {}
    for scalar in scalars:
        if math.isfinite(scalar["value"]):
            point = [scalar["step"], scalar["value"]]
            points.setdefault(scalar["name"], []).append(point)
    return {name: downsample(series) for name, series in points.items()}


def downsample(points: list[list[float]], limit: int = MAX_POINTS) -> list[list[float]]:
    """Downsamples a curve to its ends and the lowest and highest point of each bucket.

    A mean would hide the spikes in a loss curve.
    """
    if len(points) <= limit:
        return points
    inner, buckets = points[1:-1], (limit - 2) // 2
    thinned = [points[0]]
    for index in range(buckets):
        start = index * len(inner) // buckets
        bucket = inner[start : (index + 1) * len(inner) // buckets]
        extremes = min(bucket, key=_value), max(bucket, key=_value)
        thinned += sorted(extremes) if extremes[0] != extremes[1] else extremes[:1]
    return [*thinned, points[-1]]


def _value(point: list[float]) -> float:
    return point[1]
