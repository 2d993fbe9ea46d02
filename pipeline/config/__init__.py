"""PipelineConfig: one YAML file and ``--set`` become frozen dataclasses, strictly.

Every error is reported at once, as ``file:line:column path: expected, got``.

A secret is written as ``${env:NAME}`` and stays so in the config and in everything that
is stored or shown; ``resolve_secrets`` gives its value at the moment of use.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from textmill.components.base import canonical
from textmill.components.evaluator import EvaluateConfig
from textmill.components.exporter import ExportConfig
from textmill.components.ingester import config as ingester
from textmill.components.profiler.config import ProfileConfig
from textmill.components.pusher import PushConfig
from textmill.components.tokenizer import TokenizeConfig
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.models.errors import ConfigError
from textmill.models.families import ModelConfig, TaskName
from textmill.models.pretrained import PretrainedConfig
from textmill.models.training.config import StrategyName, TrainingConfig
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.references import REFERENCE, check_references
from textmill.pipeline.config.types import check_types, type_adapter
from textmill.pipeline.config.yaml import (
    Position,
    Tree,
    join,
    override,
    read_yaml,
)
from textmill.pipeline.platforms.config import KubeflowConfig, NodeConfig, VertexConfig

T = TypeVar("T")
_PATHS = re.compile(
    r"datasets\.\w+\.(source|sources\.\w+)\.("
    r"(jsonl|csv|tsv|txt|parquet|tfrecord)(\.(train|eval|test))?(\.\d+)?"
    r"|folder|data_dir)"
    r"|datasets\.\w+\.augment\.synonyms|datasets\.\w+\.clean\.quality\.c4\.bad_words"
    r"|datasets\.\w+\.profile\.(schema|baseline)"
    r"|vocabulary\.file|stages\.\w+\.(push\.to|init\.(huggingface|keras_hub))"
)


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


@dataclass(frozen=True)
class LoadedConfig:
    """A checked file: what it means, and where each of its values was written."""

    config: PipelineConfig
    """The values, with absolute paths and unresolved ``${env:NAME}`` references."""
    positions: Mapping[str, Position]
    """By dotted path (``stages.library.train.epochs``, ``slices.0``)."""
    path: Path
    """The YAML file."""
    raw: dict[str, Any]
    """The values as written, overrides applied: relative paths and no defaults."""


def load_config(
    path: Path, overrides: Sequence[str] = (), *, with_environment: bool = True
) -> LoadedConfig:
    """Reads and checks a config.

    Args:
        path: the YAML file.
        overrides: assignments ``a.b=v`` that replace or add values, in order.
        with_environment: whether what ``${env:NAME}`` refers to must be set here.

    Raises:
        ConfigError: it holds mistakes; the message has one line for each.
    """
    text = _read_text(path)
    return parse_config(text, path, overrides, with_environment=with_environment)


def parse_config(
    text: str,
    path: Path,
    overrides: Sequence[str] = (),
    *,
    with_environment: bool = True,
    working_dir: Path | None = None,
) -> LoadedConfig:
    """Reads and checks the text of a config that stands, or might, in a file.

    Args:
        text: the YAML.
        path: the file, which relative paths are relative to.
        overrides: assignments ``a.b=v``.
        with_environment: whether what ``${env:NAME}`` refers to must be set here.
        working_dir: what relative paths of overrides are relative to; None is where
            the process works.

    Raises:
        ConfigError: it holds mistakes; the message has one line for each.
    """
    tree = read_yaml(text, str(path))
    for assignment in overrides:
        override(tree, assignment)
    findings = Violations(tree)
    check_references(tree.value, findings, with_environment=with_environment)
    values = with_absolute_paths(tree, path.absolute().parent, working_dir)
    config = check_types(values, PipelineConfig, findings)
    findings.raise_any(str(path))
    assert config is not None
    return LoadedConfig(config, tree.positions, path, tree.value)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ConfigError(f"{path}: expected a YAML file, found none") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected UTF-8, got other bytes at offset {error.start}"
        ) from None


def with_absolute_paths(
    tree: Tree, folder: Path, working_dir: Path | None = None
) -> Any:
    """Returns a tree's values with absolute paths: the one place that resolves them.

    A path in the file is relative to the file's folder; one given by ``--set`` to the
    working directory, as on any command line. URIs stay as they are.
    """

    here = working_dir or Path.cwd()

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {key: walk(child, join(path, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [walk(child, join(path, i)) for i, child in enumerate(value)]
        if not isinstance(value, str) or not _PATHS.fullmatch(path):
            return value
        known = REFERENCE.sub(lambda found: os.environ.get(found[1], ""), value)
        if "://" in known or os.path.isabs(known):
            return value
        return os.path.normpath((folder if tree.positions[path].line else here) / value)

    return walk(tree.value, "")


def resolve_secrets(value: T) -> T:
    """Returns a config, or any value in it, with its ``${env:NAME}`` resolved.

    Raises:
        ConfigError: a variable is not set.
    """
    resolved: Any = value
    if isinstance(value, str):
        resolved = REFERENCE.sub(_environment, value)
    elif isinstance(value, Mapping):
        resolved = {key: resolve_secrets(child) for key, child in value.items()}
    elif isinstance(value, list | tuple):
        resolved = type(value)(resolve_secrets(child) for child in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        changes = {name: resolve_secrets(getattr(value, name)) for name in names}
        resolved = dataclasses.replace(value, **changes)
    return cast(T, resolved)


def _environment(found: re.Match[str]) -> str:
    if (value := os.environ.get(found[1])) is None:
        raise ConfigError(
            f"{found[0]}: expected the environment variable {found[1]}, "
            "which is not set"
        )
    return value


def canonical_config(config: Any) -> dict[str, Any]:
    """Returns a config as plain JSON values with sorted keys, secrets unresolved."""
    return cast(dict[str, Any], json.loads(canonical(dataclasses.asdict(config))))


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
