"""Vertex AI: the same specification, with custom jobs for training."""

from __future__ import annotations

from typing import Any

from textmill.components.base import Component
from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.config import NodeConfig
from textmill.pipeline.platforms.kubeflow import container, environment
from textmill.pipeline.platforms.spec import (
    GRACE_SECONDS,
    MODULE,
    pipeline_spec,
    task_name,
)
from textmill.pipeline.platforms.yaml import dump
from textmill.pipeline.remote.secret_manager import SCHEME

_MACHINE_TYPE = "n1-standard-8"


def compile_vertex(loaded: LoadedConfig, pipeline: Pipeline, *, root: str) -> str:
    """Returns the KFP specification of a pipeline for Vertex.

    Training with several machines, a machine type or a TensorBoard is a custom job;
    everything else is a container of the pipeline itself.

    Raises:
        ConfigError: a node asks for something that Vertex lacks.
    """

    def executor(
        node: Component, resources: NodeConfig, arguments: list[str]
    ) -> dict[str, Any]:
        _check(node, resources)
        variables = dict(resources.env)
        for name, reference in resources.secrets.items():
            variables[name] = SCHEME + reference
        trains = node.resumable and arguments[0] == "--node"
        if trains and _needs_custom_job(loaded, resources):
            job = custom_job(loaded, node, resources, variables, arguments, root=root)
            return {"customJob": {"customJob": job}}
        spec = container(loaded.config.run.image, resources, arguments)
        if variables:
            spec["env"] = environment(variables)
        return {"container": spec}

    return dump(pipeline_spec(loaded, pipeline, root=root, executor=executor))


def _check(node: Component, resources: NodeConfig) -> None:
    if resources.node_selector:
        raise ConfigError(
            f"run.nodes: {node.id} has a node_selector, which Vertex lacks; "
            "name a machine_type or an accelerator instead"
        )
    if resources.machines > 1 and not node.resumable:
        raise ConfigError(
            f"run.nodes: {node.id} asks for machines; only training can use them"
        )
    for variable, reference in resources.secrets.items():
        if not reference.startswith("projects/"):
            raise ConfigError(
                f"run.nodes.*.secrets.{variable}: expected "
                f"projects/P/secrets/S/versions/V on Vertex, got {reference!r}"
            )


def _needs_custom_job(loaded: LoadedConfig, resources: NodeConfig) -> bool:
    tensorboard = loaded.config.run.vertex.tensorboard
    return resources.machines > 1 or bool(resources.machine_type or tensorboard)


def custom_job(
    loaded: LoadedConfig,
    node: Component,
    resources: NodeConfig,
    variables: dict[str, str],
    arguments: list[str],
    *,
    root: str,
) -> dict[str, Any]:
    """Returns a training node's custom job: the chief's pool, then the workers' pool.

    Vertex starts the same command everywhere; TF_CONFIG gives each process its index.
    """
    vertex = loaded.config.run.vertex
    counts = [1, resources.machines - 1] if resources.machines > 1 else [1]
    spec: dict[str, Any] = {
        "workerPoolSpecs": [
            _pool(loaded.config.run.image, resources, variables, arguments, count)
            for count in counts
        ]
    }
    if resources.timeout is not None:
        spec["scheduling"] = {"timeout": f"{resources.timeout + GRACE_SECONDS}s"}
    for name, value in (
        ("serviceAccount", vertex.service_account),
        ("network", vertex.network),
        ("tensorboard", vertex.tensorboard),
    ):
        if value is not None:
            spec[name] = value
    if vertex.tensorboard is not None:
        if vertex.service_account is None:
            raise ConfigError(
                "run.vertex.tensorboard: needs run.vertex.service_account, which "
                "writes the training logs"
            )
        prefix = f"{root}/tensorboard/{task_name(node.id)}"
        spec["baseOutputDirectory"] = {"outputUriPrefix": prefix}
    return {"displayName": task_name(node.id), "jobSpec": spec}


def _pool(
    image: str,
    resources: NodeConfig,
    variables: dict[str, str],
    arguments: list[str],
    count: int,
) -> dict[str, Any]:
    machine: dict[str, Any] = {"machineType": resources.machine_type or _MACHINE_TYPE}
    if resources.accelerator is not None:
        machine["acceleratorType"] = resources.accelerator
        machine["acceleratorCount"] = resources.accelerators
    spec: dict[str, Any] = {
        "imageUri": image,
        "command": ["python3", "-m", MODULE],
        "args": arguments,
    }
    if variables:
        spec["env"] = environment(variables)
    return {"machineSpec": machine, "replicaCount": str(count), "containerSpec": spec}
