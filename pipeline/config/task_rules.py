"""Checks that a stage's data set, rows and knobs fit its task, by the table TASKS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from textmill.components.evaluator.thresholds import RULE
from textmill.components.tokenizer import Packing, TokenizeConfig
from textmill.models.config import ModelConfig
from textmill.models.errors import did_you_mean
from textmill.models.families import FAMILIES
from textmill.models.tasks import TASKS, TaskRow
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.errors import Violations, one_of

_PACKINGS_OF = {
    "attention": ("concat", "best_fit"),
    "prompt": ("response",),
    "short_seq_prob": ("sentence_pair",),
    "dupe_factor": ("sentence_pair",),
}
"""Packings that read a knob of ``tokenize``."""
_MASKING = ("mask_whole_words", "mask_span", "longest_span", "dupe_factor")


def check_task(
    stage: Mapping[str, Any],
    path: str,
    config: Mapping[str, Any],
    findings: Violations,
) -> None:
    """Records what a stage asks for and its task cannot do."""
    task = stage.get("task")
    if not isinstance(task, str) or task not in TASKS:
        known = {metric for _, row in TASKS.items() for metric in row.metrics}
        _check_thresholds(stage, path, sorted(known), findings)
        return
    row = TASKS[task]
    _check_thresholds(stage, path, row.metrics, findings)
    family = str(_mapping(config.get("model")).get("family", ModelConfig.family))
    if family in FAMILIES and family not in row.families:
        tasks = [name for name, other in TASKS.items() if family in other.families]
        expected = f"a task that {family} can learn ({one_of(tasks)})"
        findings.add(f"{path}.task", expected, task)
    if row.target != "none":
        _check_target(stage, path, config, findings)
    _check_rows(stage, path, row, findings)
    _check_words(stage, path, config, findings)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


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


def _check_target(
    stage: Mapping[str, Any],
    path: str,
    config: Mapping[str, Any],
    findings: Violations,
) -> None:
    name, kind = stage.get("dataset"), TASKS[stage["task"]].target
    datasets = _mapping(config.get("datasets"))
    dataset = _mapping(datasets.get(str(name)))
    sources = [dataset.get("source"), *_mapping(dataset.get("sources")).values()]
    given = [source for source in sources if isinstance(source, dict)]
    if given and all(source.get(kind) is None for source in given):
        findings.add(
            f"{path}.dataset",
            f"a data set with a {kind} column for task {stage['task']}",
            name,
            f"; name the column in datasets.{name}.source.{kind}",
        )


def _check_rows(
    stage: Mapping[str, Any], path: str, row: TaskRow, findings: Violations
) -> None:
    """Records knobs of rows and masks that their packing or task leaves unread."""
    task, tokenize = stage["task"], _mapping(stage.get("tokenize"))
    used = tokenize.get("packing") or row.packings[0]
    where = f"{path}.tokenize"
    if used in get_args(Packing) and used not in row.packings:
        findings.add(
            f"{where}.packing", f"{one_of(row.packings)} for task {task}", used
        )
    if used == "response" and tokenize.get("prompt") is None:
        fault = "expected the column with the prompt beside packing response, got none"
        findings.faults.setdefault(where, f"{fault}; add prompt: NAME")
    for name, packings in _PACKINGS_OF.items():
        if _is_set(TokenizeConfig, tokenize, name) and used not in packings:
            findings.add(
                f"{where}.{name}", f"packing {one_of(packings)} beside {name}", used
            )
    if _is_set(TokenizeConfig, tokenize, "words") and not row.marks_words:
        tasks = [name for name, other in TASKS.items() if other.marks_words]
        findings.add(f"{where}.words", f"task {one_of(tasks)} beside words", task)
    train = _mapping(stage.get("train"))
    for name in _MASKING:
        if _is_set(TrainingConfig, train, name) and task != "masked_lm":
            findings.add(f"{path}.train.{name}", f"task masked_lm beside {name}", task)


def _check_words(
    stage: Mapping[str, Any],
    path: str,
    config: Mapping[str, Any],
    findings: Violations,
) -> None:
    kind = _mapping(config.get("vocabulary")).get("kind")
    if _mapping(stage.get("tokenize")).get("words") == "jieba" and kind == "bpe":
        expected = "a vocabulary with entries of Chinese characters beside jieba"
        got = "kind bpe, whose entries are bytes"
        findings.add(f"{path}.tokenize.words", expected, got)


def _is_set(owner: type, values: Mapping[str, Any], name: str) -> bool:
    """Says whether a value is given that is not the default of its owner."""
    return values.get(name) not in (None, getattr(owner, name))
