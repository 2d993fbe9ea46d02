"""Names and cycles in a config: every name refers to something, and nothing to itself.

Works on the values as written and skips parts of the wrong type, so that one mistake
hides no other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from textmill.models.config import ModelConfig
from textmill.models.errors import did_you_mean, one_of
from textmill.models.tasks import TASKS
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.yaml import as_mapping, join
from textmill.pipeline.secrets import REFERENCE

_TITLE = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_DATASET_STEPS = ("ingest", "profile")
_FOLD_STEPS = ("train", "predict", "linear", "predict_linear")
_STAGE_STEPS = (
    "folds",
    "tokenize",
    *_FOLD_STEPS,
    "ensemble",
    "ensemble_linear",
    "distil",
    "predict_distilled",
    "calibrate",
    "evaluate",
    "export",
    "validate",
    "push",
)
_STEPS = ("all", *_DATASET_STEPS, "vocabulary", *_STAGE_STEPS, "report")


def check_references(
    config: Any, violations: Violations, *, with_environment: bool = True
) -> None:
    """Adds a violation for every unknown name, unset variable and cycle.

    Args:
        config: the values as written.
        violations: receives them.
        with_environment: whether ``${env:NAME}`` must be set in this process.
    """
    config = as_mapping(config)
    _check_names(config, violations)
    known = os.environ if with_environment else None
    _check_environment(config, "", violations, known)
    learn_from = as_mapping(config.get("vocabulary")).get("learn_from")
    _check_dataset(learn_from, "vocabulary.learn_from", config, violations)
    _check_target_vocabulary(config, violations)
    _check_decontamination(config, violations)
    stages = as_mapping(config.get("stages"))
    for name, stage in stages.items():
        stage, path = as_mapping(stage), f"stages.{name}"
        _check_dataset(stage.get("dataset"), f"{path}.dataset", config, violations)
        embeddings, key = stage.get("embeddings"), f"{path}.embeddings"
        _check_dataset(embeddings, key, config, violations)
        _check_init(stage.get("init"), f"{path}.init", config, violations)
    _check_cycles(stages, violations)
    _check_nodes(config, violations)


def _check_target_vocabulary(config: Mapping[str, Any], violations: Violations) -> None:
    family = str(as_mapping(config.get("model")).get("family", ModelConfig.family))
    target = as_mapping(config.get("vocabulary")).get("target")
    if target is not None and family != "encoder_decoder":
        expected = "model.family encoder_decoder with a vocabulary of targets"
        violations.add("vocabulary.target", expected, family)


def _check_names(config: Mapping[str, Any], violations: Violations) -> None:
    title = config.get("name")
    if isinstance(title, str) and not _TITLE.fullmatch(title):
        expected = "up to 100 small letters, digits, _ and -, a letter first"
        violations.add("name", expected, title)
    for group in ("datasets", "stages"):
        for name in as_mapping(config.get(group)):
            if not _NAME.fullmatch(name):
                violations.add(
                    f"{group}.{name}",
                    "a name of up to 100 small letters, digits and _, a letter first",
                    name,
                )


def _check_environment(
    value: Any, path: str, violations: Violations, known: Mapping[str, str] | None
) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _check_environment(child, join(path, key), violations, known)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _check_environment(child, join(path, index), violations, known)
    elif isinstance(value, str):
        for name in REFERENCE.findall(value):
            if known is not None and name not in known:
                violations.add_sentence(
                    path, f"expected the environment variable {name}, which is not set"
                )
        if "${" in REFERENCE.sub("", value):
            violations.add(path, "${env:NAME} as the only interpolation", value)


def _check_dataset(
    name: Any, path: str, config: Mapping[str, Any], violations: Violations
) -> None:
    datasets = as_mapping(config.get("datasets"))
    if datasets and isinstance(name, str) and name not in datasets:
        violations.add(
            path,
            f"a data set ({one_of(list(datasets))})",
            name,
            did_you_mean(name, list(datasets)),
        )


def _check_decontamination(config: Mapping[str, Any], violations: Violations) -> None:
    """Adds unknown data sets and cycles of ``decontaminate.against``."""
    against: dict[str, list[str]] = {}
    for name, dataset in as_mapping(config.get("datasets")).items():
        given = as_mapping(as_mapping(dataset).get("decontaminate")).get("against")
        others = given if isinstance(given, list) else []
        for index, other in enumerate(others):
            path = f"datasets.{name}.decontaminate.against.{index}"
            _check_dataset(other, path, config, violations)
        against[name] = [other for other in others if isinstance(other, str)]
    try:
        TopologicalSorter(against).prepare()
    except CycleError as error:
        violations.add(
            f"datasets.{error.args[1][0]}.decontaminate.against",
            "data sets that are not decontaminated against each other",
            " -> ".join(reversed(error.args[1])),
        )


def _check_init(
    name: Any, path: str, config: Mapping[str, Any], violations: Violations
) -> None:
    stages = as_mapping(config.get("stages"))
    pretraining = [task for task, row in TASKS.items() if row.target == "none"]
    if not isinstance(name, str):
        return
    if name not in stages:
        known = list(stages)
        hint = did_you_mean(name, known) or (
            "; pretrained weights are a folder of this machine: {huggingface: DIR} or "
            "{keras_hub: DIR}"
        )
        violations.add(path, f"a stage ({one_of(known)})", name, hint)
    elif (task := as_mapping(stages[name]).get("task")) in set(TASKS) - {*pretraining}:
        violations.add(
            path, f"a stage of task {one_of(pretraining)}", name, f" ({task})"
        )


def _check_cycles(stages: Mapping[str, Any], violations: Violations) -> None:
    seen: set[str] = set()
    for name in stages:
        chain = [name]
        while isinstance(base := as_mapping(stages.get(chain[-1])).get("init"), str):
            if base in chain:
                cycle = [*chain[chain.index(base) :], base]
                if not seen & set(cycle):
                    violations.add(
                        f"stages.{base}.init",
                        "stages that start from earlier ones",
                        " -> ".join(cycle),
                    )
                break
            chain.append(base)
        seen |= set(chain)


def _check_nodes(config: Mapping[str, Any], violations: Violations) -> None:
    """Adds the keys of ``run.nodes`` that name neither a step nor a node."""
    known = list(_STEPS)
    for steps, group in ((_DATASET_STEPS, "datasets"), (_STAGE_STEPS, "stages")):
        for name in as_mapping(config.get(group)):
            known += [f"{step}/{name}" for step in steps]
    for name, stage in as_mapping(config.get("stages")).items():
        folds = as_mapping(stage).get("folds")
        for fold in range(1, folds + 1 if isinstance(folds, int) else 1):
            known += [f"{step}/{name}/{fold}" for step in _FOLD_STEPS]
    for key in as_mapping(as_mapping(config.get("run")).get("nodes")):
        if key not in known:
            violations.add(
                f"run.nodes.{key}",
                "all, a step (train), a node (train/library) or one of its folds "
                "(train/library/1)",
                key,
                did_you_mean(key, known),
            )
