"""Training: token rows become a model."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import (
    TokenRows,
    TrainedModel,
    TrainingLogs,
    Vocabulary,
    write_json,
)
from textmill.components.base import Component, Context, Input, Output
from textmill.components.manifest import canonical_json
from textmill.models.config import ModelConfig
from textmill.models.errors import IntegrityError
from textmill.models.pretrained import PretrainedConfig
from textmill.models.tasks import TASKS, TaskName
from textmill.models.tasks.config import MaskedLMConfig
from textmill.models.training.config import StrategyName, TrainingConfig

if TYPE_CHECKING:
    from textmill.models.rows import RowReader
    from textmill.models.tasks.task import Task
    from textmill.models.tokenizers import Tokenizer
    from textmill.models.training.monitor import TrainingMonitor


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """A model, its task, and how it is trained."""

    task: TaskName
    """What the model learns."""
    model: ModelConfig
    """The model's shape."""
    init: PretrainedConfig | None = None
    """The folder that it starts from, unless from a base model or from scratch."""
    train: TrainingConfig
    """The knobs of the loop."""
    task_config: Any = None
    """The knobs of the task, of the class that ``TASKS`` names; None is their
    defaults."""
    seed: int = 17
    """Seed of weights, order, masks and dropout."""
    strategy: StrategyName = "auto"
    """How the step is spread over devices."""
    threads: int = 0
    """Cores that an operation is spread over, as found on this machine: the last bits
    of a sum depend on them, so they are part of the cache key."""


def train(
    *,
    rows: Input[TokenRows],
    vocabulary: Input[Vocabulary],
    base: Input[TrainedModel] | None = None,
    model: Output[TrainedModel],
    logs: Output[TrainingLogs],
    config: TrainerConfig,
    context: Context,
) -> None:
    """Trains from scratch, ``base`` or a folder, resuming from the last checkpoint.

    Of many workers, the chief alone writes.

    Raises:
        ConfigError: the model has another shape than the folder that it starts from.
        Diverged: the loss is NaN or infinite.
        IntegrityError: what it starts from was made with another vocabulary or shape,
            or the checkpoint by another run.
        Preempted: stopped from outside after committing a checkpoint.
    """
    from textmill.models.rows import RowReader, RowSchema
    from textmill.models.tokenizers import load_tokenizer
    from textmill.models.training.checkpoint import Checkpoints
    from textmill.models.training.loop import TrainingRun
    from textmill.models.training.strategy import ReplicaContext, make_strategy
    from textmill.models.training.tensorboard import write_curves

    strategy = make_strategy(config.strategy)
    is_chief = ReplicaContext(strategy).is_chief
    schema = RowSchema.of(rows.facts)
    eval_rows = RowReader(rows.shards("eval"), schema)
    tokenizer = load_tokenizer(vocabulary.path)
    run = TrainingRun(
        lambda: _make_task(
            config, tokenizer, rows=rows, vocabulary=vocabulary, base=base
        ),
        rows=RowReader(rows.shards("train"), schema),
        eval_rows=eval_rows,
        config=config.train,
        seed=config.seed,
        strategy=strategy,
    )
    checkpoints = live = None
    if context.work_dir is not None and context.key is not None:
        checkpoints = Checkpoints(
            context.work_dir / "checkpoints",
            key=context.key,
            writes=is_chief,
        )
        live = context.work_dir / logs.EVENTS if is_chief else None
    run.run(
        checkpoints=checkpoints,
        report=context.report,
        should_stop=context.should_stop,
        monitor=_monitor(live, run.task, config, eval_rows, tokenizer),
    )
    if is_chief:
        _write_model(run.task, model, config=config, rows=rows, vocabulary=vocabulary)
        curves, events = logs.file(logs.SCALARS), logs.path / logs.EVENTS
        write_curves(run.history, curves, events, live=live)
        history = hashlib.sha256(canonical_json(run.history)).hexdigest()
        logs.identity = {"history": history}


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
        return train_flops(task.config, length=length, head=task.head_flops(length))

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
) -> Task:
    shape = config.model
    if config.train.dropout is not None:
        shape = replace(shape, dropout=config.train.dropout)
    task = TASKS[config.task].load()(
        shape,
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        seed=config.seed,
        num_labels=len(rows.facts["labels"]),
        task_config=config.task_config,
        attention=rows.facts["attention"],
        next_sentence=_has_pairs(rows),
    )
    if base is not None:
        task.init = _start_from_base(task, base, vocabulary)
    elif config.init is not None:
        from textmill.models.pretrained.warm_start import start_from_folder

        task.init = start_from_folder(task, config.init, tokenizer)
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


def _has_pairs(rows: TokenRows) -> bool:
    return bool(rows.facts["schema"]["parts"] == "sentences")


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
    folder = model.path / model.TOKENIZER
    folder.mkdir()
    for path in vocabulary.files():
        shutil.copyfile(path, folder / path.name)
    facts: dict[str, Any] = {
        "task": config.task,
        "model": asdict(config.model),
        "labels": rows.facts["labels"],
        "vocabulary": vocabulary.digest,
        "parameters": task.model.count_params(),
        "task_config": asdict(task.task_config),
        "attention": rows.facts["attention"],
        "next_sentence": _has_pairs(rows),
        "init": task.init,
    }
    model.facts, model.identity = facts, {"tensors": tensors, **_identity(facts)}
    write_json(model.file("model.json"), facts)


def _identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the facts in the form of the digest, older than tasks' own configs.

    Every model has masking there, if only the defaults, and ``loss_chunk`` is a part of
    its shape.
    """
    own = dict(facts["task_config"])
    masking = {f.name: own.pop(f.name, f.default) for f in fields(MaskedLMConfig)}
    return {
        **{name: value for name, value in facts.items() if name != "task_config"},
        **({"task_config": own} if own.keys() - {"loss_chunk"} else {}),
        "model": {**facts["model"], "loss_chunk": own.get("loss_chunk")},
        "masking": {
            "rate": masking["mask_rate"],
            "whole_words": masking["mask_whole_words"],
            "span": masking["mask_span"],
            "longest_span": masking["longest_span"],
            "static": masking["dupe_factor"] is not None,
        },
    }


class Trainer(Component, executor=train, resumable=True):
    """Token rows, vocabulary, [base model] -> trained model, training logs."""

    @classmethod
    def external_files(cls, config: TrainerConfig) -> list[Path]:
        """Returns the files of the folder that training starts from, if any.

        Raises:
            ConfigError: one is missing, or of a kind that is not opened.
        """
        return config.init.files() if config.init else []
