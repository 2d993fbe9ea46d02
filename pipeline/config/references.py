"""Whether the parts of a config fit together: names lead somewhere, pairs can be.

Everything is checked on the values as they were written and passes over parts of the
wrong type, so that one mistake hides no other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, get_args

from textmill.components.evaluator.thresholds import RULE
from textmill.components.tokenizer import TokenizeConfig
from textmill.models.errors import did_you_mean
from textmill.models.families import (
    FAMILIES,
    LABELLED_TASKS,
    METRICS,
    ModelConfig,
    TaskName,
)
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.engine_check import check_engines
from textmill.pipeline.config.errors import Violations, one_of
from textmill.pipeline.config.yaml import join
from textmill.pipeline.secrets import REFERENCE

_TITLE = re.compile(r"[a-z][a-z0-9_-]*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PRETRAINING = tuple(t for t in get_args(TaskName) if t not in LABELLED_TASKS)
_PACKINGS = ("pad", "concat", "best_fit", "sentence_pair", "response")
_PACKINGS_OF = {
    "attention": ("concat", "best_fit"),
    "prompt": ("response",),
    "short_seq_prob": ("sentence_pair",),
    "dupe_factor": ("sentence_pair",),
}
"""Which packings read a knob of ``tokenize``."""
_MASKING = ("mask_whole_words", "mask_span", "longest_span", "dupe_factor")
_REFUSED_RUNNERS = {
    "DirectRunner": "it first tries Prism",
    "PrismRunner": "it runs Prism",
}


def check_references(
    config: Any, findings: Violations, *, with_environment: bool = True
) -> None:
    """Finds names that lead nowhere and combinations that cannot be.

    Args:
        config: the values as written.
        findings: takes the faults.
        with_environment: whether ``${env:NAME}`` must be set in this process.
    """
    config = _mapping(config)
    _check_names(config, findings)
    known = os.environ if with_environment else None
    _check_environment(config, "", findings, known)
    learn_from = _mapping(config.get("vocabulary")).get("learn_from")
    _check_dataset(learn_from, "vocabulary.learn_from", config, findings)
    _check_decontamination(config, findings)
    stages = _mapping(config.get("stages"))
    for name, stage in stages.items():
        _check_stage(_mapping(stage), f"stages.{name}", config, findings)
    _check_cycles(stages, findings)
    run = _mapping(config.get("run"))
    _check_beam(_mapping(run.get("beam")), findings)
    check_engines(run, config, findings)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_names(config: Mapping[str, Any], findings: Violations) -> None:
    title = config.get("name")
    if isinstance(title, str) and not _TITLE.fullmatch(title):
        findings.add("name", "small letters, digits, _ and -, a letter first", title)
    for group in ("datasets", "stages"):
        for name in _mapping(config.get(group)):
            if not _NAME.fullmatch(name):
                findings.add(
                    f"{group}.{name}",
                    "a name of small letters, digits and _, a letter first",
                    name,
                )


def _check_environment(
    value: Any, path: str, findings: Violations, known: Mapping[str, str] | None
) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _check_environment(child, join(path, key), findings, known)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _check_environment(child, join(path, index), findings, known)
    elif isinstance(value, str):
        for name in REFERENCE.findall(value):
            if known is not None and name not in known:
                findings.faults.setdefault(
                    path, f"expected the environment variable {name}, which is not set"
                )
        if "${" in REFERENCE.sub("", value):
            findings.add(path, "${env:NAME} as the only interpolation", value)


def _check_dataset(
    name: Any, path: str, config: Mapping[str, Any], findings: Violations
) -> None:
    datasets = _mapping(config.get("datasets"))
    if datasets and isinstance(name, str) and name not in datasets:
        findings.add(
            path,
            f"a data set ({one_of(list(datasets))})",
            name,
            did_you_mean(name, list(datasets)),
        )


def _check_decontamination(config: Mapping[str, Any], findings: Violations) -> None:
    """Finds data sets that are compared with unknown ones, or in a circle."""
    against: dict[str, list[str]] = {}
    for name, dataset in _mapping(config.get("datasets")).items():
        given = _mapping(_mapping(dataset).get("decontaminate")).get("against")
        others = given if isinstance(given, list) else []
        for index, other in enumerate(others):
            path = f"datasets.{name}.decontaminate.against.{index}"
            _check_dataset(other, path, config, findings)
        against[name] = [other for other in others if isinstance(other, str)]
    try:
        TopologicalSorter(against).prepare()
    except CycleError as error:
        findings.add(
            f"datasets.{error.args[1][0]}.decontaminate.against",
            "data sets that are not decontaminated against each other",
            " -> ".join(reversed(error.args[1])),
        )


def _check_stage(
    stage: Mapping[str, Any],
    path: str,
    config: Mapping[str, Any],
    findings: Violations,
) -> None:
    _check_dataset(stage.get("dataset"), f"{path}.dataset", config, findings)
    _check_init(stage.get("init"), f"{path}.init", config, findings)
    _check_folder(stage.get("init"), f"{path}.init", config, findings)
    is_exported = stage.get("export") is not None or f"{path}.export" in findings.faults
    if stage.get("push") is not None and not is_exported:
        fault = "expected an export beside push, got none; add export: {}"
        findings.faults.setdefault(f"{path}.push", fault)
    task = str(stage.get("task"))
    if task not in get_args(TaskName):
        _check_thresholds(stage, path, sorted(set().union(*METRICS.values())), findings)
        return
    _check_thresholds(stage, path, METRICS[task], findings)
    family = str(_mapping(config.get("model")).get("family", ModelConfig.family))
    if family in FAMILIES and task not in FAMILIES[family].tasks:
        tasks = one_of(FAMILIES[family].tasks)
        findings.add(f"{path}.task", f"a task that {family} can learn ({tasks})", task)
    if task in LABELLED_TASKS:
        _check_labelled(stage, path, config, findings)
    _check_rows(stage, path, config, findings)


def _check_init(
    name: Any, path: str, config: Mapping[str, Any], findings: Violations
) -> None:
    stages = _mapping(config.get("stages"))
    if not isinstance(name, str):
        return
    if name not in stages:
        known = list(stages)
        findings.add(
            path, f"a stage ({one_of(known)})", name, did_you_mean(name, known)
        )
    elif (task := _mapping(stages[name]).get("task")) in LABELLED_TASKS:
        findings.add(
            path, f"a stage of task {one_of(_PRETRAINING)}", name, f" ({task})"
        )


def _check_folder(
    init: Any, path: str, config: Mapping[str, Any], findings: Violations
) -> None:
    """Finds a pretrained folder beside a vocabulary of one's own, or a baseline."""
    if not isinstance(init, dict) or not init:
        return
    kind = next(iter(init))
    family = _mapping(config.get("model")).get("family", ModelConfig.family)
    if family == "lstm":
        findings.add(f"{path}.{kind}", "model.family bert or gpt beside it", family)
    if (learned := _mapping(config.get("vocabulary")).get("learn_from")) is not None:
        findings.add(
            f"{path}.{kind}",
            "the folder's vocabulary beside it, by vocabulary.file",
            f"vocabulary.learn_from: {learned}",
        )


