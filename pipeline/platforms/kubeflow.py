"""Kubeflow Pipelines: the specification, and what only Kubernetes has to be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textmill.components.base import Component
from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.config import KubeflowConfig, NodeConfig, node_config
from textmill.pipeline.platforms.spec import (
    EXIT_TASK,
    GRACE_SECONDS,
    MODULE,
    pipeline_spec,
    task_name,
)
from textmill.pipeline.platforms.yaml import dump

MAX_BYTES = 256 * 1024
"""What Kubernetes takes of one workflow."""


def compile_kubeflow(loaded: LoadedConfig, pipeline: Pipeline, *, root: str) -> str:
    """Returns a pipeline as KFP reads it: its specification, and the platform's.

    Raises:
        ConfigError: a node asks for what Kubeflow Pipelines does not have.
    """
    run = loaded.config.run

    def executor(
        node: Component, gets: NodeConfig, arguments: list[str]
    ) -> dict[str, Any]:
        if gets.machines > 1:
            raise ConfigError(
                f"run.nodes: {node.id} asks for {gets.machines} machines, a step of "
                "Kubeflow Pipelines has one; take machines: 1 here, and start the "
                "training alone with `textmill compile --to tfjob`"
            )
        return {"container": container(run.image, gets, arguments)}

    spec = pipeline_spec(loaded, pipeline, root=root, executor=executor)
    platforms = {
        f"exec-{name}": platform
        for name, id in [*_names(pipeline), (EXIT_TASK, "report")]
        if (platform := _platform(run.kubeflow, node_config(run.nodes, id)))
    }
    if not platforms:
        return dump(spec)
    executors = {"deploymentSpec": {"executors": platforms}}
    return dump(spec, {"platforms": {"kubernetes": executors}})


def container(image: str, gets: NodeConfig, arguments: list[str]) -> dict[str, Any]:
    """Returns how KFP runs the entry."""
    found: dict[str, Any] = {
        "image": image,
        "command": ["python3", "-m", MODULE],
        "args": arguments,
    }
    if gets.env:
        found["env"] = environment(gets.env)
    if resources := _resources(gets):
        found["resources"] = resources
    return found


def environment(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns environment variables as Kubernetes lists them."""
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def _resources(gets: NodeConfig) -> dict[str, Any]:
    """Returns limits in the words of KFP from 2.11 on, and in those before."""
    found: dict[str, Any] = {}
    if gets.cpu is not None:
        found |= {"cpuLimit": float(gets.cpu), "resourceCpuLimit": f"{gets.cpu:g}"}
    if gets.memory is not None and gets.gigabytes is not None:
        found["memoryLimit"] = round(gets.gigabytes, 3)
        found["resourceMemoryLimit"] = gets.memory
    if gets.accelerator is not None:
        found["accelerator"] = {
            "type": gets.accelerator,
            "count": str(gets.accelerators),
            "resourceType": gets.accelerator,
            "resourceCount": str(gets.accelerators),
        }
    return found


def _names(pipeline: Pipeline) -> list[tuple[str, str]]:
    return [(task_name(node.id), node.id) for node in pipeline.nodes]


def _platform(config: KubeflowConfig, gets: NodeConfig) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if gets.secrets:
        secrets = kubernetes_secrets(gets.secrets)
        found["secretAsEnv"] = [_secret_variable(*secret) for secret in secrets]
    if gets.node_selector:
        found["nodeSelector"] = {"labels": dict(sorted(gets.node_selector.items()))}
    if gets.timeout is not None:
        found["activeDeadlineSeconds"] = str(gets.timeout + GRACE_SECONDS)
    if config.volume is not None:
        claim = {"runtimeValue": {"constant": config.volume}}
        found["pvcMount"] = [
            {
                "constant": config.volume,
                "mountPath": config.mount,
                "pvcNameParameter": claim,
            }
        ]
    if config.labels:
        found["podMetadata"] = {"labels": dict(sorted(config.labels.items()))}
    return found


def kubernetes_secrets(secrets: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Returns (variable, secret, key) of references to Kubernetes secrets.

    Raises:
        ConfigError: a reference is not one of Kubernetes'.
    """
    found = []
    for variable, reference in sorted(secrets.items()):
        name, _, key = reference.partition("/")
        if "/" in key:
            raise ConfigError(
                f"run.nodes.*.secrets.{variable}: expected secret/key on Kubernetes, "
                f"got {reference!r}"
            )
        found.append((variable, name, key))
    return found


def _secret_variable(variable: str, name: str, key: str) -> dict[str, Any]:
    return {
        "secretName": name,
        "secretNameParameter": {"runtimeValue": {"constant": name}},
        "keyToEnv": [{"secretKey": key, "envVar": variable}],
        "optional": False,
    }
