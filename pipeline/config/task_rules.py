"""Checks that a stage's data set, rows and knobs fit its task, by the table TASKS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_args

from textmill.components.evaluator import EvaluateConfig
from textmill.components.evaluator.thresholds import RULE
from textmill.components.tokenizer import (
    Packing,
    TokenizeConfig,
    default_packing,
    takes,
)
from textmill.models.calibrated import CalibrateConfig
from textmill.models.config import ModelConfig
from textmill.models.errors import Violation, did_you_mean, one_of
from textmill.models.export import FORMATS
from textmill.models.families import FAMILIES
from textmill.models.generation.config import GenerateConfig
from textmill.models.metrics import METRICS, metric_names
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS, TaskRow
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.synonyms import value_hint
from textmill.pipeline.config.yaml import as_mapping

_PACKINGS_OF = {
    "attention": ("concat", "best_fit"),
    "prompt": ("response",),
    "short_seq_prob": ("sentence_pair",),
    "dupe_factor": ("sentence_pair",),
    "stride": ("strides",),
}
"""The packings that read a knob of ``tokenize``."""
_KNOBS_OF: dict[str, tuple[tuple[str, type, str], ...]] = {
    "marks_words": (("tokenize", TokenizeConfig, "words"),),
    "writes_text": (
        ("evaluate", EvaluateConfig, "samples"),
        ("evaluate", EvaluateConfig, "sample_tokens"),
    ),
    "generates": tuple(
        ("generate", GenerateConfig, field.name) for field in fields(GenerateConfig)
    ),
}
"""The knobs that tasks with a flag in their row read."""
_LINEAR_TASKS = "a task with a label, labels or a number"


def check_task(stage: Mapping[str, Any]) -> Iterator[Violation]:
    """Yields thresholds, rows and knobs that a stage's task does not have."""
    row = _row(stage)
    yield from _check_thresholds(stage, row)
    if row is not None:
        yield from _check_folds(stage, row)
        yield from _check_packing(stage, row)
        yield from _check_abilities(stage, row)
        yield from _check_best_metric(stage, row)
        yield from _check_groups(stage, row)
        yield from _check_knobs(stage, row)


