"""Measures the gain of several encoders over the linear model, and their cost.

    textmill run configs/quickstart.yaml --root ROOT --until ingest.libraries
    textmill run configs/quickstart.yaml --root ROOT --until vocabulary
    python tests/benchmarks/bench_encoder.py ROOT [RECIPE ...]

Documents and vocabulary are those of the root. Every recipe trains on train and is
measured on eval, with the linear model of the same documents; test is not read. The
joint model is the calibrated one, cross-fitted. Prints the rows of a table: rows seen,
CPU seconds of training and start, accuracy and log loss of the encoder alone, and of
the joint model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from textmill.components.artifacts import Documents
from textmill.models.calibrated.fit import HeldOut, compare
from textmill.models.config import ModelConfig
from textmill.models.cooccurrence import cooccurrence_vectors
from textmill.models.inference import predict_rows, tokenize_texts
from textmill.models.linear import LinearConfig
from textmill.models.linear.fit import fit_linear
from textmill.models.rows import RowReader, RowSchema, frame_rows
from textmill.models.tasks import TASKS
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import load_tokenizer
from textmill.models.training.config import TrainingConfig
from textmill.models.training.loop import TrainingRun
from textmill.models.weights import start_from_vectors, warm_start

SEED = 17
LENGTH = 96


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model and its trainings."""

    model: dict[str, Any] = field(default_factory=dict)
    embeddings: bool = False
    pretrain: dict[str, Any] | None = None
    mask_rate: float = 0.15
    train: dict[str, Any] = field(
        default_factory=lambda: {"epochs": 3, "learning_rate": 5e-4}
    )


LARGE_BATCH = {"epochs": 2, "learning_rate": 1e-3, "global_batch": 64}
FROZEN = {
    **LARGE_BATCH,
    "learning_rate": 2e-3,
    "methods": {"freeze": {"weights": ["token_embedding"]}},
}
PRETRAIN = {"steps": 300, "global_batch": 64, "learning_rate": 1e-3}
BOTH = {"layers": 1, "pooling": "mean_and_embeddings"}
RECIPES = {
    "pretrained": Recipe(pretrain=PRETRAIN),
    "modern, Muon, 30 % masks": Recipe(
        model={"recipe": "modern"},
        pretrain={**PRETRAIN, "optimizer": "muon"},
        mask_rate=0.3,
    ),
    "from scratch": Recipe(),
    "one layer": Recipe(model={"layers": 1}, train=LARGE_BATCH),
    "one layer, embeddings": Recipe(
        model={"layers": 1}, embeddings=True, train=LARGE_BATCH
    ),
    "one layer, embeddings, both pooled": Recipe(
        model=BOTH, embeddings=True, train=LARGE_BATCH
    ),
    "one layer, embeddings, both pooled, pre-norm, 3 epochs": Recipe(
        model={**BOTH, "norm": "pre"}, embeddings=True
    ),
    "one layer, frozen embeddings, both pooled": Recipe(
        model=BOTH, embeddings=True, train=FROZEN
    ),
}


class Data:
    """Documents of a root, as token ids, rows and the linear model's answers."""

    def __init__(self, root: Path) -> None:
        def newest(pattern: str) -> Path:
            return max(
                root.glob(f"artifacts/{pattern}"), key=lambda p: p.stat().st_mtime
            )

        self.folder = root / "bench_encoder"
        self.folder.mkdir(exist_ok=True)
        self.tokenizer = load_tokenizer(newest("vocabulary/*/vocabulary"))
        documents = Documents(newest("ingest.libraries/*/documents"))
        corpus = Documents(newest("ingest.docs/*/documents"))
        self.num_labels = len(documents.labels)
        self.corpus = self._tokens(corpus, "train")
        self.ids = {
            split: self._tokens(documents, split) for split in ("train", "eval")
        }
        self.targets = {
            split: np.array(
                [documents.labels.index(d["label"]) for d in documents.read(split)]
            )
            for split in ("train", "eval")
        }

    def _tokens(self, documents: Documents, split: str) -> list[np.ndarray]:
        texts = (document["text"] for document in documents.read(split))
        return list(tokenize_texts(self.tokenizer, texts))

    def rows(self, name: str) -> RowReader:
        """Returns the rows of ``train``, ``eval`` or ``corpus``, one a document."""
        ids = self.corpus if name == "corpus" else self.ids[name]
        target = "none" if name == "corpus" else "label"
        schema = RowSchema(LENGTH, wide=False, target=target)
        rows = np.zeros(len(ids), schema.dtype)
        rows["ids"] = self.tokenizer.specials.pad
        for row, tokens in zip(rows, ids, strict=True):
            inside = tokens[: LENGTH - 2]
            row["length"] = len(inside) + 2
            row["ids"][0] = self.tokenizer.specials.start
            row["ids"][1 : len(inside) + 1] = inside
            row["ids"][len(inside) + 1] = self.tokenizer.specials.end
        if target == "label":
            rows["label"] = self.targets[name]
        path = self.folder / f"{name}.rows"
        path.write_bytes(frame_rows(schema, rows))
        return RowReader([path], schema)

    def vectors(self, width: int) -> np.ndarray:
        """Returns the vectors of the corpus."""
        return cooccurrence_vectors(
            self.corpus,
            vocabulary_size=self.tokenizer.size,
            width=width,
            seed=SEED,
        )

    def linear(self) -> np.ndarray:
        """Returns the linear model's probabilities of the eval documents."""
        fitted = fit_linear(
            self.ids["train"],
            self.targets["train"],
            eval_documents=self.ids["eval"],
            eval_targets=self.targets["eval"],
            num_outputs=self.num_labels,
            vocabulary_size=self.tokenizer.size,
            config=LinearConfig(),
            seed=SEED,
        )
        return fitted.probabilities(self.ids["eval"])


