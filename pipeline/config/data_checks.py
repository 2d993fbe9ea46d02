"""Checks a config against its data: columns of local files, splits of evaluations."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from textmill.models.errors import did_you_mean
from textmill.models.targets import TARGETS
from textmill.models.texts import TEXT_FIELDS
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.yaml import Tree

if TYPE_CHECKING:
    from textmill.components.ingester.readers.reader import FileColumns
    from textmill.components.ingester.sources.config import SourceConfig
    from textmill.pipeline.config.schema import DatasetConfig, StageConfig

_MADE = (
    *("id", *TEXT_FIELDS),
    *("language", "personal", "cluster", "contaminated", "source"),
)
"""Columns of documents that ingestion may write itself."""
_NUM_NAMED = 12


def check_data(loaded: LoadedConfig, *, nodes: Collection[str] | None = None) -> None:
    """Checks columns where files tell, and the splits that evaluations need.

    Reads headers of tables and the first records of other files; what is remote,
    missing or damaged is left to the ingestion.

    Args:
        loaded: the config.
        nodes: ids of the nodes to run; None for all.

    Raises:
        ConfigError: a column is not in the files, or a stage that is evaluated has no
            documents for it; the message has a line for each.
    """
    violations = Violations(Tree(loaded.raw, dict(loaded.positions)))
    for name, dataset in loaded.config.datasets.items():
        _check_dataset(name, dataset, loaded, violations)
    for name, stage in loaded.config.stages.items():
        if nodes is None or f"predict.{name}" in nodes:
            _check_split(name, stage, loaded, violations)
    violations.raise_any(str(loaded.path))


def _check_split(
    name: str, stage: StageConfig, loaded: LoadedConfig, violations: Violations
) -> None:
    split = loaded.config.datasets[stage.dataset].split
    if stage.folds is not None:
        return  # every document is held out from one training
    if split.train == 1 and split.by != "source":
        expected = "a data set with a share of eval or test, for the evaluation"
        hint = f"; set datasets.{stage.dataset}.split.train below 1"
        violations.add(f"stages.{name}.dataset", expected, stage.dataset, hint)


def _check_dataset(
    name: str, dataset: DatasetConfig, loaded: LoadedConfig, violations: Violations
) -> None:
    from textmill.components.ingester.columns import source_columns

    path = f"datasets.{name}"
    known: list[FileColumns] = []
    for source_name, source in dataset.named_sources().items():
        columns = source_columns(source, dataset.limits)
        if columns is None:
            return
        key = f"sources.{source_name}" if source_name else "source"
        _check_source(source, columns, f"{path}.{key}", violations)
        known.append(columns)
    by, label = dataset.split.by, TARGETS[dataset.target].field
    if by not in ("id", "position", "source"):
        _check(by, known, f"{path}.split.by", violations, extra=_from_paths(known))
    for stage_name, stage in loaded.config.stages.items():
        if stage.dataset == name:
            where = f"stages.{stage_name}"
            for index, column in enumerate(stage.evaluate.slices):
                key = f"{where}.evaluate.slices.{index}"
                _check(column, known, key, violations, extra=(*_MADE, label))
            if stage.tokenize.prompt:
                key = f"{where}.tokenize.prompt"
                _check(stage.tokenize.prompt, known, key, violations, extra=_MADE)


def _check_source(
    source: SourceConfig, columns: FileColumns, path: str, violations: Violations
) -> None:
    for index, text in enumerate(source.text_columns):
        key = f"{path}.text" if isinstance(source.text, str) else f"{path}.text.{index}"
        _check(text, [columns], key, violations, is_required=True)
    if source.id is not None:
        _check(source.id, [columns], f"{path}.id", violations, is_required=True)
    if source.target_column is not None:
        key = f"{path}.{TARGETS[source.target].field}"
        extra = columns.from_path
        is_text = source.reader == "txt"
        hint = "; directory is the name of a file's folder" if is_text else ""
        column = source.target_column
        _check(column, [columns], key, violations, extra=extra, advice=hint)


def _from_paths(known: Iterable[FileColumns]) -> tuple[str, ...]:
    return tuple(name for columns in known for name in columns.from_path)


def _check(
    column: str,
    known: list[FileColumns],
    path: str,
    violations: Violations,
    *,
    extra: Iterable[str] = (),
    is_required: bool = False,
    advice: str = "",
) -> None:
    """Adds a violation for a column that is missing, or most likely misspelled."""
    names = list(dict.fromkeys(name for columns in known for name in columns.names))
    if column in (*names, *extra):
        return
    hint = did_you_mean(column, names) or advice
    is_complete = all(columns.is_complete for columns in known)
    if is_required or is_complete or hint:
        listed = ", ".join(map(repr, names[:_NUM_NAMED]))
        more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
        violations.add(path, f"a column of the files ({listed}{more})", column, hint)
