"""Kubeflow Pipelines: the specification and its Kubernetes part."""

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
"""The limit of Kubernetes for one workflow."""


def compile_kubeflow(loaded: LoadedConfig, pipeline: Pipeline, *, root: str) -> str:
    """Returns the KFP specification of a pipeline, with its Kubernetes part.

    Raises:
        ConfigError: a node asks for something that Kubeflow Pipelines lacks.
    """
    run = loaded.config.run

    def executor(
        node: Component, resources: NodeConfig, arguments: list[str]
    ) -> dict[str, Any]:
        if resources.machines > 1:
            raise ConfigError(
                f"run.nodes: {node.id} asks for {resources.machines} machines, a step "
                "of Kubeflow Pipelines has one; use machines: 1 here, and start the "
                "training alone with `textmill compile --to tfjob`"
            )
        return {"container": container(run.image, resources, arguments)}

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


def container(
    image: str, resources: NodeConfig, arguments: list[str]
) -> dict[str, Any]:
    """Returns KFP's specification of a container that runs the entry point."""
    spec: dict[str, Any] = {
        "image": image,
        "command": ["python3", "-m", MODULE],
        "args": arguments,
    }
    if resources.env:
        spec["env"] = environment(resources.env)
    if limits := _limits(resources):
        spec["resources"] = limits
    return spec


def environment(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns environment variables as Kubernetes lists them."""
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def _limits(resources: NodeConfig) -> dict[str, Any]:
    """Returns limits in the fields of KFP 2.11 and later, and in the earlier ones."""
    limits: dict[str, Any] = {}
    if resources.cpu is not None:
        limits["cpuLimit"] = float(resources.cpu)
        limits["resourceCpuLimit"] = f"{resources.cpu:g}"
    if resources.memory is not None and resources.gigabytes is not None:
        limits["memoryLimit"] = round(resources.gigabytes, 3)
        limits["resourceMemoryLimit"] = resources.memory
    if resources.accelerator is not None:
        limits["accelerator"] = {
            "type": resources.accelerator,
            "count": str(resources.accelerators),
            "resourceType": resources.accelerator,
            "resourceCount": str(resources.accelerators),
        }
    return limits


def _names(pipeline: Pipeline) -> list[tuple[str, str]]:
    return [(task_name(node.id), node.id) for node in pipeline.nodes]


def _platform(config: KubeflowConfig, resources: NodeConfig) -> dict[str, Any]:
    platform: dict[str, Any] = {}
    if resources.secrets:
        secrets = kubernetes_secrets(resources.secrets)
        platform["secretAsEnv"] = [_secret_variable(*secret) for secret in secrets]
    if resources.node_selector:
        labels = dict(sorted(resources.node_selector.items()))
        platform["nodeSelector"] = {"labels": labels}
    if resources.timeout is not None:
        platform["activeDeadlineSeconds"] = str(resources.timeout + GRACE_SECONDS)
    if config.volume is not None:
        claim = {"runtimeValue": {"constant": config.volume}}
        platform["pvcMount"] = [
            {
                "constant": config.volume,
                "mountPath": config.mount,
                "pvcNameParameter": claim,
            }
        ]
    if config.labels:
        platform["podMetadata"] = {"labels": dict(sorted(config.labels.items()))}
    return platform


def kubernetes_secrets(secrets: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Returns (variable, secret, key) of references to Kubernetes secrets.

    Raises:
        ConfigError: a reference is not of the form secret/key.
    """
    references = []
    for variable, reference in sorted(secrets.items()):
        name, _, key = reference.partition("/")
        if "/" in key:
            raise ConfigError(
                f"run.nodes.*.secrets.{variable}: expected secret/key on Kubernetes, "
                f"got {reference!r}"
            )
        references.append((variable, name, key))
    return references


def _secret_variable(variable: str, name: str, key: str) -> dict[str, Any]:
    return {
        "secretName": name,
        "secretNameParameter": {"runtimeValue": {"constant": name}},
        "keyToEnv": [{"secretKey": key, "envVar": variable}],
        "optional": False,
    }
