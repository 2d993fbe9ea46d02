"""A starter config: surveyed data become a trained, pushed model.

``textmill init`` writes it as a file, ``textmill fit`` and ``tm.fit`` run it, and a run
keeps it as its ``config.yaml``: the first file of a project.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from textmill.models.tasks import TASKS
from textmill.pipeline.task_starter import STARTS, source_columns
from textmill.pipeline.text_files import stem

if TYPE_CHECKING:
    from textmill.pipeline.survey.survey import Survey
    from textmill.pipeline.survey.task_columns import TaskColumns

Size = Literal["small", "base"]

_MODELS: dict[Size, dict[str, Any]] = {
    "small": {"family": "bert", "layers": 1, "width": 128},
    "base": {"family": "bert", "layers": 4, "width": 256, "heads": 4},
}
_MAX_WINDOW: dict[Size, int] = {"small": 128, "base": 256}
_WINDOW_STEP = 32
_BASE_ROWS = 50_000
"""Rows from which on the larger model is the default."""
_ROWS_TRAINED = 8_000
"""Rows that the epochs of a small data set add up to."""
_MOST_EPOCHS, _LEAST_EPOCHS = 60, 5
_EPOCH_ROWS = 50_000
"""Rows from which on a time ends the training, not a number of epochs."""
_LONG_BUDGET = "10m"
_SHORTEST_BUDGET = 20
"""Seconds in which an encoder can learn anything; the linear model takes less."""
_WORDPIECE_SCRIPTS = (
    *("latin", "cyrillic", "greek", "armenian", "georgian", "hebrew", "arabic", "han"),
    "",
)
"""Scripts that keep their letters when BERT's tokenizer strips accents."""
_VOCABULARY_SIZES = (1000, 2000, 4000, 8000, 16000, 32000)
_CHARACTERS_PER_TOKEN = 200
"""Characters of the texts per token of the vocabulary: small ones are better for few
texts, by the accuracy of the linear model."""
_FEW_ROWS, _ENOUGH_ROWS = 200, 1000
"""Rows below which eval is the test, too, and below which both have more of them."""
_RARE_LABEL = 20
"""Rows below which chance may leave a label out of train."""
_COMMENTS = {
    "datasets": "where the texts come from, and how they are split",
    "vocabulary": "the tokens, learned from the texts",
    "model": "the encoder; texts are read up to sequence_length",
    "stages": "the trained models",
}


def starter_config(
    survey: Survey,
    *,
    name: str | None = None,
    budget: str | None = None,
    size: Size | None = None,
    folder: Path | None = None,
    chosen: TaskColumns | None = None,
) -> dict[str, Any]:
    """Returns a config with one data set and one model, as written in YAML.

    Args:
        survey: the data, its columns and its statistics.
        name: the pipeline's and the stage's name; by default those of the file and of
            the label's column.
        budget: the time of the training, ``5m``; by default a number of epochs. A
            few seconds are for a linear model alone.
        size: the size of the encoder; by default from the number of rows.
        folder: start of relative paths; by default paths are absolute.
        chosen: a task, if it is not that of one label of one text.
    """
    size = size or ("base" if survey.num_rows >= _BASE_ROWS else "small")
    model, stage = _model_and_stage(survey, budget, size)
    dataset, vocabulary = _dataset(survey, folder, chosen), _vocabulary(survey)
    if chosen is not None:
        model, stage = _of_task(chosen, survey, budget, size)
        vocabulary |= STARTS[chosen.task].vocabulary
    title = to_name(data_name(survey.title))
    stage_name = name or (to_name(_label_title(survey)) if survey.label else title)
    if chosen is not None and name is None:
        stage_name = to_name(chosen.target or title)
    return {
        "name": name or title,
        "datasets": {"texts": dataset},
        "vocabulary": vocabulary,
        "model": model,
        "stages": {stage_name: stage},
    }


