"""Results of runs and pushed models, as the library returns them."""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PAGE_HEIGHT = 720


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
    baselines: dict[str, dict[str, float]]
    """Values of simpler models on the same documents, by model and metric."""


@dataclass(frozen=True)
class ReportPage:
    """The page of a run; a notebook shows it in a frame."""

    path: Path
    """The HTML file, which needs no network."""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> None:
        """Opens the page in the browser."""
        import webbrowser

        webbrowser.open(self.path.as_uri())

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        style = f"width: 100%; height: {_PAGE_HEIGHT}px; border: 1px solid #8886"
        return (
            f'<iframe title="Report" sandbox style="{style}" srcdoc="{page}"></iframe>'
        )


@dataclass(frozen=True)
class Run:
    """A run of a pipeline."""

    id: str
    """Its name in the root."""
    status: str
    """``succeeded``, ``failed``, ``interrupted``, ``running`` or ``abandoned``."""
    root: Path = field(repr=False)
    """The folder of artifacts, runs and pushed models."""
    summary: dict[str, Any] = field(repr=False)
    """The content of ``summary.json``."""

    def report(self) -> ReportPage:
        """Returns the report: shown in a notebook, opened in a browser by ``open``.

        Raises:
            ConfigError: the run has not ended.
        """
        from textmill.models.errors import ConfigError

        path = self.root / "runs" / self.id / "report.html"
        if not path.is_file():
            raise ConfigError(
                f"run {self.id}: expected a report, got none: the run is {self.status}"
            )
        return ReportPage(path)

    @property
    def config(self) -> str:
        """The YAML of the run: saved as a file, ``textmill run FILE`` does the same."""
        path = self.root / "runs" / self.id / "config.yaml"
        return path.read_text(encoding="utf-8")

    @property
    def stages(self) -> dict[str, Stage]:
        """Results by stage."""
        return {
            name: Stage(
                metrics=stage["metrics"],
                intervals={k: (v[0], v[1]) for k, v in stage["intervals"].items()},
                blessed=stage["blessed"],
                pushed=self.root / stage["pushed"] if stage["pushed"] else None,
                baselines={
                    model: measured["metrics"]
                    for model, measured in stage.get("baselines", {}).items()
                },
            )
            for name, stage in self.summary.get("stages", {}).items()
        }

    @property
    def metrics(self) -> Any:
        """All metrics as a table: stage, metric, value, low, high, split, rows.

        ``low`` and ``high`` bound the 95 % interval; ``rows`` of ``split`` were
        measured. A pandas DataFrame, or a list of dicts without pandas.
        """
        from textmill.components.artifacts import Evaluation
        from textmill.pipeline.tables import make_table

        rows = []
        for stage in self.summary.get("stages", {}):
            if folder := self._output("evaluate", stage, "evaluation"):
                evaluation = Evaluation(folder).read()
                facts = {k: evaluation[k] for k in ("split", "rows")}
                rows += [
                    {"stage": stage, "metric": name, **interval, **facts}
                    for name, interval in evaluation["metrics"].items()
                ]
        columns = ("stage", "metric", "value", "low", "high", "split", "rows")
        return make_table(rows, columns)

    def curves(self) -> Any:
        """Returns the training curves as a table: stage, step, name, value.

        Names are ``train/loss``, ``eval/loss``, ``train/learning_rate``, ... A fold of
        stage ``x`` is the stage ``x.1``. A pandas DataFrame, or a list of dicts without
        pandas.
        """
        from textmill.components.artifacts import TrainingLogs
        from textmill.pipeline.tables import make_table

        rows = []
        for node in self.summary["nodes"]:
            step, _, stage = node.partition(".")
            folder = self._output("train", stage, "logs") if step == "train" else None
            if folder:
                points = TrainingLogs(folder).read()
                rows += [{"stage": stage, **point} for point in points]
        return make_table(rows, ("stage", "step", "name", "value"))

    def predict(
        self,
        data: Any,
        *,
        text: str | Sequence[str] | None = None,
        stage: str | None = None,
    ) -> Any:
        """Returns the answers of the model that this run pushed.

        Args:
            data: texts, dicts, or a DataFrame, as in ``Model.predict``.
            text: the column of the texts in dicts or a DataFrame, or both of a model
                of pairs; by default those that the run learned from.
            stage: the stage, where a run pushed several.

        Raises:
            ConfigError: the run pushed no model, or several and no stage is given.
        """
        stage, folder = self._pushed(stage)
        return _model(folder).predict(data, text=text or self._text_columns(stage))

    def _pushed(self, stage: str | None) -> tuple[str, Path]:
        from textmill.models.errors import ConfigError, one_of

        pushed = {name: s.pushed for name, s in self.stages.items() if s.pushed}
        if stage is None and len(pushed) == 1:
            [stage] = pushed
        if stage is None or (folder := pushed.get(stage)) is None:
            known = one_of(list(pushed)) if pushed else "it pushed none"
            raise ConfigError(
                f"run {self.id}: expected the name of a pushed stage ({known}), got "
                f"{stage or 'none'}"
            )
        return stage, folder

    def _text_columns(self, stage: str) -> list[str]:
        from textmill.pipeline.config.yaml import read_yaml

        values = read_yaml(self.config, "config.yaml").value
        dataset = values["datasets"][values["stages"][stage]["dataset"]]
        sources = [dataset.get("source"), *(dataset.get("sources") or {}).values()]
        names = [source.get("text") or "text" for source in sources if source]
        return [names[0]] if isinstance(names[0], str) else list(names[0])

    def _output(self, step: str, stage: str, output: str) -> Path | None:
        node = self.summary["nodes"].get(f"{step}.{stage}", {})
        path = (node.get("outputs") or {}).get(output)
        return self.root / path if path else None


