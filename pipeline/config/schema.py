"""PipelineConfig: the dataclasses of a whole file."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast, get_args

from textmill.components.base import canonical_json
from textmill.components.beam_runners import DEFAULT_RUNNER, refusal
from textmill.components.evaluator import EvaluateConfig
from textmill.components.evaluator.thresholds import RULE
from textmill.components.exporter import ExportConfig
from textmill.components.ingester import config as ingester
from textmill.components.profiler.config import ProfileConfig
from textmill.components.pusher import PushConfig
from textmill.components.tokenizer import TokenizeConfig
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.models.errors import Violation, did_you_mean, one_of
from textmill.models.families import (
    FAMILIES,
    LABELLED_TASKS,
    ModelConfig,
    TaskName,
)
from textmill.models.metrics import METRICS, metric_names
from textmill.models.pretrained import PretrainedConfig
from textmill.models.training.config import StrategyName, TrainingConfig
from textmill.pipeline.config.types import dataclasses_in, type_adapter
from textmill.pipeline.config.yaml import as_mapping
from textmill.pipeline.platforms.config import KubeflowConfig, NodeConfig, VertexConfig


@dataclass(frozen=True, kw_only=True)
class DatasetConfig(ingester.DatasetConfig):
    """One data set of the file."""

    profile: ProfileConfig = field(default_factory=ProfileConfig)
    """Checks of its documents: schema, baseline, and the anomalies that end the run."""

    def to_ingest(self) -> ingester.DatasetConfig:
        """Returns the ingester's part: a changed profile does not ingest again."""
        names = [f.name for f in dataclasses.fields(ingester.DatasetConfig)]
        return ingester.DatasetConfig(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One model of the file: its task, data, training, evaluation and delivery."""

    task: TaskName
    """masked_lm and causal_lm learn from text alone; classify from labels."""
    dataset: str
    """The data set of the stage."""
    train: TrainingConfig
    """Training."""
    init: str | PretrainedConfig | None = None
    """The stage, or folder of pretrained weights, to start from: the backbone, and the
    head if both have it. None starts from scratch."""
    tokenize: TokenizeConfig = field(default_factory=TokenizeConfig)
    """Tokenization: documents to rows."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """Evaluation, and the thresholds that bless the model."""
    export: ExportConfig | None = None
    """Export; None stops after the evaluation."""
    push: PushConfig | None = None
    """Where the model is pushed; None pushes nothing."""

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Violation]:
        """Yields knobs that contradict the stage's task or each other."""
        if values.get("push") is not None and values.get("export") is None:
            yield Violation("push", "export in a stage with push", None, _ADD_EXPORT)
        yield from _check_thresholds(values)
        if values.get("task") in get_args(TaskName):
            yield from _check_packing(values)
            yield from _check_masking(values)


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
    workers: int = 1
    """Nodes that run at once, each in its own worker process."""
    retries: int = 0
    """Number of retries of a node whose worker died."""
    image: str = "textmill:latest"
    """The container image of nodes on a platform; best pinned by digest."""
    parameters: tuple[str, ...] = ()
    """Config paths (``stages.library.train.epochs``) that become parameters of the
    compiled pipeline, to be set at every submission."""
    nodes: Mapping[str, NodeConfig] = field(default_factory=dict)
    """Resources, retries, environment and secrets on platforms: of ``all`` nodes, of a
    step (``train``) or of one node (``train/library``); the narrowest one wins."""
    kubeflow: KubeflowConfig = field(default_factory=KubeflowConfig)
    """The Kubeflow Pipelines host."""
    vertex: VertexConfig = field(default_factory=VertexConfig)
    """The Vertex AI project."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers of 1 or more, got {self.workers}")
        if self.retries < 0:
            raise ValueError(f"retries of 0 or more, got {self.retries}")

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
    """Stages by name; a stage may start from an earlier one."""
    seed: int = 17
    """The seed of all randomness."""
    run: RunConfig = field(default_factory=RunConfig)
    """Execution; only ``strategy`` can change a result, in the last bits."""

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Violation]:
        """Yields stages that do not fit the model, the vocabulary or their data set."""
        for name, stage in as_mapping(values.get("stages")).items():
            for violation in _check_stage(as_mapping(stage), values):
                yield violation._replace(path=f"stages.{name}.{violation.path}")


_ADD_EXPORT = "; add export: {}"
_PACKINGS = ("pad", "concat", "best_fit", "sentence_pair", "response")
_PACKINGS_OF = {
    "attention": ("concat", "best_fit"),
    "prompt": ("response",),
    "short_seq_prob": ("sentence_pair",),
    "dupe_factor": ("sentence_pair",),
}
"""The packings that read a knob of ``tokenize``."""
_MASKING = ("mask_whole_words", "mask_span", "longest_span", "dupe_factor")


def _check_thresholds(stage: Mapping[str, Any]) -> Iterator[Violation]:
    task = stage.get("task")
    metrics = metric_names(str(task)) if task in get_args(TaskName) else list(METRICS)
    thresholds = as_mapping(as_mapping(stage.get("evaluate")).get("thresholds"))
    for name, value in thresholds.items():
        path = f"evaluate.thresholds.{name}"
        rule = RULE.fullmatch(value) if isinstance(value, str) else None
        if name not in metrics:
            hint = did_you_mean(name, list(metrics))
            yield Violation(path, f"a metric ({one_of(metrics)})", name, hint)
        elif rule is None:
            expected = "a comparison such as '>= 0.6' or '>= pushed - 0.01'"
            yield Violation(path, expected, value)
        elif rule["pushed"] and stage.get("push") is None:
            yield Violation(path, "push in a stage with a rule about 'pushed'", value)


def _check_packing(stage: Mapping[str, Any]) -> Iterator[Violation]:
    task, tokenize = stage["task"], as_mapping(stage.get("tokenize"))
    packing = tokenize.get("packing")
    if packing not in (None, *_PACKINGS):
        return
    is_labelled = task in LABELLED_TASKS
    if is_labelled and packing not in (None, "pad"):
        yield Violation("tokenize.packing", f"'pad' for task {task}", packing)
    for name, task_of in (("sentence_pair", "masked_lm"), ("response", "causal_lm")):
        if packing == name and task != task_of and not is_labelled:
            yield Violation("tokenize.packing", f"task {task_of} for {name}", task)
    if packing == "response" and tokenize.get("prompt") is None:
        hint = "; add prompt: NAME"
        yield Violation("tokenize", "the column of the prompt", None, hint)
    used = packing or ("pad" if is_labelled else "concat")
    for name, packings in _PACKINGS_OF.items():
        if _is_set(TokenizeConfig, tokenize, name) and used not in packings:
            expected = f"packing {one_of(packings)} with {name}"
            yield Violation(f"tokenize.{name}", expected, used)


def _check_masking(stage: Mapping[str, Any]) -> Iterator[Violation]:
    """Yields knobs of masking that the task does not read."""
    for part, owner, names in (
        ("tokenize", TokenizeConfig, ("words",)),
        ("train", TrainingConfig, _MASKING),
    ):
        values = as_mapping(stage.get(part))
        for name in names:
            if stage["task"] != "masked_lm" and _is_set(owner, values, name):
                expected = f"task masked_lm with {name}"
                yield Violation(f"{part}.{name}", expected, stage["task"])


def _is_set(owner: type, values: Mapping[str, Any], name: str) -> bool:
    """Returns True if a value is given that differs from its default."""
    return values.get(name) not in (None, getattr(owner, name))


def _check_stage(
    stage: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Violation]:
    task, model = stage.get("task"), as_mapping(config.get("model"))
    vocabulary = as_mapping(config.get("vocabulary"))
    family = str(model.get("family", ModelConfig.family))
    yield from _check_init(stage, family, vocabulary)
    if task not in get_args(TaskName):
        return
    if family in FAMILIES and task not in FAMILIES[family].tasks:
        tasks = one_of(FAMILIES[family].tasks)
        yield Violation("task", f"a task that {family} can learn ({tasks})", task)
    if task in LABELLED_TASKS:
        yield from _check_labels(stage, config)
    words = as_mapping(stage.get("tokenize")).get("words")
    if words == "jieba" and vocabulary.get("kind") == "bpe":
        expected = "a vocabulary with Chinese characters, for jieba"
        yield Violation("tokenize.words", expected, "kind bpe, whose entries are bytes")


def _check_init(
    stage: Mapping[str, Any], family: str, vocabulary: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields a pretrained folder with another family, or with a learned vocabulary."""
    for kind in as_mapping(stage.get("init")):
        if family == "lstm":
            yield Violation(f"init.{kind}", "model.family bert or gpt", family)
        if (learned := vocabulary.get("learn_from")) is not None:
            expected = "the folder's vocabulary, by vocabulary.file"
            got = f"vocabulary.learn_from: {learned}"
            yield Violation(f"init.{kind}", expected, got)


def _check_labels(
    stage: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Violation]:
    name, task = stage.get("dataset"), stage["task"]
    dataset = as_mapping(as_mapping(config.get("datasets")).get(str(name)))
    sources = [dataset.get("source"), *as_mapping(dataset.get("sources")).values()]
    given = [source for source in sources if isinstance(source, dict)]
    if given and all(source.get("label") is None for source in given):
        expected = f"a data set with labels for task {task}"
        hint = f"; name the column in datasets.{name}.source.label"
        yield Violation("dataset", expected, name, hint)


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
    _add_inherited_docs(schema["$defs"])
    for definition in [schema, *schema["$defs"].values()]:
        for described in [definition, *definition["properties"].values()]:
            described["description"] = " ".join(described["description"].split())
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