def _model_and_stage(
    survey: Survey, budget: str | None, size: Size
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the sections of the model and of its stage."""
    task = "classify" if survey.label else "masked_lm"
    stage = {"task": task, "dataset": "texts"}
    delivery: dict[str, Any] = {"export": {}, "push": {}}
    if survey.label and budget and _is_short(budget):
        return {"family": "linear"}, {**stage, **delivery}
    model = {**_MODELS[size], "sequence_length": window(survey, size)}
    if survey.label:
        model["pooling"] = "mean_and_embeddings"
        stage["embeddings"] = "texts"
    return model, {**stage, "train": _training(survey, budget), **delivery}


def _of_task(
    chosen: TaskColumns, survey: Survey, budget: str | None, size: Size
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the sections of the model and of the stage of a chosen task."""
    start, length = STARTS[chosen.task], window(survey, size)
    if len(chosen.texts) == 2 and chosen.task != "embed":
        length = min(2 * length, _MAX_WINDOW["base"])
    model = {**_MODELS[size], "sequence_length": length, **start.model}
    train = {**_training(survey, budget), **start.train}
    if "accuracy" not in TASKS[chosen.task].metrics or not start.is_encoder:
        del train["best_metric"]
    stage = {"task": chosen.task, "dataset": "texts", "train": train}
    return model, {**stage, "export": {}, "push": {}}


def data_name(data: str) -> str:
    """Returns the name of a file or folder; for a pattern, that of its folder."""
    parts = [part for part in Path(data).absolute().parts if "*" not in part]
    return stem(parts[-1])


def _is_short(budget: str) -> bool:
    from textmill.models.training.config import parse_duration

    return parse_duration(budget) < _SHORTEST_BUDGET


def window(survey: Survey, size: Size) -> int:
    """Returns the sequence length that covers nearly all texts, within bounds."""
    needed = survey.texts.covering_length + 2
    steps = -(-needed // _WINDOW_STEP)
    return min(max(steps, 1) * _WINDOW_STEP, _MAX_WINDOW[size])


def _label_title(survey: Survey) -> str:
    from textmill.components.ingester.sources.path_columns import DIRECTORY

    assert survey.label is not None
    is_folder = survey.label.name == DIRECTORY
    return data_name(survey.title) if is_folder else survey.label.name


def _dataset(
    survey: Survey, folder: Path | None, chosen: TaskColumns | None
) -> dict[str, Any]:
    columns: dict[str, Any] = {"text": survey.text.name}
    columns |= {"label": survey.label.name} if survey.label else {}
    columns |= source_columns(chosen) if chosen else {}
    columns |= {"id": survey.id.name} if survey.id else {}
    dataset: dict[str, Any] = _sources(survey, columns, folder)
    if survey.label:
        dataset["clean"] = {"dedup": "exact"}
    split = _split(survey)
    if rare := _rare_rule(survey, split):
        dataset["labels"] = {"rare": rare}
    return {**dataset, "split": split}


def _sources(
    survey: Survey, columns: Mapping[str, Any], folder: Path | None
) -> dict[str, Any]:
    """Returns ``source``, or ``sources`` where test rows are read differently."""
    source = _relative(survey.source, folder)
    if survey.test is None:
        return {"source": {**source, **columns}}
    test = _relative(survey.test.source, folder)
    format, test_format = next(iter(source)), next(iter(test))
    train, path = source.pop(format), test.pop(test_format)
    if (format, source) == (test_format, test):
        return {"source": {format: {"train": train, "test": path}, **source, **columns}}
    return {
        "sources": {
            "test": {test_format: {"test": path}, **test, **columns},
            "train": {format: {"train": train}, **source, **columns},
        }
    }


def _relative(source: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Returns the keys of a source, with its files first and relative to a folder."""

    def path(name: str) -> str:
        is_url = "://" in name
        return name if folder is None or is_url else os.path.relpath(name, folder)

    format, files = next(iter(source.items()))
    named = path(files) if isinstance(files, str) else [path(name) for name in files]
    rest = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in source.items()
        if key != format
    }
    return {format: named, **rest}


def _split(survey: Survey) -> dict[str, Any]:
    """Returns shares; fewer rows leave more to eval, and the fewest none to test."""
    if survey.num_rows < _FEW_ROWS:
        shares = {"train": 0.7, "eval": 0.3}
    elif survey.num_rows < _ENOUGH_ROWS:
        shares = {"train": 0.7, "eval": 0.15, "test": 0.15}
    else:
        shares = {"train": 0.8, "eval": 0.1, "test": 0.1}
    if survey.test or "folder" in survey.source:
        return {"by": "source", "eval": shares["eval"]}
    return {**shares, "by": survey.group.name} if survey.group else dict(shares)


def _rare_rule(survey: Survey, split: Mapping[str, Any]) -> str | None:
    """Returns the rule for labels that a split may leave out of train, if one may."""
    if survey.labels is None:
        return None
    is_whole = survey.sample.is_complete and not survey.group
    has_unknown = survey.test is not None and survey.test.unknown_labels
    if is_whole and not has_unknown and not survey.labels.rarer_than(_RARE_LABEL):
        return None
    return "drop" if split.get("by") == "source" else "train"


def _vocabulary(survey: Survey) -> dict[str, Any]:
    texts = survey.texts
    is_wordpiece = texts.script in _WORDPIECE_SCRIPTS and texts.language != "ja"
    characters = survey.num_rows * texts.num_characters
    fitting = [n for n in _VOCABULARY_SIZES if n * _CHARACTERS_PER_TOKEN <= characters]
    size = fitting[-1] if fitting else _VOCABULARY_SIZES[0]
    if texts.script == "han":
        size = max(size, 8000)
    return {
        "kind": "wordpiece" if is_wordpiece else "sentencepiece",
        "size": size,
        "learn_from": "texts",
    }


def _training(survey: Survey, budget: str | None) -> dict[str, Any]:
    rows = max(survey.num_rows, 1)
    length: dict[str, Any] = {"budget": budget}
    if budget is None and rows >= _EPOCH_ROWS:
        length = {"budget": _LONG_BUDGET}
    elif budget is None:
        epochs = min(max(_ROWS_TRAINED // rows, _LEAST_EPOCHS), _MOST_EPOCHS)
        length = {"epochs": epochs}
    return {
        **length,
        "learning_rate": 1e-3,
        "length_buckets": True,
        "xla": False,  # Compiling would take most of a short training.
        "best_metric": "accuracy",
    }


def to_name(text: str) -> str:
    """Returns a name of small letters, digits and ``_`` for the title of a column."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"label_{name}".rstrip("_")


def render_yaml(values: Mapping[str, Any]) -> str:
    """Returns values as YAML, with inner mappings of plain values on one line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    def styled(value: Any, depth: int) -> Any:
        if not isinstance(value, Mapping):
            return value
        mapping = CommentedMap({k: styled(v, depth + 1) for k, v in value.items()})
        if depth and not any(isinstance(v, Mapping) for v in value.values()):
            mapping.fa.set_flow_style()
        return mapping

    yaml = YAML()
    yaml.width = 1000
    stream = io.StringIO()
    yaml.dump(styled(values, 0), stream)
    return stream.getvalue()


def render_starter(values: Mapping[str, Any], head: Iterable[str]) -> str:
    """Returns a config as YAML, with a comment above every section.

    Args:
        values: the config.
        head: lines for the beginning of the file.
    """
    lines = [f"# {line}" for line in head]
    for line in render_yaml(values).splitlines():
        if comment := _COMMENTS.get(line.partition(":")[0]):
            lines += ["", f"# {comment}"]
        lines.append(line)
    return "\n".join(lines) + "\n"
