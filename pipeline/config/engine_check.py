"""Whether what a config says of engines fits the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textmill.models.errors import did_you_mean
from textmill.pipeline.config.errors import Violations

_OF_DATASETS = ("ingest", "profile")
_OF_STAGES = ("tokenize", "train", "evaluate", "export", "validate", "push")
_STEPS = ("all", *_OF_DATASETS, "vocabulary", *_OF_STAGES, "report")


def check_engines(
    run: Mapping[str, Any], config: Mapping[str, Any], findings: Violations
) -> None:
    """Finds nodes and parameters that are none."""
    nodes = run.get("nodes")
    known = list(_node_keys(config))
    for key in nodes if isinstance(nodes, dict) else ():
        if key not in known:
            findings.add(
                f"run.nodes.{key}",
                "all, a step (train) or a node (train/library)",
                key,
                did_you_mean(key, known),
            )
    parameters = run.get("parameters")
    for index, path in enumerate(parameters if isinstance(parameters, list) else ()):
        if isinstance(path, str) and (path.startswith("run.") or path == "name"):
            findings.add(
                f"run.parameters.{index}",
                "the path of a value that changes what is made",
                path,
                ", which is settled when the pipeline is compiled",
            )


def _node_keys(config: Mapping[str, Any]) -> list[str]:
    keys = list(_STEPS)
    for steps, group in ((_OF_DATASETS, "datasets"), (_OF_STAGES, "stages")):
        names = config.get(group)
        for name in names if isinstance(names, dict) else ():
            keys += [f"{step}/{name}" for step in steps]
    return keys