def _check_thresholds(
    stage: Mapping[str, Any], path: str, metrics: Sequence[str], findings: Violations
) -> None:
    thresholds = _mapping(_mapping(stage.get("evaluate")).get("thresholds"))
    for name, value in thresholds.items():
        place = f"{path}.evaluate.thresholds.{name}"
        if name not in metrics:
            hint = did_you_mean(name, list(metrics))
            findings.add(place, f"a metric ({one_of(metrics)})", name, hint)
            continue
        rule = RULE.fullmatch(value) if isinstance(value, str) else None
        if rule is None:
            findings.add(
                place, "a comparison such as '>= 0.6' or '>= pushed - 0.01'", value
            )
        elif rule["pushed"] and stage.get("push") is None:
            findings.add(place, f"{path}.push beside a rule that speaks of it", value)


def _check_labelled(
    stage: Mapping[str, Any],
    path: str,
    config: Mapping[str, Any],
    findings: Violations,
) -> None:
    name, task = stage.get("dataset"), stage["task"]
    datasets = _mapping(config.get("datasets"))
    dataset = _mapping(datasets.get(str(name)))
    sources = [dataset.get("source"), *_mapping(dataset.get("sources")).values()]
    given = [source for source in sources if isinstance(source, dict)]
    if given and all(source.get("label") is None for source in given):
        findings.add(
            f"{path}.dataset",
            f"a data set with labels for task {task}",
            name,
            f"; name the column in datasets.{name}.source.label",
        )
    packing = _mapping(stage.get("tokenize")).get("packing")
    if packing in _PACKINGS and packing != "pad":
        findings.add(
            f"{path}.tokenize.packing",
            f"'pad' for task {task}, a label a row",
            packing,
        )


