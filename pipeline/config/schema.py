"""PipelineConfig: the dataclasses of a whole file."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from textmill.components.base import canonical_json
from textmill.components.evaluator import EvaluateConfig
from textmill.components.exporter import ExportConfig
from textmill.components.ingester import config as ingester
from textmill.components.profiler.config import ProfileConfig
from textmill.components.pusher import PushConfig
from textmill.components.tokenizer import TokenizeConfig
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.models.families import ModelConfig, TaskName
from textmill.models.pretrained import PretrainedConfig
from textmill.models.training.config import StrategyName, TrainingConfig
from textmill.pipeline.config.types import type_adapter
from textmill.pipeline.platforms.config import KubeflowConfig, NodeConfig, VertexConfig


@dataclass(frozen=True, kw_only=True)
class DatasetConfig(ingester.DatasetConfig):
    """One data set of the file."""

    profile: ProfileConfig = field(default_factory=ProfileConfig)
    """What its documents are held against, and which anomalies end the run."""

    def to_ingest(self) -> ingester.DatasetConfig:
        """Returns what the ingester is told: another profile ingests nothing again."""
        names = [f.name for f in dataclasses.fields(ingester.DatasetConfig)]
        return ingester.DatasetConfig(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One model of the file: what it learns, from what, and what becomes of it."""

    task: TaskName
    """masked_lm and causal_lm learn from text alone; classify from labels."""
    dataset: str
    """The data set it learns from."""
    train: TrainingConfig
    """How it is trained."""
    init: str | PretrainedConfig | None = None
    """The stage that it starts from, or a folder of pretrained weights: the backbone,
    and heads that both have. None starts from scratch."""
    tokenize: TokenizeConfig = field(default_factory=TokenizeConfig)
    """How documents become rows."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """How it is measured, and what blesses it."""
    export: ExportConfig | None = None
    """What is exported; None stops after the evaluation."""
    push: PushConfig | None = None
    """Where it is pushed; None pushes nothing."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where and how wide a pipeline runs."""

    strategy: StrategyName = "auto"
    """How a training step is spread over devices: mirrored over those of this machine,
    multi_worker over all machines that TF_CONFIG names."""
    beam: Mapping[str, Any] = field(default_factory=dict)
    """Apache Beam's own pipeline options, ``runner`` among them (FnApiRunner)."""
    lanes: int = 1
    """Nodes that run at once, each in a worker process of its own."""
    retries: int = 0
    """How often a node is tried again after its worker died."""
    image: str = "textmill:latest"
    """The container image of every node that an engine runs; best pinned by digest."""
    parameters: tuple[str, ...] = ()
    """Config paths (``stages.library.train.epochs``) that become parameters of the
    compiled pipeline: they can be set anew at every submission."""
    nodes: Mapping[str, NodeConfig] = field(default_factory=dict)
    """Resources, retries, environment and secrets on engines: of ``all`` nodes, of a
    step (``train``) or of one node (``train/library``); the narrower one wins."""
    kubeflow: KubeflowConfig = field(default_factory=KubeflowConfig)
    """Where Kubeflow Pipelines runs."""
    vertex: VertexConfig = field(default_factory=VertexConfig)
    """Where Vertex AI runs."""

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError(f"lanes of 1 or more, got {self.lanes}")
        if self.retries < 0:
            raise ValueError(f"retries of 0 or more, got {self.retries}")


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """A whole file."""

    name: str
    """Names the pipeline in runs and reports."""
    datasets: Mapping[str, DatasetConfig]
    """Data sets by name."""
    vocabulary: VocabularyConfig
    """The one vocabulary of the file."""
    model: ModelConfig
    """The one model shape of the file."""
    stages: Mapping[str, StageConfig]
    """Stages by name; a stage may start from an earlier one."""
    seed: int = 17
    """Seed of everything random."""
    run: RunConfig = field(default_factory=RunConfig)
    """Where and how wide it runs; changes no result but the strategy's last bits."""


def canonical_config(config: Any) -> dict[str, Any]:
    """Returns a config as plain JSON values with sorted keys, secrets unresolved."""
    return cast(dict[str, Any], json.loads(canonical_json(dataclasses.asdict(config))))


def render_config(config: PipelineConfig) -> str:
    """Returns a config as YAML with every default filled in; it loads as the same."""
    from ruamel.yaml import YAML

    stream = io.StringIO()
    # Through JSON, because tuples and mappings of ours are not YAML's.
    YAML().dump(json.loads(json.dumps(dataclasses.asdict(config))), stream)
    return stream.getvalue()


def config_schema() -> dict[str, Any]:
    """Returns the JSON schema of a file, with the sentence under every field."""
    schema: dict[str, Any] = type_adapter(PipelineConfig, with_docs=True).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    # pydantic reads the sentences of a class itself, not of those it extends.
    inherited = type_adapter(ingester.DatasetConfig, with_docs=True).json_schema()
    fields = schema["$defs"]["DatasetConfig"]["properties"]
    for name, described in inherited["properties"].items():
        fields[name].setdefault("description", described["description"])
    for definition in [schema, *schema["$defs"].values()]:
        for described in [definition, *definition["properties"].values()]:
            described["description"] = " ".join(described["description"].split())
    return schema
