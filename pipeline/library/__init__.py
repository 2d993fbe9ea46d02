"""Textmill as a library, in notebooks and programs.

    import textmill as tm

    run = tm.fit(df, text="message", label="category", budget="5m")
    run.metrics                                  # a table
    run.report()                                 # the page, in the notebook
    run.predict(["a text"])
    print(run.config)                            # the YAML that does the same

    run = tm.run("config.yaml")                  # as `textmill run config.yaml`
    tm.load("textmill_root/pushed/category").predict(df, text="message")
    tm.runs()                                    # all runs of a root, newest first

Importing it is cheap: TensorFlow is loaded by the first prediction, and by the worker
processes of ``fit`` and ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from textmill.pipeline.results import Model, ReportPage, Run, Stage

if TYPE_CHECKING:
    from textmill.pipeline.config.load import LoadedConfig
    from textmill.pipeline.pipeline import Pipeline

__all__ = [
    "Model",
    "ReportPage",
    "Run",
    "Stage",
    "fit",
    "load",
    "load_config",
    "run",
    "runs",
]

_ROOT = "textmill_root"


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Reads and checks a config.

    Args:
        path: the YAML file.
        overrides: assignments ``a.b=v``, as of ``--set``.

    Raises:
        ConfigError: the file has errors; the message has one line for each.
    """
    from textmill.pipeline.config import load

    return load.load_config(Path(path), overrides)


def fit(
    data: Any,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    task: str | None = None,
    test: str | Path | None = None,
    budget: str | None = None,
    size: Literal["small", "base"] | None = None,
    name: str | None = None,
    root: str | Path = _ROOT,
    overrides: Sequence[str] = (),
    progress: bool = True,
) -> Run:
    """Trains a classifier on texts and labels, evaluates it and pushes it.

    Runs the pipeline of a config of a few lines, which ``Run.config`` returns, as
    ``textmill fit`` does. The same data and arguments find their results cached.

    Args:
        data: a DataFrame, a list of dicts, or the path of a file (csv, tsv, jsonl,
            parquet, ...) or folder. A table is written below the root.
        text: the column of the texts, guessed if not given; several of a task that
            takes them.
        label: the column of the labels, guessed if not given; of another task, that of
            its target.
        task: ``classify``, ``multilabel``, ``regress``, ``tag``, ``embed``,
            ``answer``, ``respond`` or ``seq2seq``; guessed if not given.
        test: a file of test rows with the same columns; by default a part of the data.
        budget: the time to train, ``90s``, ``5m`` or ``1h``; by default a number of
            epochs. The steps around it take up to a minute more.
        size: the size of the model; by default from the number of rows.
        name: the name of the pipeline and of the pushed model; by default those of the
            file and of the label's column.
        root: the folder of artifacts, runs and pushed models.
        overrides: assignments to the config, ``model.layers=2``, as of ``--set``.
        progress: show progress and notes about the data on standard error.

    Raises:
        ConfigError: the data lack a column, or an argument is wrong.
        DataError: nothing can be learned from the data.
        TextmillError: a node failed or was interrupted; the same call resumes.
    """
    from textmill.pipeline.create_pipeline import create_pipeline
    from textmill.pipeline.fit import make_start
    from textmill.pipeline.tables import file_of

    root = Path(root).absolute()
    texts = [text] if isinstance(text, str) else list(text or ())
    start = make_start(
        file_of(data, root / "rows", *texts, label),
        text=text,
        task=task,
        label=label,
        test=None if test is None else str(test),
        budget=budget,
        size=size,
        name=name,
        title=None if isinstance(data, str | Path) else "table",
        overrides=overrides,
    )
    if progress:
        start.print_lines()
    return _run(
        create_pipeline(start.loaded, root),
        start.loaded,
        root,
        config_text=start.text,
        progress=progress,
    )


