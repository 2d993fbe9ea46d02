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
from textmill.models.errors import ConfigError, did_you_mean
from textmill.models.families import LABELLED_TASKS
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.schema import canonical_config
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.config import NodeConfig, node_config
from textmill.pipeline.platforms.yaml import dump
from textmill.pipeline.remote.executor_io import CONFUSION, ENTRY, wires

SDK_VERSION, SCHEMA_VERSION = "kfp-2.16.1", "2.1.0"
_KINDS = {
    **dict.fromkeys((Documents, Vocabulary, TokenRows), "Dataset"),
    **dict.fromkeys((TrainedModel, ServingModel, PushedModel), "Model"),
    **dict.fromkeys((Evaluation, Profile, TrainingLogs, Validation), "Metrics"),
    Report: "HTML",
}
MODULE = "textmill.pipeline.runners.run_component"
"""What every container runs."""
CONFIG_VARIABLE = "TEXTMILL_CONFIG"
"""What holds the config of a container that gets no executor input."""
EXIT_TASK = "publish-report"
GRACE_SECONDS = 120
"""After its timeout, a container stops itself; so much later the engine does."""
_GROUP = "nodes"
_COMMON = ("config", "project", "root", "run")
_RUN_ID = {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
_OF_ENGINES = ("image", "parameters", "nodes", "kubeflow", "vertex")

MakeExecutor = Callable[[Component, NodeConfig, list[str]], dict[str, Any]]


@dataclass(frozen=True)
class Parameter:
    """A value of the config that a submission may set."""

    path: str
    default: Any

    @property
    def name(self) -> str:
        """What it is called in the pipeline: dots become two underscores."""
        return self.path.replace(".", "__")

    @property
    def kind(self) -> str:
        """KFP's type of it."""
        kinds = {bool: "BOOLEAN", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE"}
        collections = {list: "LIST", dict: "STRUCT"}
        return (kinds | collections).get(type(self.default), "STRING")


def parameters(loaded: LoadedConfig) -> list[Parameter]:
    """Returns what ``run.parameters`` names.

    Raises:
        ConfigError: a path leads nowhere, or to nothing that has a type.
    """
    values = canonical_config(loaded.config)
    found = []
    for path in loaded.config.run.parameters:
        node: Any = values
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                known = list(node) if isinstance(node, dict) else []
                raise ConfigError(
                    f"run.parameters: {path!r} leads nowhere{did_you_mean(key, known)}"
                )
            node = node[key]
        if node is None:
            raise ConfigError(
                f"run.parameters: {path!r} is not set, so that it has no type; "
                "write its value in the config"
            )
        found.append(Parameter(path, node))
    return found


def task_name(id: str) -> str:
    """Returns a node's name in KFP: small letters, digits and hyphens."""
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
    """Returns the specification.

    Args:
        loaded: the config.
        pipeline: its nodes.
        root: where artifacts lie unless a submission says otherwise.
        executor: says how a node's container is run, from what the node gets and the
            arguments of the entry.
    """
    asked = parameters(loaded)
    config = loaded.config
    components: dict[str, Any] = {}
    executors: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    for node in pipeline.nodes:
        name, gets = task_name(node.id), node_config(config.run.nodes, node.id)
        components[f"comp-{name}"] = _component(pipeline, node, asked)
        executors[f"exec-{name}"] = executor(
            node, gets, [*node_arguments(node, gets), *ENTRY]
        )
        tasks[name] = _task(node, gets, asked)
    exit_node = pipeline.nodes[-1]
    gets = node_config(config.run.nodes, "report")
    components[f"comp-{EXIT_TASK}"] = {
        "executorLabel": f"exec-{EXIT_TASK}",
        "inputDefinitions": {"parameters": _declared(asked, _COMMON)},
    }
    executors[f"exec-{EXIT_TASK}"] = executor(exit_node, gets, ["--publish", *ENTRY])
    components[f"comp-{_GROUP}"] = {
        "dag": {"tasks": tasks},
        "inputDefinitions": {"parameters": _declared(asked, _COMMON[:-1])},
    }
    return {
        "pipelineInfo": {"name": task_name(config.name)},
        "sdkVersion": SDK_VERSION,
        "schemaVersion": SCHEMA_VERSION,
        "root": _root(loaded, asked, root),
        "components": components,
        "deploymentSpec": {"executors": executors},
    }


def config_text(loaded: LoadedConfig) -> str:
    """Returns what a container needs of a config, as it was written, as YAML."""
    values = json.loads(json.dumps(loaded.raw))
    run = values.get("run") or {}
    values["run"] = {k: v for k, v in run.items() if k not in _OF_ENGINES}
    if not values["run"]:
        del values["run"]
    return dump(values)


def _root(loaded: LoadedConfig, asked: list[Parameter], root: str) -> dict[str, Any]:
    defaults = {"config": config_text(loaded), "project": ".", "root": root}
    defaults |= {p.name: p.default for p in asked}
    declared = _declared(asked, _COMMON[:-1])
    for name, entry in declared.items():
        entry |= {"defaultValue": defaults[name], "isOptional": True}
    return {
        "inputDefinitions": {"parameters": declared},
        "dag": {
            "tasks": {
                _GROUP: {
                    "taskInfo": {"name": _GROUP},
                    "componentRef": {"name": f"comp-{_GROUP}"},
                    "inputs": {"parameters": _passed(asked, with_run=False)},
                },
                EXIT_TASK: {
                    "taskInfo": {"name": EXIT_TASK},
                    "componentRef": {"name": f"comp-{EXIT_TASK}"},
                    "cachingOptions": {},
                    "dependentTasks": [_GROUP],
                    "inputs": {"parameters": _passed(asked, with_run=True)},
                    "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                },
            }
        },
    }


def _declared(asked: list[Parameter], common: tuple[str, ...]) -> dict[str, Any]:
    declared = {name: {"parameterType": "STRING"} for name in common}
    return declared | {p.name: {"parameterType": p.kind} for p in asked}


def _passed(asked: list[Parameter], *, with_run: bool) -> dict[str, Any]:
    names = [*_COMMON[:-1], *(p.name for p in asked)]
    passed: dict[str, Any] = {name: {"componentInputParameter": name} for name in names}
    return passed | ({"run": _RUN_ID} if with_run else {})


def node_arguments(node: Component, gets: NodeConfig) -> list[str]:
    """Returns what tells the container entry its node, and how long that may take."""
    timeout = [] if gets.timeout is None else ["--timeout", str(gets.timeout)]
    return ["--node", node.id, *timeout]


def _component(
    pipeline: Pipeline, node: Component, asked: list[Parameter]
) -> dict[str, Any]:
    outputs = {name: schema_title(c.type) for name, c in node.outputs.items()}
    if _classifies(pipeline, node):
        outputs[CONFUSION] = "system.ClassificationMetrics"
    inputs = {name: schema_title(channel.type) for name, channel in wires(node)}
    taken: dict[str, Any] = {"parameters": _declared(asked, _COMMON)}
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
    """Whether a node measures a classifier."""
    model = node.inputs.get("model")
    if Evaluation not in {c.type for c in node.outputs.values()}:
        return False
    assert isinstance(model, Channel)
    return pipeline.node(model.producer).config.task in LABELLED_TASKS


def _task(node: Component, gets: NodeConfig, asked: list[Parameter]) -> dict[str, Any]:
    inputs: dict[str, Any] = {"parameters": _passed(asked, with_run=True)}
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
    if gets.retries:
        task["retryPolicy"] = {
            "maxRetryCount": gets.retries,
            "backoffDuration": "30s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
        }
    return task