def train(
    data: Data,
    task_name: str,
    recipe: Recipe,
    rows: RowReader,
    knobs: dict[str, Any],
    start: Callable[[Task], object],
) -> tuple[Task, int]:
    """Returns a trained task and the rows that it saw."""
    row = TASKS[task_name]
    knobs = {"length_buckets": True, **knobs}
    shape = {"layers": 2, "width": 128, "heads": 2, "sequence_length": LENGTH}
    if task_name == "masked_lm":
        shape["dropout"] = 0.0
        options = {"task_config": row.config(mask_rate=recipe.mask_rate)}
    else:
        options = {"num_labels": data.num_labels}

    def make() -> Task:
        task = row.load()(
            ModelConfig(**{**shape, **recipe.model}),
            vocabulary_size=data.tokenizer.size,
            specials=data.tokenizer.specials,
            seed=SEED,
            **options,
        )
        start(task)
        return task

    config = TrainingConfig(**knobs)
    run = TrainingRun(
        make,
        rows=rows,
        eval_rows=None,
        config=config,
        seed=SEED,
        strategy=tf.distribute.get_strategy(),
    )
    run.run(checkpoints=None, report=lambda event: None, should_stop=lambda: False)
    return run.task, run.step * config.global_batch


def encode(data: Data, recipe: Recipe) -> tuple[np.ndarray, int]:
    """Returns a recipe's probabilities of the eval documents, and the rows it saw."""
    seen = 0

    def start(task: Task) -> None:
        if recipe.embeddings:
            start_from_vectors(task, data.vectors(task.config.width))

    first = start
    if recipe.pretrain:
        base, seen = train(
            data, "masked_lm", recipe, data.rows("corpus"), recipe.pretrain, start
        )
        tensors = {name: v.numpy() for name, v in base.tensors().items()}

        def first(task: Task) -> None:
            warm_start(task, tensors, source="pretraining")

    task, more = train(
        data, "classify", recipe, data.rows("train"), recipe.train, first
    )
    batches = predict_rows(task, data.rows("eval"), target="label", batch=64, seed=SEED)
    return np.concatenate([b["probabilities"] for b in batches]), seen + more


def without_encoder(data: Data) -> np.ndarray:
    """Returns the answers of a logistic regression on the mean of the vectors."""
    vectors = data.vectors(128)
    means = {
        split: np.stack([vectors[ids].mean(axis=0) for ids in documents])
        for split, documents in data.ids.items()
    }
    scaler = StandardScaler().fit(means["train"])
    model = LogisticRegression(max_iter=200)
    model.fit(scaler.transform(means["train"]), data.targets["train"])
    answers: np.ndarray = model.predict_proba(scaler.transform(means["eval"]))
    return answers


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Returns the mean log loss at the best temperature of a grid."""
    logs = np.log(np.maximum(probabilities, 1e-9)).astype(np.float64)
    rows = np.arange(len(targets))
    scales = np.linspace(0.3, 2.0, 35)
    return min(-np.log(softmax(s * logs, axis=1)[rows, targets]).mean() for s in scales)


def main() -> None:
    """Prints a table row a recipe."""
    data, names = Data(Path(sys.argv[1])), sys.argv[2:] or [*RECIPES, "no encoder"]
    linear, targets = data.linear(), data.targets["eval"]
    print("| encoder | rows | CPU s | accuracy | log loss | joint | gain of log loss |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in names:
        began = time.process_time()
        if name == "no encoder":
            answers, seen = without_encoder(data), 0
        else:
            answers, seen = encode(data, RECIPES[name])
        seconds = time.process_time() - began
        joint = compare(HeldOut.of(answers, linear, targets))
        accuracy = (answers.argmax(axis=1) == targets).mean()
        print(
            f"| {name} | {seen:,} | {seconds:.0f} | {accuracy:.3f} "
            f"| {log_loss(answers, targets):.3f} | {joint.accuracy:.3f} "
            f"| {joint.gain:.4f} +- {joint.error:.4f} |",
            flush=True,
        )
    print(f"linear alone: accuracy {joint.linear_accuracy:.3f}")


if __name__ == "__main__":
    main()
