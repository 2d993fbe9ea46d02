"""TFJob: the manifest of Kubeflow's training operator for several machines.

Its containers get no executor input: they find the node's inputs in the root, by the
cache keys of all upstream nodes. The operator sets TF_CONFIG.
"""

from __future__ import annotations

from typing import Any

from textmill.components.base import Component
from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.config import NodeConfig, node_config
from textmill.pipeline.platforms.kubeflow import environment, kubernetes_secrets
from textmill.pipeline.platforms.spec import (
    CONFIG_VARIABLE,
    GRACE_SECONDS,
    MODULE,
    config_text,
    node_arguments,
    task_name,
)
from textmill.pipeline.platforms.yaml import dump


def compile_tfjobs(loaded: LoadedConfig, pipeline: Pipeline, *, root: str) -> str:
    """Returns a manifest per selected training node on several machines.

    Raises:
        ConfigError: no selected node trains on several machines.
    """
    given = loaded.config.run.nodes
    jobs = [
        _job(loaded, node, node_config(given, node.id), root)
        for node in pipeline.nodes
        if node.resumable
        and node.id in pipeline.selected
        and node_config(given, node.id).machines > 1
    ]
    if not jobs:
        raise ConfigError(
            "compile --to tfjob: expected a training node of several machines, found "
            "none; set run.nodes.train.machines"
        )
    return dump(*jobs)


def _job(
    loaded: LoadedConfig, node: Component, resources: NodeConfig, root: str
) -> dict[str, Any]:
    kubeflow = loaded.config.run.kubeflow
    name = f"{task_name(loaded.config.name)}-{task_name(node.id)}"
    labels = {"app.kubernetes.io/part-of": "textmill", **kubeflow.labels}
    metadata: dict[str, Any] = {"name": name, "labels": dict(sorted(labels.items()))}
    if kubeflow.namespace is not None:
        metadata["namespace"] = kubeflow.namespace
    policy: dict[str, Any] = {
        "cleanPodPolicy": "Running",
        "backoffLimit": resources.retries,
    }
    if resources.timeout is not None:
        # The deadline covers all retries of a pod.
        tries = 1 + resources.retries
        policy["activeDeadlineSeconds"] = tries * (resources.timeout + GRACE_SECONDS)
    pod = _pod(loaded, node, resources, root)

    def replicas(count: int) -> dict[str, Any]:
        return {
            "replicas": count,
            "restartPolicy": "OnFailure",
            "template": {"spec": pod},
        }

    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": metadata,
        "spec": {
            "runPolicy": policy,
            "tfReplicaSpecs": {
                "Chief": replicas(1),
                "Worker": replicas(resources.machines - 1),
            },
        },
    }


def _pod(
    loaded: LoadedConfig, node: Component, resources: NodeConfig, root: str
) -> dict[str, Any]:
    kubeflow = loaded.config.run.kubeflow
    variables: list[dict[str, Any]] = list(environment(resources.env))
    for variable, name, key in kubernetes_secrets(resources.secrets):
        source = {"secretKeyRef": {"name": name, "key": key}}
        variables.append({"name": variable, "valueFrom": source})
    variables.append({"name": CONFIG_VARIABLE, "value": config_text(loaded)})
    container: dict[str, Any] = {
        "name": "tensorflow",
        "image": loaded.config.run.image,
        "command": ["python3", "-m", MODULE],
        "args": [*node_arguments(node, resources), "--root", root],
        "env": variables,
    }
    if limits := _limits(resources):
        container["resources"] = {"limits": limits}
    pod: dict[str, Any] = {"containers": [container]}
    if kubeflow.service_account is not None:
        pod["serviceAccountName"] = kubeflow.service_account
    if resources.node_selector:
        pod["nodeSelector"] = dict(sorted(resources.node_selector.items()))
    if kubeflow.volume is not None:
        container["volumeMounts"] = [{"name": "root", "mountPath": kubeflow.mount}]
        claim = {"claimName": kubeflow.volume}
        pod["volumes"] = [{"name": "root", "persistentVolumeClaim": claim}]
    return pod


def _limits(resources: NodeConfig) -> dict[str, str]:
    limits = {}
    if resources.cpu is not None:
        limits["cpu"] = f"{resources.cpu:g}"
    if resources.memory is not None:
        limits["memory"] = resources.memory
    if resources.accelerator is not None:
        limits[resources.accelerator] = str(resources.accelerators)
    return limits
