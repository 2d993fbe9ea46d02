"""Textmill as a library.

    import textmill as tm

    run = tm.run("config.yaml", root="textmill_root")
    print(run.stages["topic"].metrics["accuracy"])
    model = tm.load("textmill_root/pushed/topic")
    print(model.predict(["a text"]))

Importing it is cheap: TensorFlow is loaded by ``load``, and by the worker processes of
``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textmill.pipeline.config.load import LoadedConfig

__all__ = ["Model", "Run", "Stage", "load", "load_config", "run", "runs"]

_ROOT = "textmill_root"


@dataclass(frozen=True)
class Stage:
    """The result of a stage in a run."""

    metrics: dict[str, float]
    """Values by name."""
    intervals: dict[str, tuple[float, float]]
    """Bounds of the 95 % intervals, by name."""
    blessed: bool | None
    """True if every threshold was met; None if none is set."""
    pushed: Path | None
    """The folder of the pushed version, if one was pushed."""


@dataclass(frozen=True)
class Run:
    """A run of a pipeline."""

    id: str
    """Its name in the root."""
    status: str
    """``succeeded``, ``failed``, ``interrupted``, ``running`` or ``abandoned``."""
    root: Path
    """The folder of artifacts, runs and pushed models."""
    summary: dict[str, Any] = field(repr=False)
    """The content of ``summary.json``."""

    @property
    def report(self) -> Path:
        """The path of the HTML report."""
        return self.root / "runs" / self.id / "report.html"

    @property
    def stages(self) -> dict[str, Stage]:
        """Results by stage."""
        return {
            name: Stage(
                metrics=stage["metrics"],
                intervals={k: (v[0], v[1]) for k, v in stage["intervals"].items()},
                blessed=stage["blessed"],
                pushed=self.root / stage["pushed"] if stage["pushed"] else None,
            )
            for name, stage in self.summary.get("stages", {}).items()
        }


@dataclass(frozen=True)
class Model:
    """A pushed model."""

    path: Path
    """The folder of its SavedModel."""
    trust: bool = False
    """Loads it even without a manifest of Textmill."""

    @cached_property
    def _runtime(self) -> Any:
        from textmill.components.predictor.saved_model import load_saved_model

        return load_saved_model(self.path, trust=self.trust)

    @property
    def labels(self) -> list[str]:
        """Label names of a classifier; empty for other models."""
        return list(self._runtime.labels)

    def predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Returns one answer per text, in order.

        A classifier answers ``label`` and ``probabilities`` by label, highest first.
        """
        from textmill.components.predictor.saved_model import predict_texts

        if isinstance(texts, str):
            raise TypeError("predict: expected a list of texts, got one text")
        return predict_texts(self._runtime, list(texts))


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
    from textmill.pipeline.runners.local import LocalRunner

    if isinstance(config, str | Path):
        config = load_config(config, overrides)
    root = Path(root).absolute()
    pipeline = create_pipeline(config, root)
    if only or start or until:
        pipeline = pipeline.select(only=tuple(only), start=start, until=until)
    settings = config.config.run
    runner = LocalRunner(
        root,
        workers=settings.workers,
        retries=settings.retries,
        beam=settings.beam,
        progress=progress,
    )
    result = runner.run(pipeline, config_text=render_config(config.config))
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
    """Returns a pushed model: of one version, or the newest version of a stage.

    Args:
        path: ``<root>/pushed/<stage>``, ``<root>/pushed/<stage>/<version>``, or any
            copy of a version.
        trust: load a SavedModel without a manifest of Textmill; its graph can read and
            write files.

    Raises:
        ConfigError: the folder has no pushed model.
    """
    from textmill.components.artifacts import PushedVersion
    from textmill.models.errors import ConfigError

    folder = Path(path)
    if (folder / PushedVersion.MODEL).is_file():
        return Model(folder, trust)
    if versions := PushedVersion.all(folder):
        return Model(versions[0], trust)
    raise ConfigError(f"{folder}: expected a pushed model, got none")
