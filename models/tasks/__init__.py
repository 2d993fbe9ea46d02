"""TASKS: the light table of tasks. Adding a task = a file and a row.

Read in this order: this table; ``config.py``, the knobs of each task; ``task.py``, the
base class (features from rows, sums by row, never means: the loop adds those of all
rows and replicas and divides once); ``server.py``, the base class of the graph that
answers texts; ``pooled.py`` with ``classify.py``, the shortest task,
``multilabel.py`` and ``regress.py``; ``masked_lm.py`` with
``masking.py``; ``causal_lm.py`` with ``chunked_loss.py`` and ``write_server.py``, then
``respond.py``. Importing this package loads no TensorFlow; ``TASKS[name].load()`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from textmill.models.errors import ConfigError, one_of
from textmill.models.registry import NameIn, Table, load_object
from textmill.models.targets import TARGETS
from textmill.models.tasks.config import (
    AnswerConfig,
    CausalLMConfig,
    EmbedConfig,
    MaskedLMConfig,
    NoTaskConfig,
    Seq2SeqConfig,
)

if TYPE_CHECKING:
    from textmill.models.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A row of ``TASKS``: the facts about a task that other code needs."""

    path: str
    """``package.module:Class`` of the ``Task``."""
    families: tuple[str, ...]
    """Backbones that can learn it; ``linear`` is also joined with the others."""
    target: str = "none"
    """Kind of target that its documents carry: see ``textmill.models.targets``."""
    texts: tuple[int, ...] = (1,)
    """Numbers of texts that it takes of a document."""
    packings: tuple[str, ...]
    """Packings of its rows; the default is the first that takes the documents' number
    of texts."""
    metrics: tuple[str, ...]
    """Metrics of its evaluation."""
    config: type = NoTaskConfig
    """Dataclass of its own knobs, which ``train`` of its stages also takes."""
    next_token: bool = False
    """Rows have one more token than the model reads, the target of the last one, and
    documents begin after an end token, as in serving."""
    marks_words: bool = False
    """Rows mark the first token of every word."""
    writes_text: bool = False
    """The task continues texts (``Task.write``)."""
    generates: bool = False
    """Its answers are written token by token, as the stage's ``generate`` says."""
    predicts: Literal["rows", "documents"] = "rows"
    """Outputs of an evaluation are those of token rows (``Task.predictions``), or the
    served graph's of whole documents (``Server.document_outputs``), for answers that a
    row does not hold, such as a text or spans of characters."""

    retrieves: bool = False
    """It finds the second text of a document among those of a split: predictions have
    its ``rank``, and evaluations the baseline ``bm25``."""

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            expected = f"a kind of target ({one_of(list(TARGETS))})"
            raise ConfigError(f"{self.path}: expected {expected}, got {self.target!r}")
        known = TARGETS[self.target].packings
        if not known:
            raise ConfigError(
                f"{self.path}: rows do not hold the target {self.target} yet; "
                "expected a task with another kind"
            )
        for packing in set(self.packings) - set(known):
            raise ConfigError(
                f"{self.path}: expected packing {one_of(known)} with target "
                f"{self.target}, got {packing}"
            )

    @property
    def has_document_rows(self) -> bool:
        """True if the rows of its predictions are documents, one each."""
        return self.target != "none" or self.predicts == "documents"

    @property
    def has_targets_in_rows(self) -> bool:
        """True if rows hold texts to write, which may have their own vocabulary."""
        return self.families == ("encoder_decoder",)

    @property
    def has_linear(self) -> bool:
        """True if a linear model learns it too: its baseline, and a part of it."""
        return "linear" in self.families

    def load(self) -> type[Task]:
        """Imports the task, and with it TensorFlow and Keras."""
        task: type[Task] = load_object(self.path)
        return task


_LANGUAGE_METRICS = ("loss", "perplexity", "bits_per_byte", "accuracy")
_WRITING_METRICS = (
    *("bleu", "chrf", "ter", "rouge_1", "rouge_2", "rouge_l"),
    *("exact_match", "repetition_rate", *_LANGUAGE_METRICS),
)

TASKS = Table(
    "textmill.tasks",
    "task",
    {
        "masked_lm": TaskRow(
            path="textmill.models.tasks.masked_lm:MaskedLM",
            families=("bert",),
            packings=("concat", "pad", "best_fit", "sentence_pair"),
            metrics=(*_LANGUAGE_METRICS, "next_accuracy"),
            config=MaskedLMConfig,
            marks_words=True,
        ),
        "causal_lm": TaskRow(
            path="textmill.models.tasks.causal_lm:CausalLM",
            families=("gpt",),
            packings=("concat", "pad", "best_fit", "response"),
            metrics=_LANGUAGE_METRICS,
            config=CausalLMConfig,
            next_token=True,
            writes_text=True,
            generates=True,
        ),
        "respond": TaskRow(
            path="textmill.models.tasks.respond:Respond",
            families=("gpt",),
            target="text",
            packings=("response",),
            metrics=_WRITING_METRICS,
            config=CausalLMConfig,
            next_token=True,
            generates=True,
            predicts="documents",
        ),
        "classify": TaskRow(
            path="textmill.models.tasks.classify:Classify",
            families=("bert", "gpt", "lstm", "linear"),
            target="label",
            texts=(1, 2),
            packings=("pad", "pair"),
            metrics=(
                "accuracy",
                "macro_f1",
                "macro_precision",
                "macro_recall",
                "micro_f1",
                "mcc",
                "top_3_accuracy",
                "top_5_accuracy",
                "loss",
            ),
        ),
        "multilabel": TaskRow(
            path="textmill.models.tasks.multilabel:Multilabel",
            families=("bert", "gpt", "lstm", "linear"),
            target="labels",
            packings=("pad",),
            metrics=(
                "micro_f1",
                "macro_f1",
                "example_f1",
                "lrap",
                "accuracy",
                "loss",
            ),
        ),
        "regress": TaskRow(
            path="textmill.models.tasks.regress:Regress",
            families=("bert", "gpt", "lstm", "linear"),
            target="number",
            texts=(1, 2),
            packings=("pad", "pair"),
            metrics=("mae", "rmse", "pearson", "spearman"),
        ),
        "tag": TaskRow(
            path="textmill.models.tasks.tag:Tag",
            families=("bert", "gpt", "lstm"),
            target="tags",
            packings=("strides", "pad"),
            metrics=("span_f1", "span_precision", "span_recall"),
            predicts="documents",
        ),
        "answer": TaskRow(
            path="textmill.models.tasks.answer:Answer",
            families=("bert",),
            target="answer",
            texts=(2,),
            packings=("strides",),
            metrics=("exact_match", "token_f1"),
            config=AnswerConfig,
            predicts="documents",
        ),
        "embed": TaskRow(
            path="textmill.models.tasks.embed:Embed",
            families=("bert", "gpt", "lstm"),
            texts=(2, 3),
            packings=("texts",),
            metrics=("recall_1", "recall_5", "recall_10", "mrr", "ndcg_10"),
            config=EmbedConfig,
            predicts="documents",
            retrieves=True,
        ),
        "seq2seq": TaskRow(
            path="textmill.models.tasks.seq2seq:Seq2Seq",
            families=("encoder_decoder",),
            target="text",
            packings=("encoder_decoder",),
            metrics=_WRITING_METRICS,
            config=Seq2SeqConfig,
            generates=True,
            predicts="documents",
        ),
    },
)

TaskName = Annotated[str, NameIn(TASKS)]