@dataclass(frozen=True)
class Model:
    """A pushed model."""

    path: Path
    """The folder of its SavedModel."""
    trust: bool = False
    """Loads it even without a manifest of Textmill."""

    @functools.cached_property
    def _runtime(self) -> Any:
        from textmill.components.predictor.saved_model import load_saved_model

        return load_saved_model(self.path, trust=self.trust)

    @property
    def labels(self) -> list[str]:
        """Label names of a classifier; empty for other models."""
        return list(self._runtime.labels)

    def predict(
        self,
        data: Any,
        *,
        text: str | Sequence[str] | None = None,
        explain: bool = False,
    ) -> Any:
        """Returns one answer per text, in order.

        A classifier answers ``label``, ``probabilities`` by label, highest first, and
        whether it is ``confident``; of any number of labels, ``labels`` and ``scores``
        by label; a regression ``number``.
        For a pandas DataFrame or Series they are a DataFrame with its index, and a
        column ``p_<label>`` for the probability of each label.

        Args:
            data: a list or Series of texts, a list of dicts, or a DataFrame; for a
                model of pairs also a list of tuples.
            text: the column of the texts in dicts or a DataFrame, or both of a model
                of pairs; by default ``text``, and ``text_2``.
            explain: adds ``because`` to the answers of a classifier with n-grams: the
                terms of the label's logit by n-gram, the largest first.

        Raises:
            ConfigError: the column is missing, or the model has no n-grams.
            TypeError: a value is not a text.
        """
        from textmill.components.predictor.saved_model import predict_texts
        from textmill.models.texts import TEXT_FIELDS
        from textmill.pipeline.tables import answers_like, to_texts

        columns = [text] if isinstance(text, str) else text
        texts = to_texts(data, *(columns or TEXT_FIELDS[: self._runtime.num_texts]))
        return answers_like(data, predict_texts(self._runtime, texts, explain=explain))


@functools.lru_cache(maxsize=4)
def _model(folder: Path) -> Model:
    """Returns a pushed model, loaded once for all calls."""
    return Model(folder)
