"""PipelineConfig: the dataclasses of a whole file."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, cast

from textmill.components.artifacts import ServingModel
from textmill.components.beam_runners import DEFAULT_RUNNER, refusal
from textmill.components.evaluator import EvaluateConfig
from textmill.components.exporter import ExportConfig
from textmill.components.infra_validator import InfraValidatorConfig
from textmill.components.ingester import config as ingester
from textmill.components.manifest import canonical_json
from textmill.components.profiler.config import ProfileConfig
from textmill.components.pusher import PushConfig
from textmill.components.tokenizer import TokenizeConfig
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.models import config as models
from textmill.models.calibrated import CalibrateConfig
from textmill.models.checks import Bounds, check_bounds
from textmill.models.errors import Violation
from textmill.models.generation.config import GenerateConfig
from textmill.models.linear import LinearConfig
from textmill.models.pretrained import PretrainedConfig
from textmill.models.tasks import TASKS, TaskName
from textmill.models.training.config import StrategyName, TrainingConfig
from textmill.pipeline.config.task_rules import check_task, check_task_fits
from textmill.pipeline.config.types import (
    dataclasses_in,
    part_of,
    type_adapter,
    variant_schema,
)
from textmill.pipeline.config.yaml import as_mapping
from textmill.pipeline.platforms.config import KubeflowConfig, NodeConfig, VertexConfig

_PUSHED = ServingModel.SAVED_MODEL
"""The format that is pushed."""


@dataclass(frozen=True, kw_only=True)
class DatasetConfig(ingester.DatasetConfig):
    """One data set of the file."""

    profile: ProfileConfig = field(default_factory=ProfileConfig)
    """Checks of its documents: schema, baseline, and the anomalies that end a run."""

    def to_ingest(self) -> ingester.DatasetConfig:
        """Returns the ingester's part: a changed profile does not ingest again."""
        return part_of(self, ingester.DatasetConfig)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(models.ModelConfig):
    """The encoder, and the n-grams of classifiers."""

    ngrams: bool | LinearConfig = True
    """Tasks with a label, labels or a number: join the encoder with a linear model over
    token n-grams of the whole text, where held-out documents prefer both; a mapping
    sets the choices of the linear model. A model of family linear has no encoder."""

    def to_train(self) -> models.ModelConfig:
        """Returns the encoder: other n-grams do not train it again."""
        return part_of(self, models.ModelConfig)

    @property
    def linear(self) -> LinearConfig:
        """The choices of the linear model."""
        return self.ngrams if isinstance(self.ngrams, LinearConfig) else LinearConfig()


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One model of the file: its task, data, training, evaluation and delivery."""

    task: TaskName
    """The kind of the model: masked_lm and causal_lm learn from text alone, classify
    from one label a text, multilabel from any number of them, regress from a number,
    respond from a response to a prompt."""
    dataset: str
    """The data set of the stage."""
    train: TrainingConfig | None = None
    """Training: the knobs of the loop, and those of the task. Model family linear has
    none; every other one needs it."""
    init: str | PretrainedConfig | None = None
    """The stage, or folder of pretrained weights, to start from: the backbone, and the
    head if both have it. Not set: from scratch."""
    embeddings: str | None = None
    """From scratch: the data set whose train split gives the first token embeddings.
    They are computed from the tokens' neighbors, without labels and in seconds (of a
    large data set, 10 million tokens), and are trained further. With ``folds`` these
    texts may be held out from a training, without their labels. Not set: random."""
    tokenize: TokenizeConfig = field(default_factory=TokenizeConfig)
    """Tokenization: documents to rows."""
    folds: Annotated[int, Bounds(at_least=2, at_most=20)] | None = None
    """classify: number of models, each trained without another part of train and eval,
    which it is validated on. They answer together, and every labelled document is
    measured by a model that has not seen it. Documents with one value of the data set's
    ``split.by``, and near duplicates, are in one fold. Not set: one model."""
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    """classify: confidence of the answers."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """Evaluation, and the thresholds that bless the model."""
    generate: GenerateConfig = field(default_factory=GenerateConfig)
    """causal_lm and respond: how the model writes texts, in its evaluation and
    served."""
    export: ExportConfig | None = None
    """Export. Not set: the stage ends with its evaluation."""
    validate: InfraValidatorConfig = field(default_factory=InfraValidatorConfig)
    """Validation of the export, which a fresh process runs format by format."""
    push: PushConfig | None = None
    """Where the model is pushed. Not set: nowhere."""

    def __post_init__(self) -> None:
        check_bounds(self)

    @classmethod
    def variant(cls, values: Mapping[str, Any]) -> type[StageConfig]:
        """Returns the class of a stage: ``train`` also takes the knobs of its task."""
        task = values.get("task")
        known = isinstance(task, str) and task in TASKS
        # The knobs of a misspelled task are not mistakes, too.
        rows = [row for name, row in TASKS.items() if name == task or not known]
        return _stage_class(*dict.fromkeys(row.config for row in rows))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets the values choose the variant."""
        return variant_schema(cls, handler) if cls is StageConfig else handler(source)

    @property
    def generation(self) -> GenerateConfig | None:
        """The knobs of writing; None if the task writes no texts."""
        return self.generate if TASKS[self.task].generates else None

    @property
    def task_config(self) -> Any:
        """The knobs of the task."""
        assert self.train is not None, "family linear has no knobs"
        return part_of(self.train, TASKS[self.task].config)

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Violation]:
        """Yields knobs that contradict the stage's task or each other."""
        if values.get("push") is not None and values.get("export") is None:
            hint = "; add export: {}"
            yield Violation("push", "export in a stage with push", None, hint)
        formats = as_mapping(values.get("export")).get("formats")
        names = list(map(str, formats if isinstance(formats, list) else ()))
        if values.get("push") is not None and names and _PUSHED not in names:
            expected = f"{_PUSHED} in a stage with push"
            yield Violation("export.formats", expected, ", ".join(names))
        yield from check_task(values)


