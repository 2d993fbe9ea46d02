"""The nodes of a stage after its predictions: evaluation, export, validation, push."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textmill.components.base import Channel, Component
from textmill.components.evaluator import Evaluator, EvaluatorConfig
from textmill.components.exporter import Exporter, ExporterConfig
from textmill.components.infra_validator import InfraValidator
from textmill.components.pusher import Pusher, PusherConfig
from textmill.pipeline.config.schema import PipelineConfig


def evaluator(
    config: PipelineConfig,
    name: str,
    root: Path,
    **inputs: Any,
) -> Evaluator:
    """Returns the node that measures the model and checks its thresholds."""
    thresholds = config.stages[name].evaluate.thresholds
    compares = any("pushed" in rule for rule in thresholds.values())
    return Evaluator(
        EvaluatorConfig(
            thresholds=thresholds,
            seed=config.seed,
            pushed=_pushed_dir(root, name) if compares else None,
        ),
        id=f"evaluate.{name}",
        config_paths={
            "thresholds": f"stages.{name}.evaluate.thresholds",
            "seed": "seed",
        },
        **inputs,
    )


def delivery_nodes(
    config: PipelineConfig,
    name: str,
    documents: Channel,
    model: Channel,
    evaluate: Evaluator,
    root: Path,
) -> dict[str, Component]:
    """Returns the nodes ``export``, ``validate`` and ``push``, if they are wanted."""
    stage = config.stages[name]
    if stage.export is None:
        return {}
    export = Exporter(
        ExporterConfig(
            **vars(stage.export),
            generate=stage.generation,
            seed=config.seed if stage.generation else None,
        ),
        id=f"export.{name}",
        config_paths={
            "": f"stages.{name}.export",
            "generate": f"stages.{name}.generate",
            "seed": "seed",
        },
        documents=documents,
        model=model,
    )
    validate = InfraValidator(
        stage.validate,
        id=f"validate.{name}",
        config_paths={"": f"stages.{name}.validate"},
        serving=export.outputs["serving"],
    )
    nodes: dict[str, Component] = {"export": export, "validate": validate}
    if stage.push is None:
        return nodes
    pushed_dirs = (_pushed_dir(root, name), stage.push.to)
    nodes["push"] = Pusher(
        PusherConfig(
            destinations=tuple(path for path in pushed_dirs if path),
            keep=stage.push.keep,
            key=stage.push.key,
        ),
        id=f"push.{name}",
        config_paths={
            "destinations": f"stages.{name}.push.to",
            "keep": f"stages.{name}.push.keep",
            "key": f"stages.{name}.push.key",
        },
        serving=export.outputs["serving"],
        evaluation=evaluate.outputs["evaluation"],
        validation=validate.outputs["validation"],
    )
    return nodes


def _pushed_dir(root: Path, stage: str) -> str:
    """Returns the folder of a stage's pushed versions."""
    return str(root.resolve() / "pushed" / stage)
