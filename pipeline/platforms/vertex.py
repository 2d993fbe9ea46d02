"""Vertex AI: the same specification, with custom jobs where machines train together."""

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
    """Returns a pipeline as Vertex reads it.

    Training is a custom job where it has several machines, a machine type or a
    TensorBoard; everything else is a container of the pipeline itself.

    Raises:
        ConfigError: a node asks for what Vertex does not have.
    """

    def executor(
        node: Component, gets: NodeConfig, arguments: list[str]
    ) -> dict[str, Any]:
        _check(node, gets)
        variables = dict(gets.env)
        for name, reference in gets.secrets.items():
            variables[name] = SCHEME + reference
        trains = node.resumable and arguments[0] == "--node"
        if trains and _has_job_of_its_own(loaded, gets):
            job = custom_job(loaded, node, gets, variables, arguments, root=root)
            return {"customJob": {"customJob": job}}
        found = container(loaded.config.run.image, gets, arguments)
        if variables:
            found["env"] = environment(variables)
        return {"container": found}

    return dump(pipeline_spec(loaded, pipeline, root=root, executor=executor))


def _check(node: Component, gets: NodeConfig) -> None:
    if gets.node_selector:
        raise ConfigError(
            f"run.nodes: {node.id} has a node_selector, which Vertex does not; "
            "name a machine_type or an accelerator instead"
        )
    if gets.machines > 1 and not node.resumable:
        raise ConfigError(f"run.nodes: {node.id} asks for machines; training alone may")
    for variable, reference in gets.secrets.items():
        if not reference.startswith("projects/"):
            raise ConfigError(
                f"run.nodes.*.secrets.{variable}: expected "
                f"projects/P/secrets/S/versions/V on Vertex, got {reference!r}"
            )


def _has_job_of_its_own(loaded: LoadedConfig, gets: NodeConfig) -> bool:
    tensorboard = loaded.config.run.vertex.tensorboard
    return gets.machines > 1 or bool(gets.machine_type or tensorboard)


def custom_job(
    loaded: LoadedConfig,
    node: Component,
    gets: NodeConfig,
    variables: dict[str, str],
    arguments: list[str],
    *,
    root: str,
) -> dict[str, Any]:
    """Returns a training node's job: the chief's pool, then one of the others.

    Vertex starts the same command everywhere and tells each process through TF_CONFIG
    which one it is.
    """
    vertex = loaded.config.run.vertex
    counts = [1, gets.machines - 1] if gets.machines > 1 else [1]
    spec: dict[str, Any] = {
        "workerPoolSpecs": [
            _pool(loaded.config.run.image, gets, variables, arguments, count)
            for count in counts
        ]
    }
    if gets.timeout is not None:
        spec["scheduling"] = {"timeout": f"{gets.timeout + GRACE_SECONDS}s"}
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
                "run.vertex.tensorboard: needs run.vertex.service_account, in whose "
                "name the curves are written"
            )
        place = f"{root}/tensorboard/{task_name(node.id)}"
        spec["baseOutputDirectory"] = {"outputUriPrefix": place}
    return {"displayName": task_name(node.id), "jobSpec": spec}


def _pool(
    image: str,
    gets: NodeConfig,
    variables: dict[str, str],
    arguments: list[str],
    count: int,
) -> dict[str, Any]:
    machine: dict[str, Any] = {"machineType": gets.machine_type or _MACHINE_TYPE}
    if gets.accelerator is not None:
        machine["acceleratorType"] = gets.accelerator
        machine["acceleratorCount"] = gets.accelerators
    work: dict[str, Any] = {
        "imageUri": image,
        "command": ["python3", "-m", MODULE],
        "args": arguments,
    }
    if variables:
        work["env"] = environment(variables)
    return {"machineSpec": machine, "replicaCount": str(count), "containerSpec": work}