@functools.cache
def _stage_class(*task_configs: type) -> type[StageConfig]:
    """Returns ``StageConfig`` with the knobs of a task's config class in ``train``."""
    train = dataclasses.make_dataclass(
        "TrainingConfig",
        [],
        bases=(*task_configs, TrainingConfig),
        namespace={"__post_init__": TrainingConfig.__post_init__},
        frozen=True,
        kw_only=True,
    )
    stage = [("train", train | None, field(default=None))]
    return dataclasses.make_dataclass(
        "StageConfig", stage, bases=(StageConfig,), frozen=True, kw_only=True
    )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Execution of the pipeline: devices, processes and platforms."""

    RENAMED: ClassVar[Mapping[str, str]] = {"lanes": "workers"}
    """Former names of keys."""

    strategy: StrategyName = "auto"
    """Distribution of a training step: mirrored over the devices of this machine, or
    multi_worker over all machines of TF_CONFIG."""
    beam: Mapping[str, Any] = field(default_factory=dict)
    """Apache Beam's pipeline options, for example ``runner`` (default FnApiRunner)."""
    workers: Annotated[int, Bounds(at_least=1, at_most=1_000)] = 1
    """Nodes that run at once, each in its own worker process."""
    retries: Annotated[int, Bounds(at_least=0, at_most=1_000)] = 0
    """Number of retries of a node whose worker died."""
    image: str = "textmill:latest"
    """The container image of nodes on a platform; best pinned by digest."""
    parameters: tuple[str, ...] = ()
    """Config paths (``stages.library.train.epochs``) that become parameters of the
    compiled pipeline, to be set at every submission."""
    nodes: Mapping[str, NodeConfig] = field(default_factory=dict)
    """Resources, retries, environment and secrets on platforms: of ``all`` nodes, of a
    step (``train``), of one node (``train/library``) or of one of its folds
    (``train/library/1``); the narrowest one wins."""
    kubeflow: KubeflowConfig = field(default_factory=KubeflowConfig)
    """The Kubeflow Pipelines host."""
    vertex: VertexConfig = field(default_factory=VertexConfig)
    """The Vertex AI project."""

    def __post_init__(self) -> None:
        check_bounds(self)

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Violation]:
        """Yields a refused Beam runner, and parameters that compiling fixes."""
        runner = as_mapping(values.get("beam")).get("runner")
        if isinstance(runner, str) and (reason := refusal(runner)):
            expected = f"{DEFAULT_RUNNER} or a runner that you installed"
            yield Violation("beam.runner", expected, runner, f": {reason}")
        given = values.get("parameters")
        for index, path in enumerate(given if isinstance(given, list) else ()):
            if isinstance(path, str) and (path.startswith("run.") or path == "name"):
                yield Violation(
                    f"parameters.{index}",
                    "the path of a value that changes a result",
                    path,
                    ", which is fixed when the pipeline is compiled",
                )


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """A whole file."""

    name: str
    """The name of the pipeline in runs and reports."""
    datasets: Mapping[str, DatasetConfig]
    """Data sets by name."""
    vocabulary: VocabularyConfig
    """The vocabulary of all stages."""
    model: ModelConfig
    """The model of all stages."""
    stages: Mapping[str, StageConfig]
    """Stages by name; a stage may start from another one."""
    seed: Annotated[int, Bounds(at_least=0, at_most=2**31 - 1)] = 17
    """The seed of all randomness."""
    run: RunConfig = field(default_factory=RunConfig)
    """Execution; only ``strategy`` can change a result, in the last bits."""

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Violation]:
        """Yields stages that do not fit the model, the vocabulary or their data set."""
        for name, stage in as_mapping(values.get("stages")).items():
            for violation in check_task_fits(as_mapping(stage), values):
                yield violation._replace(path=f"stages.{name}.{violation.path}")