def _check_rows(
    stage: Mapping[str, Any],
    path: str,
    config: Mapping[str, Any],
    findings: Violations,
) -> None:
    """Finds knobs of rows and masks that their packing or task leaves unread."""
    task, tokenize = str(stage["task"]), _mapping(stage.get("tokenize"))
    packing = tokenize.get("packing")
    if packing not in (None, *_PACKINGS):
        return
    where = f"{path}.tokenize"
    for name, wanted in (("sentence_pair", "masked_lm"), ("response", "causal_lm")):
        if packing == name and task != wanted and task not in LABELLED_TASKS:
            findings.add(f"{where}.packing", f"task {wanted} for {name}", task)
    if packing == "response" and tokenize.get("prompt") is None:
        fault = "expected the column with the prompt beside packing response, got none"
        findings.faults.setdefault(where, f"{fault}; add prompt: NAME")
    used = packing or ("pad" if task in LABELLED_TASKS else "concat")
    for name, packings in _PACKINGS_OF.items():
        if _is_set(TokenizeConfig, tokenize, name) and used not in packings:
            findings.add(
                f"{where}.{name}", f"packing {one_of(packings)} beside {name}", used
            )
    train = _mapping(stage.get("train"))
    for place, owner, values, names in (
        (where, TokenizeConfig, tokenize, ("words",)),
        (f"{path}.train", TrainingConfig, train, _MASKING),
    ):
        for name in names:
            if _is_set(owner, values, name) and task != "masked_lm":
                findings.add(f"{place}.{name}", f"task masked_lm beside {name}", task)
    kind = _mapping(config.get("vocabulary")).get("kind")
    if tokenize.get("words") == "jieba" and kind == "bpe":
        expected = "a vocabulary with entries of Chinese characters beside jieba"
        findings.add(f"{where}.words", expected, "kind bpe, whose entries are bytes")


def _is_set(owner: type, values: Mapping[str, Any], name: str) -> bool:
    """Says whether a value is given that is not the default of its owner."""
    return values.get(name) not in (None, getattr(owner, name))


def _check_cycles(stages: Mapping[str, Any], findings: Violations) -> None:
    seen: set[str] = set()
    for name in stages:
        chain = [name]
        while isinstance(base := _mapping(stages.get(chain[-1])).get("init"), str):
            if base in chain:
                cycle = [*chain[chain.index(base) :], base]
                if not seen & set(cycle):
                    findings.add(
                        f"stages.{base}.init",
                        "stages that start from earlier ones",
                        " -> ".join(cycle),
                    )
                break
            chain.append(base)
        seen |= set(chain)


def _check_beam(beam: Mapping[str, Any], findings: Violations) -> None:
    runner = beam.get("runner")
    if isinstance(runner, str) and (why := _REFUSED_RUNNERS.get(runner)):
        findings.add(
            "run.beam.runner",
            "FnApiRunner or a runner you installed",
            runner,
            f": {why}, which downloads a program without a checksum or timeout",
        )
