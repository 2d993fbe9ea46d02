"""Compiles a config to the file that a platform runs; same config, same bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from textmill.components.filesystem import CONDITIONAL
from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.schema import PipelineConfig
from textmill.pipeline.config.types import map_paths
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.kubeflow import MAX_BYTES, compile_kubeflow
from textmill.pipeline.platforms.secret_scan import check_no_secrets
from textmill.pipeline.platforms.tfjob import compile_tfjobs
from textmill.pipeline.platforms.vertex import compile_vertex
from textmill.pipeline.secrets import REFERENCE

Target = Literal["kubeflow", "vertex", "tfjob"]
TARGETS = {
    "kubeflow": compile_kubeflow,
    "vertex": compile_vertex,
    "tfjob": compile_tfjobs,
}


def local_paths(loaded: LoadedConfig) -> dict[str, str]:
    """Returns the paths of a config that steps look for in their own container.

    They exist there only if the image has them. URLs and paths on the volume that
    every step mounts are not among them.
    """
    kubeflow = loaded.config.run.kubeflow
    paths: dict[str, str] = {}

    def collect(key: str, text: str) -> str:
        is_mounted = kubeflow.volume is not None and Path(text).is_relative_to(
            kubeflow.mount
        )
        if "://" not in text and not REFERENCE.search(text) and not is_mounted:
            paths[key] = text
        return text

    map_paths(loaded.raw, PipelineConfig, collect)
    return paths


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
