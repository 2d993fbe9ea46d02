"""METRICS: the light table of metrics. Adding a metric = a file and a row.

Read in this order: this table; ``metric.py``, the base class (statistics by row, value
of their sums, interval); ``intervals.py``; ``accuracy.py``, the shortest metric;
``confusion.py`` with the macro averages of one label a row; ``multilabel.py`` for
several labels a row. Importing this package loads no NumPy;
``METRICS[name].load()`` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textmill.models.registry import Table, load_object
from textmill.models.tasks import TASKS

if TYPE_CHECKING:
    from textmill.models.metrics.metric import Metric


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """A row of ``METRICS``: the facts that thresholds and reports need."""

    path: str
    """``package.module:Class`` of the ``Metric``."""
    range: tuple[float, float]
    """Lowest and highest value."""
    higher_is_better: bool
    """Direction of improvement."""
    depends_on: tuple[str, ...] = ()
    """In tasks that predict tokens, the facts of a model (``vocabulary``,
    ``task_config``) that decide about which tokens it is; a change makes another
    measure of it."""
    tasks: tuple[str, ...] = ()
    """Tasks to measure with it, in addition to the tasks whose own row names it: a
    plugged-in metric for an existing task."""

    variants: Mapping[str, str] = field(default_factory=dict)
    """Paths of the same measure for other kinds of target, by kind: its sums are other
    ones."""

    def load(self, target: str = "none") -> Metric:
        """Imports the metric for a kind of target, and with it NumPy."""
        metric: Metric = load_object(self.variants.get(target, self.path))()
        return metric

    @property
    def is_fraction(self) -> bool:
        """True for values from 0 to 1, which reports may show as a bar."""
        return self.range == (0.0, 1.0)


_TOKENS = ("vocabulary", "task_config")


def _fraction(
    path: str, depends_on: tuple[str, ...] = (), **variants: str
) -> MetricRow:
    return MetricRow(
        path=path,
        range=(0.0, 1.0),
        higher_is_better=True,
        depends_on=depends_on,
        variants=variants,
    )


def _correlation(path: str) -> MetricRow:
    return MetricRow(path=path, range=(-1.0, 1.0), higher_is_better=True)


def _cost(path: str, lowest: float, depends_on: tuple[str, ...] = ()) -> MetricRow:
    return MetricRow(
        path=path,
        range=(lowest, math.inf),
        higher_is_better=False,
        depends_on=depends_on,
    )


METRICS = Table(
    "textmill.metrics",
    "metric",
    {
        "loss": _cost("textmill.models.metrics.loss:Loss", 0.0, _TOKENS),
        "perplexity": _cost(
            "textmill.models.metrics.perplexity:Perplexity", 1.0, _TOKENS
        ),
        "bits_per_byte": _cost(
            "textmill.models.metrics.bits_per_byte:BitsPerByte", 0.0, _TOKENS[1:]
        ),
        "accuracy": _fraction("textmill.models.metrics.accuracy:Accuracy", _TOKENS),
        "next_accuracy": _fraction(
            "textmill.models.metrics.next_accuracy:NextAccuracy"
        ),
        "macro_precision": _fraction(
            "textmill.models.metrics.macro_precision:MacroPrecision"
        ),
        "macro_recall": _fraction("textmill.models.metrics.macro_recall:MacroRecall"),
        "macro_f1": _fraction(
            "textmill.models.metrics.macro_f1:MacroF1",
            labels="textmill.models.metrics.macro_f1:LabelsMacroF1",
        ),
        "micro_f1": _fraction(
            "textmill.models.metrics.micro_f1:MicroF1",
            labels="textmill.models.metrics.micro_f1:LabelsMicroF1",
        ),
        "mcc": _correlation("textmill.models.metrics.mcc:MatthewsCorrelation"),
        "top_3_accuracy": _fraction(
            "textmill.models.metrics.top_k_accuracy:Top3Accuracy"
        ),
        "top_5_accuracy": _fraction(
            "textmill.models.metrics.top_k_accuracy:Top5Accuracy"
        ),
        "example_f1": _fraction("textmill.models.metrics.example_f1:ExampleF1"),
        "lrap": _fraction("textmill.models.metrics.lrap:LabelRankingAveragePrecision"),
        "recall_1": _fraction("textmill.models.metrics.recall:RecallAt1"),
        "recall_5": _fraction("textmill.models.metrics.recall:RecallAt5"),
        "recall_10": _fraction("textmill.models.metrics.recall:RecallAt10"),
        "mrr": _fraction("textmill.models.metrics.mrr:MeanReciprocalRank"),
        "ndcg_10": _fraction("textmill.models.metrics.ndcg:NdcgAt10"),
        "mae": _cost("textmill.models.metrics.mae:MeanAbsoluteError", 0.0),
        "rmse": _cost("textmill.models.metrics.rmse:RootMeanSquaredError", 0.0),
        "pearson": _correlation("textmill.models.metrics.pearson:PearsonCorrelation"),
        "spearman": _correlation(
            "textmill.models.metrics.spearman:SpearmanCorrelation"
        ),
        "bleu": MetricRow(
            path="textmill.models.metrics.bleu:Bleu",
            range=(0.0, 100.0),
            higher_is_better=True,
        ),
        "chrf": MetricRow(
            path="textmill.models.metrics.chrf:Chrf",
            range=(0.0, 100.0),
            higher_is_better=True,
        ),
        "ter": _cost("textmill.models.metrics.ter:Ter", 0.0),
        "rouge_1": _fraction("textmill.models.metrics.rouge:Rouge1"),
        "rouge_2": _fraction("textmill.models.metrics.rouge:Rouge2"),
        "rouge_l": _fraction("textmill.models.metrics.rouge:RougeL"),
        "exact_match": _fraction(
            "textmill.models.metrics.exact_match:ExactMatch",
            answer="textmill.models.metrics.answer_exact_match:AnswerExactMatch",
        ),
        "token_f1": _fraction("textmill.models.metrics.token_f1:TokenF1"),
        "repetition_rate": MetricRow(
            path="textmill.models.metrics.repetition_rate:RepetitionRate",
            range=(0.0, 1.0),
            higher_is_better=False,
        ),
    },
)


def metric_names(task: str) -> list[str]:
    """Returns the metrics of a task: those that its row names, then plugged-in ones."""
    names = list(TASKS[task].metrics)
    return names + [n for n, row in METRICS.items() if task in row.tasks]