def run(
    config: str | Path | LoadedConfig,
    *,
    root: str | Path = _ROOT,
    overrides: Sequence[str] = (),
    only: Iterable[str] = (),
    start: str | None = None,
    until: str | None = None,
    progress: bool = True,
) -> Run:
    """Runs all nodes of a config that are not up to date, in worker processes.

    Args:
        config: a YAML file, or a config from ``load_config``.
        root: the folder of artifacts, runs and pushed models.
        overrides: assignments ``a.b=v`` for a config given as a file.
        only: ids of nodes to run, for a part of the pipeline.
        start: a node to run with everything downstream of it.
        until: a node to run with everything upstream of it.
        progress: show progress on standard error.

    Raises:
        ConfigError: the config has errors, or a node does not exist.
        TextmillError: a node failed or was interrupted; the same call resumes.
    """
    from textmill.pipeline.config.schema import render_config
    from textmill.pipeline.create_pipeline import create_pipeline

    if isinstance(config, str | Path):
        config = load_config(config, overrides)
    root = Path(root).absolute()
    pipeline = create_pipeline(config, root)
    if only or start or until:
        pipeline = pipeline.select(only=tuple(only), start=start, until=until)
    text = render_config(config.config)
    return _run(pipeline, config, root, config_text=text, progress=progress)


def _run(
    pipeline: Pipeline,
    config: LoadedConfig,
    root: Path,
    *,
    config_text: str,
    progress: bool,
) -> Run:
    from textmill.pipeline.config.data_checks import check_data
    from textmill.pipeline.runners.local import LocalRunner

    check_data(config, nodes=pipeline.selected)
    settings = config.config.run
    runner = LocalRunner(
        root,
        workers=settings.workers,
        retries=settings.retries,
        beam=settings.beam,
        progress=progress,
    )
    result = runner.run(pipeline, config_text=config_text)
    _raise_failure(result.data, result.exit_code)
    return _to_run(result.data, root)


def _raise_failure(summary: dict[str, Any], exit_code: int) -> None:
    """Raises the error of the first node that failed, or of an interrupted run."""
    from textmill.models.errors import Preempted, TextmillError

    if exit_code == 0:
        return
    for node in summary["nodes"].values():
        if node["state"] == "failed":
            error = TextmillError(node["error"])
            error.exit_code = exit_code
            raise error
    raise Preempted(f"run {summary['run_id']}: interrupted; the same call resumes")


def runs(root: str | Path = _ROOT) -> list[Run]:
    """Returns the runs of a root folder, newest first.

    Raises:
        ConfigError: the folder is not a root.
    """
    from textmill.models.errors import ConfigError
    from textmill.pipeline.store import MetadataStore

    root = Path(root).absolute()
    if not (root / "store.sqlite").is_file():
        raise ConfigError(f"{root}: expected a root folder with runs, got none")
    with MetadataStore(root) as store:
        ids = [row["run_id"] for row in store.runs()]
        return [_to_run(store.run(id), root) for id in ids]


def _to_run(summary: dict[str, Any], root: Path) -> Run:
    return Run(summary["run_id"], summary["status"], root, summary)


def load(path: str | Path, *, trust: bool = False) -> Model:
    """Returns a pushed model: of one version, or the current version of a stage.

    Args:
        path: ``<root>/pushed/<stage>``, ``<root>/pushed/<stage>/<version>``, or any
            copy of a version.
        trust: load a SavedModel without a manifest of Textmill; its graph can read and
            write files.

    Raises:
        ConfigError: the folder has no pushed model.
    """
    from textmill.components.artifacts import PushedVersion
    from textmill.components.versions import current_version
    from textmill.models.errors import ConfigError

    folder = Path(path)
    if (folder / PushedVersion.MODEL).is_file():
        return Model(folder, trust)
    if (version := current_version(folder)) is not None:
        return Model(version, trust)
    raise ConfigError(f"{folder}: expected a pushed model, got none")