def check_task_fits(
    stage: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields mismatches of a stage's task with the model, vocabulary and data set."""
    row, model = _row(stage), as_mapping(config.get("model"))
    vocabulary = as_mapping(config.get("vocabulary"))
    family = str(model.get("family", ModelConfig.family))
    yield from _check_init(stage, family, vocabulary)
    if family in FAMILIES:
        yield from _check_train(stage, family)
    if row is None:
        return
    if family in FAMILIES and family not in row.families:
        tasks = [name for name, other in TASKS.items() if family in other.families]
        expected = f"a task that {family} can learn ({one_of(tasks)})"
        yield Violation("task", expected, stage["task"])
    if row.target != "none":
        yield from _check_target(stage, row.target, config)
    yield from _check_texts(stage, row, config)
    yield from _check_formats(stage, model, vocabulary)
    yield from _check_fold_data(stage, config)
    words = as_mapping(stage.get("tokenize")).get("words")
    if words == "jieba" and vocabulary.get("kind") == "bpe":
        expected = "a vocabulary with Chinese characters, for jieba"
        yield Violation("tokenize.words", expected, "kind bpe, whose tokens are bytes")


def _row(stage: Mapping[str, Any]) -> TaskRow | None:
    task = stage.get("task")
    return TASKS[task] if isinstance(task, str) and task in TASKS else None


def _check_thresholds(
    stage: Mapping[str, Any], row: TaskRow | None
) -> Iterator[Violation]:
    metrics = list(METRICS) if row is None else metric_names(stage["task"])
    thresholds = as_mapping(as_mapping(stage.get("evaluate")).get("thresholds"))
    for name, value in thresholds.items():
        path = f"evaluate.thresholds.{name}"
        rule = RULE.fullmatch(value) if isinstance(value, str) else None
        if name not in metrics:
            hint = value_hint(name, metrics) or did_you_mean(name, metrics)
            yield Violation(path, f"a metric ({one_of(metrics)})", name, hint)
        elif rule is None:
            expected = "a comparison such as '>= 0.6' or '>= pushed - 0.01'"
            yield Violation(path, expected, value)
        elif rule["other"] == "pushed" and stage.get("push") is None:
            yield Violation(path, "push in a stage with a rule about 'pushed'", value)
        elif rule["other"] == "majority" and row and not _has_label(row):
            yield Violation(path, "a task with a label for such a rule", value)
        elif rule["other"] == "lookup" and row and row.target != "tags":
            yield Violation(path, "a task with spans for such a rule", value)
        elif rule["other"] == "bm25" and row and not row.retrieves:
            yield Violation(path, "task embed for such a rule", value)
        elif rule["other"] == "encoder" and row and not row.has_linear:
            yield Violation(path, f"{_LINEAR_TASKS} for such a rule", value)
        elif rule["other"] == "linear" and not _has_linear_baseline(stage, row):
            expected = f"baseline linear and {_LINEAR_TASKS} for such a rule"
            yield Violation(path, expected, value)


def _has_linear_baseline(stage: Mapping[str, Any], row: TaskRow | None) -> bool:
    evaluate = as_mapping(stage.get("evaluate"))
    return evaluate.get("baseline", "linear") == "linear" and (
        row is None or row.has_linear
    )


def _check_folds(stage: Mapping[str, Any], row: TaskRow) -> Iterator[Violation]:
    """Yields folds of a task without a label, and a kind of ensemble without folds."""
    if stage.get("folds") is not None:
        if row.target != "label":
            tasks = [name for name, other in TASKS.items() if other.target == "label"]
            yield Violation("folds", f"task {one_of(tasks)} with folds", stage["task"])
        return
    calibrate = as_mapping(stage.get("calibrate"))
    if _is_set(CalibrateConfig, calibrate, "ensemble"):
        expected = "folds in a stage with calibrate.ensemble"
        yield Violation("calibrate.ensemble", expected, None, "; add folds: 5")


def _has_label(row: TaskRow) -> bool:
    return row.target == "label"


def _check_packing(stage: Mapping[str, Any], row: TaskRow) -> Iterator[Violation]:
    tokenize = as_mapping(stage.get("tokenize"))
    packing = tokenize.get("packing") or default_packing(row.packings, row.texts[0])
    if packing not in get_args(Packing):
        return
    if packing not in row.packings:
        expected = f"{one_of(row.packings)} for task {stage['task']}"
        yield Violation("tokenize.packing", expected, packing)
    prompt = tokenize.get("prompt")
    if row.target == "text":
        if prompt is not None:
            expected = f"no prompt for task {stage['task']}, whose prompt is the text"
            yield Violation("tokenize.prompt", expected, prompt)
    elif packing == "response" and prompt is None:
        hint = "; add prompt: NAME"
        yield Violation("tokenize", "the column of the prompt", None, hint)
    for name, packings in _PACKINGS_OF.items():
        if _is_set(TokenizeConfig, tokenize, name) and packing not in packings:
            expected = f"packing {one_of(packings)} with {name}"
            yield Violation(f"tokenize.{name}", expected, packing)


def _check_abilities(stage: Mapping[str, Any], row: TaskRow) -> Iterator[Violation]:
    """Yields knobs of other steps in a stage whose task does not read them."""
    for ability, knobs in _KNOBS_OF.items():
        if getattr(row, ability):
            continue
        tasks = [name for name, other in TASKS.items() if getattr(other, ability)]
        for part, owner, name in knobs:
            if _is_set(owner, as_mapping(stage.get(part)), name):
                expected = f"task {one_of(tasks)} with {name}"
                yield Violation(f"{part}.{name}", expected, stage["task"])


def _check_knobs(stage: Mapping[str, Any], row: TaskRow) -> Iterator[Violation]:
    """Yields knobs of ``train`` that belong to other tasks."""
    known = {f.name for cls in (TrainingConfig, row.config) for f in fields(cls)}
    for name in [name for name in as_mapping(stage.get("train")) if name not in known]:
        owners = [
            task
            for task, other in TASKS.items()
            if name in [f.name for f in fields(other.config)]
        ]
        if owners:
            expected = f"a knob of task {stage['task']}"
            hint = f"; {name} belongs to task {one_of(owners)}"
            yield Violation(f"train.{name}", expected, name, hint)


def _check_groups(stage: Mapping[str, Any], row: TaskRow) -> Iterator[Violation]:
    """Yields a size of groups of rows that does not divide the batch."""
    train = as_mapping(stage.get("train"))
    size = train.get("contrast_size", getattr(row.config, "contrast_size", None))
    batch = train.get("global_batch", TrainingConfig.global_batch)
    if type(size) is int and type(batch) is int and size > 0 and batch % size:
        expected = f"a divisor of global_batch {batch}"
        yield Violation("train.contrast_size", expected, size)


def _check_best_metric(stage: Mapping[str, Any], row: TaskRow) -> Iterator[Violation]:
    best = as_mapping(stage.get("train")).get("best_metric")
    if best == "accuracy" and "accuracy" not in row.metrics:
        expected = f"loss for task {stage['task']}"
        yield Violation("train.best_metric", expected, best)


def _is_set(owner: type, values: Mapping[str, Any], name: str) -> bool:
    """Returns True if a value is given that differs from its default."""
    default = getattr(owner, name)
    if isinstance(default, tuple):
        default = list(default)  # as in YAML
    return values.get(name) not in (None, default)


def _check_init(
    stage: Mapping[str, Any], family: str, vocabulary: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields a start that does not fit the family, the vocabulary or ``embeddings``."""
    for kind in as_mapping(stage.get("init")):
        if family == "lstm":
            yield Violation(f"init.{kind}", "model.family bert or gpt", family)
        if (learned := vocabulary.get("learn_from")) is not None:
            expected = "the folder's vocabulary, by vocabulary.file"
            got = f"vocabulary.learn_from: {learned}"
            yield Violation(f"init.{kind}", expected, got)
        elif vocabulary.get("target") is not None:
            expected = "one vocabulary of texts and targets, as a folder has it"
            yield Violation(f"init.{kind}", expected, "vocabulary.target")
    if stage.get("init") is not None and stage.get("embeddings") is not None:
        expected = "either init, whose weights include embeddings, or embeddings"
        yield Violation("embeddings", expected, "both")


def _check_train(stage: Mapping[str, Any], family: str) -> Iterator[Violation]:
    """Yields a missing ``train``, and keys that need an encoder in a file without."""
    if FAMILIES[family].is_encoder:
        if stage.get("train") is None:
            hint = "; add train: {epochs: 3}"
            yield Violation("train", f"train with model.family {family}", None, hint)
        return
    for name in ("train", "init", "embeddings"):
        if stage.get(name) is not None:
            expected = f"no {name} with model.family {family}"
            yield Violation(name, expected, "a value")
    rules = as_mapping(as_mapping(stage.get("evaluate")).get("thresholds"))
    for metric, rule in rules.items():
        if isinstance(rule, str) and "linear" in rule:
            expected = f"a number or the pushed model with model.family {family}"
            yield Violation(f"evaluate.thresholds.{metric}", expected, rule)
    if as_mapping(stage.get("calibrate")).get("ensemble") == "distilled":
        expected = f"no distilled encoder with model.family {family}"
        hint = "; its models of all folds are one with their mean weights"
        yield Violation("calibrate.ensemble", expected, "distilled", hint)


def _check_formats(
    stage: Mapping[str, Any], model: Mapping[str, Any], vocabulary: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields choices that a format of the export cannot hold."""
    formats = as_mapping(stage.get("export")).get("formats")
    for name in formats if isinstance(formats, list) else ():
        if isinstance(name, str) and name in FORMATS:
            yield from FORMATS[name].check(stage, model, vocabulary)


def _check_fold_data(
    stage: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields folds of a data set with changed copies, which would be held out too."""
    name = str(stage.get("dataset"))
    dataset = as_mapping(as_mapping(config.get("datasets")).get(name))
    if stage.get("folds") is not None and dataset.get("augment") is not None:
        expected = "a data set without augment in a stage with folds"
        yield Violation("folds", expected, name, f"; remove datasets.{name}.augment")


def _check_target(
    stage: Mapping[str, Any], kind: str, config: Mapping[str, Any]
) -> Iterator[Violation]:
    name, given = stage.get("dataset"), _sources(stage, config)
    key = TARGETS[kind].field
    if given and all(source.get(key) is None for source in given):
        expected = f"a data set with a {key} column for task {stage['task']}"
        hint = f"; name the column in datasets.{name}.source.{key}"
        yield Violation("dataset", expected, name, hint)


def _check_texts(
    stage: Mapping[str, Any], row: TaskRow, config: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields a number of texts that the task, or the packing of its rows, lacks."""
    name = stage.get("dataset")
    for source in _sources(stage, config):
        columns = source.get("text")
        number = len(columns) if isinstance(columns, list) else 1
        packing = as_mapping(stage.get("tokenize")).get("packing")
        fitting = [packing for packing in row.packings if takes(packing, number)]
        if number not in row.texts:
            taken = " or ".join(map(str, row.texts))
            plural = "" if row.texts == (1,) else "s"
            expected = (
                f"a data set with {taken} text{plural} a document for task "
                f"{stage['task']}"
            )
            hint = f"; name the columns in datasets.{name}.source.text"
            yield Violation("dataset", expected, f"{name}, which has {number}", hint)
        elif packing in row.packings and packing not in fitting:
            expected = f"{one_of(fitting)} for documents of {number} texts"
            yield Violation("tokenize.packing", expected, packing)
        else:
            continue
        return


def _sources(
    stage: Mapping[str, Any], config: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Returns the sources of a stage's data set."""
    name = str(stage.get("dataset"))
    dataset = as_mapping(as_mapping(config.get("datasets")).get(name))
    sources = [dataset.get("source"), *as_mapping(dataset.get("sources")).values()]
    return [source for source in sources if isinstance(source, Mapping)]