def canonical_config(config: Any) -> dict[str, Any]:
    """Returns a config as plain JSON values with sorted keys, secrets unresolved."""
    return cast(dict[str, Any], json.loads(canonical_json(dataclasses.asdict(config))))


def render_config(config: PipelineConfig) -> str:
    """Returns a config as YAML with every default filled in; it loads as the same."""
    return dump_config(dataclasses.asdict(config))


def dump_config(values: Mapping[str, Any]) -> str:
    """Returns the values of a config as YAML."""
    from ruamel.yaml import YAML

    stream = io.StringIO()
    # Through JSON, because YAML has neither tuples nor our mappings.
    YAML().dump(json.loads(json.dumps(values)), stream)
    return stream.getvalue()


def config_schema() -> dict[str, Any]:
    """Returns the JSON schema of a file, with the sentence under every field."""
    schema: dict[str, Any] = type_adapter(PipelineConfig, with_docs=True).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    _add_inherited_docs(schema["$defs"])
    _add_task_knobs(schema["$defs"])
    for definition in [schema, *schema["$defs"].values()]:
        for described in [definition, *definition["properties"].values()]:
            described["description"] = " ".join(described["description"].split())
        for described in definition["properties"].values():
            described.pop("title", None)  # the key again, with a capital letter
    return schema


def _add_inherited_docs(definitions: dict[str, Any]) -> None:
    """Adds the sentences of inherited fields, which pydantic does not read."""
    for cls in set(dataclasses_in(PipelineConfig)):
        for base in cls.__mro__[1:]:
            if dataclasses.is_dataclass(base) and cls.__name__ in definitions:
                adapter = type_adapter(cast(type, base), with_docs=True)
                schema = adapter.json_schema()
                fields = definitions[cls.__name__]["properties"]
                for name, field_schema in schema["properties"].items():
                    description = field_schema["description"]
                    fields[name].setdefault("description", description)


def _add_task_knobs(definitions: dict[str, Any]) -> None:
    """Adds the knobs of every task to ``train``, with the task in their sentence."""
    knobs = definitions["TrainingConfig"]["properties"]
    for _, row in TASKS.items():
        owners = [task for task, other in TASKS.items() if other.config is row.config]
        schema = type_adapter(row.config, with_docs=True).json_schema()
        definitions |= schema.get("$defs", {})
        for name, knob in schema["properties"].items():
            knob["description"] = f"{', '.join(owners)} only: {knob['description']}"
            knobs.setdefault(name, knob)
