"""Executor input and output: how KFP passes artifacts and parameters to a container.

An artifact of KFP is a pointer to one of ours: its metadata holds our path below the
root (``path``), its ``digest``, and the numbers that KFP shows. Only the manifest is
written to KFP's own location; pages are written in full.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.components.artifacts import Evaluation, Report, TrainingLogs
from textmill.components.base import Artifact, Channel, Component
from textmill.components.manifest import MANIFEST
from textmill.models.errors import IntegrityError
from textmill.pipeline.remote.mirror import Mirror

CONFUSION = "confusion"
"""The output that shows a classifier's confusion matrix in KFP's page."""
ENTRY = ("--executor_input", "{{$}}", "--kfp_entry", "kfp.dsl.executor_main")
"""The arguments of every container; KFP's local runner looks for the last of them."""
_MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
_MAX_CLASSES = 50


def wires(node: Component) -> Iterator[tuple[str, Channel]]:
    """Yields KFP's name of every input, and its channel."""
    for name, wire in node.inputs.items():
        if isinstance(wire, Mapping):
            for key, channel in wire.items():
                yield f"{name}__{key}", channel
        elif wire is not None:
            yield name, wire


class ExecutorIO:
    """One executor input and its executor output."""

    def __init__(self, text: str) -> None:
        message = json.loads(text)
        inputs, outputs = message.get("inputs", {}), message.get("outputs", {})
        self.parameters: dict[str, Any] = inputs.get("parameterValues", {})
        self._inputs = inputs.get("artifacts", {})
        self._outputs = outputs.get("artifacts", {})
        self._file = Path(outputs["outputFile"])

    def inputs(
        self, node: Component, mirror: Mirror
    ) -> dict[str, Artifact | dict[str, Artifact]]:
        """Returns a node's inputs, downloaded to this machine.

        Raises:
            IntegrityError: the digest of one is not that of its producer's output.
        """
        artifacts: dict[str, Artifact | dict[str, Artifact]] = {}
        for name, channel in wires(node):
            artifact = self._input(name, channel, mirror)
            top, _, key = name.partition("__")
            if isinstance(node.inputs[top], Mapping):
                several = artifacts.setdefault(top, {})
                assert isinstance(several, dict)
                several[key] = artifact
            else:
                artifacts[name] = artifact
        return artifacts

    def _input(self, name: str, channel: Channel, mirror: Mirror) -> Artifact:
        metadata = self._inputs[name]["artifacts"][0]["metadata"]
        mirror.fetch(metadata["path"])
        artifact = channel.type(mirror.path / metadata["path"])
        if artifact.reference != metadata["digest"]:
            raise IntegrityError(
                f"{artifact.path}: expected digest {metadata['digest'][:12]} from "
                f"{channel.producer}, found {artifact.reference[:12]}; run again"
            )
        return artifact

    def write(self, outputs: Mapping[str, Artifact], mirror: Mirror) -> None:
        """Writes the executor output."""
        entries = {}
        for name, entry in self._outputs.items():
            given = entry["artifacts"][0]
            path = _local(given["uri"])
            if name == CONFUSION:
                [artifact] = outputs.values()
                metadata = _confusion(artifact)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(metadata))
            else:
                metadata = _metadata(outputs[name], mirror)
                _write_preview(outputs[name], path)
            entries[name] = {
                "artifacts": [
                    {"name": given["name"], "uri": given["uri"], "metadata": metadata}
                ]
            }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"artifacts": entries}))


def _local(uri: str) -> Path:
    """Returns the path under which a platform mounts a URI."""
    for scheme, mount in _MOUNTS.items():
        if uri.startswith(scheme):
            return Path(mount + uri.removeprefix(scheme))
    return Path(uri)


def _write_preview(artifact: Artifact, path: Path) -> None:
    if isinstance(artifact, Report):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.path / artifact.PAGE, path)
    else:
        path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.path / MANIFEST, path / MANIFEST)


def _metadata(artifact: Artifact, mirror: Mirror) -> dict[str, Any]:
    path = artifact.path.relative_to(mirror.path).as_posix()
    return {
        **dict(_numbers(artifact)),
        "digest": artifact.reference,
        "path": path,
        "place": f"{mirror.root}/{path}",
        "type": type(artifact).__name__,
    }


def _numbers(artifact: Artifact) -> Iterator[tuple[str, float]]:
    """Yields the numbers that KFP plots: metrics, last losses, numeric facts."""
    values: dict[str, Any] = dict(artifact.facts)
    if isinstance(artifact, Evaluation):
        values = {name: m["value"] for name, m in artifact.read()["metrics"].items()}
    elif isinstance(artifact, TrainingLogs):
        values = {point["name"]: point["value"] for point in artifact.read()}
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and math.isfinite(value):
            yield name.replace("/", "_"), value


def _confusion(artifact: Artifact) -> dict[str, Any]:
    assert isinstance(artifact, Evaluation)
    evaluation = artifact.read()
    labels = evaluation.get("labels") or []
    rows = evaluation.get("confusion") or []
    if len(labels) > _MAX_CLASSES:
        return {}
    return {
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": str(label)} for label in labels],
            "rows": [{"row": list(row)} for row in rows],
        }
    }
