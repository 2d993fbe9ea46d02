"""Compiles a config to the file that a platform runs; same config, same bytes."""

from __future__ import annotations

import os
from typing import Literal

from textmill.components.filesystem import CONDITIONAL
from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.kubeflow import MAX_BYTES, compile_kubeflow
from textmill.pipeline.platforms.secret_scan import check_no_secrets
from textmill.pipeline.platforms.tfjob import compile_tfjobs
from textmill.pipeline.platforms.vertex import compile_vertex

Target = Literal["kubeflow", "vertex", "tfjob"]
TARGETS = {
    "kubeflow": compile_kubeflow,
    "vertex": compile_vertex,
    "tfjob": compile_tfjobs,
}


def compile_pipeline(
    loaded: LoadedConfig, pipeline: Pipeline, *, to: Target, root: str
) -> bytes:
    """Returns the file for a platform.

    Raises:
        ConfigError: the platform cannot run it, it is too large, or it holds a secret.
    """
    if not os.path.isabs(root) and root.partition("://")[0] not in CONDITIONAL:
        raise ConfigError(
            f"--root {root}: expected a root that every step can reach: "
            "gs://bucket/folder, s3://bucket/folder or the path of a mounted volume"
        )
    if to == "vertex" and not root.startswith("gs://"):
        raise ConfigError(f"--root {root}: expected gs://bucket/folder for Vertex")
    text = TARGETS[to](loaded, pipeline, root=root.rstrip("/"))
    check_no_secrets(text, loaded)
    data = text.encode()
    if to == "kubeflow" and len(data) > MAX_BYTES:
        raise ConfigError(
            f"compile: expected at most {MAX_BYTES:,} bytes, the limit of Kubernetes, "
            f"got {len(data):,}; divide the stages among several files"
        )
    return data
