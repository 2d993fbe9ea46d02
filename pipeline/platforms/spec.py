"""The KFP specification of a pipeline, for Kubeflow and Vertex alike.

Every node becomes a task with the same container entry point,
``textmill.pipeline.runners.run_component``; tasks differ in their artifacts alone. The
file holds the config once, as the default of the parameter ``config``; a container
builds its component and its cache key from it. KFP's own cache is off: it knows neither
our source code nor external files, and the entry point looks into the root anyway.

All tasks are in one group, so that the step that publishes the run's page comes last,
even after a failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textmill.components.artifacts import (
    Documents,
    Evaluation,
    Predictions,
    Profile,
    PushedModel,
    Report,
    ServingModel,
    TokenRows,
    TrainedModel,
    TrainingLogs,
    Validation,
    Vocabulary,
)
from textmill.components.base import Artifact, Channel, Component
from textmill.components.calibrator import Calibrator
from textmill.models.errors import ConfigError, did_you_mean
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.schema import canonical_config
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.config import NodeConfig, node_config
from textmill.pipeline.platforms.yaml import dump
from textmill.pipeline.remote.executor_io import CONFUSION, ENTRY, wires

SDK_VERSION, SCHEMA_VERSION = "kfp-2.16.1", "2.1.0"
_KINDS = {
    **dict.fromkeys((Documents, Vocabulary, TokenRows, Predictions), "Dataset"),
    **dict.fromkeys((TrainedModel, ServingModel, PushedModel), "Model"),
    **dict.fromkeys((Evaluation, Profile, TrainingLogs, Validation), "Metrics"),
    Report: "HTML",
}
MODULE = "textmill.pipeline.runners.run_component"
"""The module that every container runs."""
CONFIG_VARIABLE = "TEXTMILL_CONFIG"
"""The variable with the config of a container without executor input."""
EXIT_TASK = "publish-report"
GRACE_SECONDS = 120
"""A container stops itself after its timeout; the platform stops it this much later."""
_GROUP = "nodes"
_COMMON = ("config", "project", "root", "run")
_RUN_ID = {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
_PLATFORM_KEYS = ("image", "parameters", "nodes", "kubeflow", "vertex")

MakeExecutor = Callable[[Component, NodeConfig, list[str]], dict[str, Any]]


@dataclass(frozen=True)
class Parameter:
    """A value of the config that a submission can set."""

    path: str
    default: Any

    @property
    def name(self) -> str:
        """Its name in the pipeline: dots become two underscores."""
        return self.path.replace(".", "__")

    @property
    def kind(self) -> str:
        """Its KFP type."""
        kinds = {bool: "BOOLEAN", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE"}
        collections = {list: "LIST", dict: "STRUCT"}
        return (kinds | collections).get(type(self.default), "STRING")


def parameters(loaded: LoadedConfig) -> list[Parameter]:
    """Returns the parameters of ``run.parameters``.

    Raises:
        ConfigError: a path does not exist, or its value is unset.
    """
    values = canonical_config(loaded.config)
    declared = []
    for path in loaded.config.run.parameters:
        node: Any = values
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                known = list(node) if isinstance(node, dict) else []
                raise ConfigError(
                    f"run.parameters: {path!r} does not exist{did_you_mean(key, known)}"
                )
            node = node[key]
        if node is None:
            raise ConfigError(
                f"run.parameters: {path!r} is not set, so its type is unknown; "
                "write its value in the config"
            )
        declared.append(Parameter(path, node))
    return declared


def task_name(id: str) -> str:
    """Returns a node's name in KFP: lower-case letters, digits and hyphens."""
    return id.replace(".", "-").replace("_", "-")


def schema_title(kind: type[Artifact]) -> str:
    """Returns KFP's type of an artifact."""
    return next(
        (f"system.{_KINDS[known]}" for known in kind.__mro__ if known in _KINDS),
        "system.Artifact",
    )


def pipeline_spec(
    loaded: LoadedConfig, pipeline: Pipeline, *, root: str, executor: MakeExecutor
) -> dict[str, Any]:
    """Returns the specification, with a default root.

    ``executor`` returns the specification of a node's container, from the node's
    resources and the arguments of the entry point.
    """
    _check_task_names(pipeline)
    settable = parameters(loaded)
    config = loaded.config
    components: dict[str, Any] = {}
    executors: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    for node in pipeline.nodes:
        name, resources = task_name(node.id), node_config(config.run.nodes, node.id)
        components[f"comp-{name}"] = _component(pipeline, node, settable)
        arguments = [*node_arguments(node, resources), *ENTRY]
        executors[f"exec-{name}"] = executor(node, resources, arguments)
        tasks[name] = _task(node, resources, settable)
    components[f"comp-{EXIT_TASK}"] = {
        "executorLabel": f"exec-{EXIT_TASK}",
        "inputDefinitions": {"parameters": _declared(settable, _COMMON)},
    }
    executors[f"exec-{EXIT_TASK}"] = executor(
        pipeline.nodes[-1],
        node_config(config.run.nodes, "report"),
        ["--publish", *ENTRY],
    )
    components[f"comp-{_GROUP}"] = {
        "dag": {"tasks": tasks},
        "inputDefinitions": {"parameters": _declared(settable, _COMMON[:-1])},
    }
    return {
        "pipelineInfo": {"name": task_name(config.name)},
        "sdkVersion": SDK_VERSION,
        "schemaVersion": SCHEMA_VERSION,
        "root": _root(loaded, settable, root),
        "components": components,
        "deploymentSpec": {"executors": executors},
    }


