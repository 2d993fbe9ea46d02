"""Training: token rows become a model."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import (
    OUT_OF_FOLD,
    Documents,
    Predictions,
    TokenRows,
    TrainedModel,
    TrainingLogs,
    Vocabulary,
    write_json,
)
from textmill.components.base import Component, Context, Input, Output
from textmill.components.manifest import canonical_json, make_folder
from textmill.models.config import ModelConfig
from textmill.models.errors import DataError, IntegrityError
from textmill.models.pretrained import PretrainedConfig
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS, TaskName
from textmill.models.training.config import StrategyName, TrainingConfig

if TYPE_CHECKING:
    from textmill.models.rows import RowReader, RowSchema
    from textmill.models.tasks.task import Task
    from textmill.models.tokenizers import Tokenizer
    from textmill.models.training.checkpoint import Checkpoints
    from textmill.models.training.monitor import TrainingMonitor


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """A model, its task and its training."""

    task: TaskName
    """Task of the model."""
    model: ModelConfig
    """Dimensions of the model."""
    init: PretrainedConfig | None = None
    """Pretrained folder to start from, if any."""
    train: TrainingConfig
    """Options of the training run."""
    task_config: Any = None
    """The knobs of the task, of the class that ``TASKS`` names. Not set: their
    defaults."""
    fold: int | None = None
    """Fold to validate on, counted from 1; training is on all others. Not set: train
    and eval."""
    seed: int = 17
    """Seed of weights, order, masks and dropout."""
    strategy: StrategyName = "auto"
    """Distribution of the step over devices."""
    threads: int = 0
    """Number of cores of this machine: the last bits of a sum depend on it, so it is
    part of the cache key."""


def train(
    *,
    rows: Input[TokenRows],
    vocabulary: Input[Vocabulary],
    base: Input[TrainedModel] | None = None,
    corpus: Input[Documents] | None = None,
    teacher: Input[Predictions] | None = None,
    model: Output[TrainedModel],
    logs: Output[TrainingLogs],
    config: TrainerConfig,
    context: Context,
) -> None:
    """Trains from scratch, ``base`` or a folder, resuming from the last checkpoint.

    From scratch, ``corpus`` gives the first token embeddings. A ``teacher`` gives the
    out-of-fold probabilities that the model also learns. With several workers, only the
    chief writes.

    Raises:
        ConfigError: the model's dimensions differ from the folder's.
        DataError: the fold does not exist.
        Diverged: the loss is NaN or infinite.
        IntegrityError: the base has another vocabulary or other dimensions, the teacher
            other rows, or the checkpoint is of another run.
        Preempted: stopped from outside after committing a checkpoint.
    """
    context.report({"phase": "importing"})
    from textmill.models.rows import RowReader, RowSchema
    from textmill.models.tokenizers import load_tokenizer
    from textmill.models.training.loop import TrainingRun
    from textmill.models.training.strategy import ReplicaContext, make_strategy

    context.report({"phase": "building the model"})
    strategy = make_strategy(config.strategy)
    is_chief = ReplicaContext(strategy).is_chief
    schema = RowSchema.of(rows.facts)
    train_rows = _train_rows(rows, config.fold, schema, teacher)
    eval_rows = RowReader(rows.shards(rows.held_out_split(config.fold)), schema)
    tokenizer = load_tokenizer(vocabulary.path)
    run = TrainingRun(
        lambda: _make_task(
            config,
            tokenizer,
            rows=rows,
            vocabulary=vocabulary,
            base=base,
            corpus=corpus,
            train_rows=train_rows,
        ),
        rows=train_rows,
        eval_rows=eval_rows,
        config=config.train,
        seed=config.seed,
        strategy=strategy,
    )
    live = context.work_dir / logs.EVENTS if context.work_dir and is_chief else None
    run.run(
        checkpoints=_open_checkpoints(context, writes=is_chief),
        report=context.report,
        should_stop=context.should_stop,
        monitor=_monitor(live, run.task, config, eval_rows, tokenizer),
    )
    context.report({"phase": "saving"})
    if is_chief:
        run.task.tune(eval_rows, seed=config.seed)
        _write_model(run.task, model, config=config, rows=rows, vocabulary=vocabulary)
        _write_logs(run.history, logs, live)


def _train_rows(
    rows: TokenRows, fold: int | None, schema: RowSchema, teacher: Predictions | None
) -> RowReader:
    """Returns the rows to learn from, with the teacher's probabilities if there is one.

    Raises:
        IntegrityError: the teacher's predictions are of other rows.
    """
    import numpy as np

    from textmill.models.rows import RowReader, TaughtRows

    splits = rows.train_splits(fold)
    shards = rows.shards(*splits)
    if teacher is None:
        return RowReader(shards, schema)
    names = ("fold", "target", "probabilities")
    groups = list(teacher.read_groups(OUT_OF_FOLD))
    by_fold, targets, taught = (np.concatenate([g[n] for g in groups]) for n in names)
    is_learned = np.isin(by_fold, [rows.folds.index(split) + 1 for split in splits])
    stored = RowReader(shards, schema).column(TARGETS["label"].field)
    if not np.array_equal(stored, targets[is_learned]):
        raise IntegrityError(
            f"{teacher.path}: predictions of other rows than {rows.path}; run the "
            "pipeline again"
        )
    return TaughtRows(shards, schema, taught[is_learned])


def _open_checkpoints(context: Context, *, writes: bool) -> Checkpoints | None:
    from textmill.models.training.checkpoint import Checkpoints

    if context.work_dir is None or context.key is None:
        return None
    folder = context.work_dir / "checkpoints"
    if writes:
        make_folder(folder)
    return Checkpoints(folder, key=context.key, writes=writes)


def _write_logs(
    history: list[dict[str, Any]], logs: TrainingLogs, live: Path | None
) -> None:
    from textmill.models.training.tensorboard import write_curves

    write_curves(history, logs.file(logs.SCALARS), logs.path / logs.EVENTS, live=live)
    digest = hashlib.sha256(canonical_json(history)).hexdigest()
    logs.identity = {"history": digest}


def _monitor(
    folder: Path | None,
    task: Task,
    config: TrainerConfig,
    eval_rows: RowReader,
    tokenizer: Tokenizer,
) -> TrainingMonitor:
    from textmill.models.backbones.flops import train_flops
    from textmill.models.inference import sample_rows
    from textmill.models.training.monitor import TrainingMonitor

    def flops(width: int) -> float:
        length = width - TASKS[config.task].next_token
        head = task.head_flops(length)
        return eval_rows.num_texts * train_flops(task.config, length=length, head=head)

    return TrainingMonitor(
        folder,
        flops=flops,
        samples=lambda task: sample_rows(task, eval_rows, tokenizer),
        profile=config.train.profile,
    )


def _make_task(
    config: TrainerConfig,
    tokenizer: Tokenizer,
    *,
    rows: TokenRows,
    vocabulary: Vocabulary,
    base: TrainedModel | None,
    corpus: Documents | None,
    train_rows: RowReader,
) -> Task:
    shape = config.model
    if config.train.dropout is not None:
        shape = replace(shape, dropout=config.train.dropout)
    row = TASKS[config.task]
    task = row.load()(
        shape,
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        seed=config.seed,
        num_labels=len(rows.facts["labels"]),
        task_config=config.task_config or row.config(),
        attention=rows.facts["attention"],
        next_sentence=_parts(rows) == "sentences",
        pair=_parts(rows) == "pair",
        target_ids=tokenizer.target_ids if row.has_targets_in_rows else None,
    )
    if base is not None:
        task.init = _start_from_base(task, base, vocabulary)
    elif config.init is not None:
        from textmill.models.pretrained.warm_start import start_from_folder

        task.init = start_from_folder(task, config.init, tokenizer)
    elif corpus is not None:
        _start_from_corpus(task, corpus, tokenizer, seed=config.seed)
    task.prepare(train_rows)
    return task


def _start_from_base(
    task: Task, base: TrainedModel, vocabulary: Vocabulary
) -> dict[str, Any]:
    from safetensors.numpy import load_file

    from textmill.models.weights import warm_start

    if base.facts["vocabulary"] != vocabulary.digest:
        raise IntegrityError(
            f"{base.path}: trained with vocabulary {base.facts['vocabulary'][:12]}, "
            f"this stage's is {vocabulary.digest[:12]}; train the base again"
        )
    tensors = load_file(base.path / base.WEIGHTS)
    return warm_start(task, tensors, source=str(base.path))


def _start_from_corpus(
    task: Task, corpus: Documents, tokenizer: Tokenizer, *, seed: int
) -> None:
    """Sets the token embeddings to vectors of the corpus' co-occurrence.

    Raises:
        DataError: its train split has no tokens that are neighbors.
    """
    from textmill.models.cooccurrence import cooccurrence_vectors
    from textmill.models.inference import tokenize_texts
    from textmill.models.weights import start_from_vectors

    texts = (document["text"] for document in corpus.read("train"))
    vectors = cooccurrence_vectors(
        tokenize_texts(tokenizer, texts),
        vocabulary_size=tokenizer.size,
        width=task.config.width,
        seed=seed,
    )
    if not vectors.any():
        raise DataError(
            "embeddings: expected documents of two tokens or more in split train of "
            f"the corpus, found none of {corpus.splits.get('train', 0):,}; give "
            "datasets.*.split a train share, or leave embeddings out"
        )
    start_from_vectors(task, vectors)


def _parts(rows: TokenRows) -> str:
    """Returns the kind of the parts of a row: see ``RowSchema``."""
    parts: str = rows.facts["schema"]["parts"]
    return parts


def _write_model(
    task: Task,
    model: TrainedModel,
    *,
    config: TrainerConfig,
    rows: TokenRows,
    vocabulary: Vocabulary,
) -> None:
    from textmill.models.weights import save_weights

    tensors = save_weights(task, model.file(model.WEIGHTS))
    model.copy_tokenizer(vocabulary.path, vocabulary.files())
    facts: dict[str, Any] = {
        "task": config.task,
        "model": asdict(config.model),
        "labels": rows.facts["labels"],
        "vocabulary": vocabulary.digest,
        "parameters": task.model.count_params(),
        "task_config": asdict(task.task_config),
        "attention": rows.facts["attention"],
        "next_sentence": task.next_sentence,
        "pair": task.pair,
        "texts": 2 if task.pair else 1,
        "init": task.init,
    }
    model.facts, model.identity = facts, {"tensors": tensors, **facts}
    write_json(model.file("model.json"), facts)


class Trainer(Component, executor=train, resumable=True):
    """Token rows, vocabulary, [base model, corpus, teacher] -> trained model, logs."""

    @classmethod
    def external_files(cls, config: TrainerConfig) -> list[Path]:
        """Returns the files of the folder that training starts from, if any.

        Raises:
            ConfigError: a file is missing, or of an unsafe kind.
        """
        return config.init.files() if config.init else []