def _check_task_names(pipeline: Pipeline) -> None:
    """Refuses two nodes with one name on a platform, such as those of ``a.1``, ``a_1``.

    Raises:
        ConfigError: there are two.
    """
    ids: dict[str, str] = {}
    for node in pipeline.nodes:
        other = ids.setdefault(task_name(node.id), node.id)
        if other != node.id:
            raise ConfigError(
                f"stages: {other} and {node.id} are both task {task_name(node.id)!r} "
                "on the platform; rename the stage"
            )


def config_text(loaded: LoadedConfig) -> str:
    """Returns the part of a config that containers need, as written, as YAML."""
    values = json.loads(json.dumps(loaded.raw))
    run = values.get("run") or {}
    values["run"] = {k: v for k, v in run.items() if k not in _PLATFORM_KEYS}
    if not values["run"]:
        del values["run"]
    return dump(values)


def _root(loaded: LoadedConfig, settable: list[Parameter], root: str) -> dict[str, Any]:
    defaults = {"config": config_text(loaded), "project": ".", "root": root}
    defaults |= {p.name: p.default for p in settable}
    declared = _declared(settable, _COMMON[:-1])
    for name, entry in declared.items():
        entry |= {"defaultValue": defaults[name], "isOptional": True}
    return {
        "inputDefinitions": {"parameters": declared},
        "dag": {
            "tasks": {
                _GROUP: {
                    "taskInfo": {"name": _GROUP},
                    "componentRef": {"name": f"comp-{_GROUP}"},
                    "inputs": {"parameters": _passed(settable, with_run=False)},
                },
                EXIT_TASK: {
                    "taskInfo": {"name": EXIT_TASK},
                    "componentRef": {"name": f"comp-{EXIT_TASK}"},
                    "cachingOptions": {},
                    "dependentTasks": [_GROUP],
                    "inputs": {"parameters": _passed(settable, with_run=True)},
                    "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                },
            }
        },
    }


def _declared(settable: list[Parameter], common: tuple[str, ...]) -> dict[str, Any]:
    declared = {name: {"parameterType": "STRING"} for name in common}
    return declared | {p.name: {"parameterType": p.kind} for p in settable}


def _passed(settable: list[Parameter], *, with_run: bool) -> dict[str, Any]:
    names = [*_COMMON[:-1], *(p.name for p in settable)]
    passed: dict[str, Any] = {name: {"componentInputParameter": name} for name in names}
    return passed | ({"run": _RUN_ID} if with_run else {})


def node_arguments(node: Component, resources: NodeConfig) -> list[str]:
    """Returns the arguments of the entry point: the node and its timeout."""
    timeout = [] if resources.timeout is None else ["--timeout", str(resources.timeout)]
    return ["--node", node.id, *timeout]


def _component(
    pipeline: Pipeline, node: Component, settable: list[Parameter]
) -> dict[str, Any]:
    outputs = {name: schema_title(c.type) for name, c in node.outputs.items()}
    if _classifies(pipeline, node):
        outputs[CONFUSION] = "system.ClassificationMetrics"
    inputs = {name: schema_title(channel.type) for name, channel in wires(node)}
    taken: dict[str, Any] = {"parameters": _declared(settable, _COMMON)}
    if inputs:
        taken["artifacts"] = {name: _typed(kind) for name, kind in inputs.items()}
    return {
        "executorLabel": f"exec-{task_name(node.id)}",
        "inputDefinitions": taken,
        "outputDefinitions": {
            "artifacts": {name: _typed(kind) for name, kind in outputs.items()}
        },
    }


def _typed(title: str) -> dict[str, Any]:
    return {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}}


def _classifies(pipeline: Pipeline, node: Component) -> bool:
    """Returns True for the evaluation of a classifier."""
    model = node.inputs.get("model")
    if Evaluation not in {c.type for c in node.outputs.values()}:
        return False
    assert isinstance(model, Channel)
    return isinstance(pipeline.node(model.producer), Calibrator)


def _task(
    node: Component, resources: NodeConfig, settable: list[Parameter]
) -> dict[str, Any]:
    inputs: dict[str, Any] = {"parameters": _passed(settable, with_run=True)}
    artifacts = {
        name: {
            "taskOutputArtifact": {
                "producerTask": task_name(channel.producer),
                "outputArtifactKey": channel.output,
            }
        }
        for name, channel in wires(node)
    }
    if artifacts:
        inputs["artifacts"] = artifacts
    name = task_name(node.id)
    task: dict[str, Any] = {
        "taskInfo": {"name": name},
        "componentRef": {"name": f"comp-{name}"},
        "cachingOptions": {},
        "inputs": inputs,
    }
    if upstream := sorted(task_name(id) for id in node.upstream()):
        task["dependentTasks"] = upstream
    if resources.retries:
        task["retryPolicy"] = {
            "maxRetryCount": resources.retries,
            "backoffDuration": "30s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
        }
    return task
