"""Classifiers of the product and of scikit-learn on five sets: the tables in the docs.

    python tests/benchmarks/bench_classifiers.py FOLDER ROOT [--splits given,1,2] \
        [--sets THUCNews,quickstart]

FOLDER holds the data sets, ROOT takes the runs. A split is ``given``, or the number of
a fold, 1 to 5. A split that is measured is not measured again, so the command continues
after an interruption. All models see the same texts, learn from train and choose their
penalty on eval. ``classifier_data.py`` has the sets, ``classifier_peers.py`` the models
of scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from classifier_data import FOLDS, READERS, Example, write_splits
from classifier_peers import Split, count_ngrams, nbsvm, tfidf
from sklearn.metrics import f1_score

from textmill.components.artifacts import Documents, Predictions, TrainedModel
from textmill.models.inference import tokenize_texts
from textmill.models.linear import LinearConfig
from textmill.models.linear.ngrams import length_factors
from textmill.models.linear.solvers import logistic_weights
from textmill.models.metrics.intervals import bootstrap_ratio
from textmill.models.tokenizers import load_tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
QUICKSTART, GIVEN, RESULT = "quickstart", "given", "result.json"
STAGE, SEED = "classifier", 17
STEPS = {"linear": "predict_linear", "encoder": "predict", "joint": "calibrate"}
PEERS = ("TF-IDF + LR", "NB-SVM")
EXACT = "exact n-grams"
WIDTHS = {"THUCNews": 32, "hotel reviews": 128}
CONFIG = """\
name: classifiers
datasets:
  texts:
    source:
      jsonl:
        train: {folder}/train.jsonl
        eval: {folder}/eval.jsonl
        test: {folder}/test.jsonl
      label: label
      id: id
    clean: {{dedup: none, min_chars: 1}}
    split: {{by: source}}
vocabulary: {{kind: wordpiece, size: 8000, learn_from: texts}}
model:
  layers: 1
  width: 128
  heads: 2
  sequence_length: {length}
  pooling: mean_and_embeddings
stages:
  {stage}:
    task: classify
    dataset: texts
    embeddings: texts
    train:
      epochs: 3
      global_batch: 32
      learning_rate: 5e-4
      length_buckets: true
      xla: false
"""


class Run:
    """A run of the product.

    Attributes:
        summary: its ``summary.json``.
    """

    def __init__(self, config: Path, root: Path, *options: str) -> None:
        """Runs the nodes of a config that are not up to date."""
        command = [sys.executable, "-m", "textmill.pipeline.cli", "run", str(config)]
        done = subprocess.run(
            [*command, "--root", str(root), "--json", *options],
            check=True,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.summary: dict[str, Any] = json.loads(done.stdout)
        self._root = root

    def output(self, node: str, name: str) -> Path:
        """Returns the folder of an output of a node."""
        path: str = self.summary["nodes"][node]["outputs"][name]
        return self._root / path


def read_quickstart(root: Path) -> Iterator[Example]:
    """Yields the labelled paragraphs of the quickstart, in its own splits."""
    config = REPOSITORY / "configs" / "quickstart.yaml"
    run = Run(config, root, "--until", "ingest.libraries")
    documents = Documents(run.output("ingest.libraries", "documents"))
    for split in ("train", "eval", "test"):
        for record in documents.read(split):
            names = {name: record[name] for name in ("id", "text", "label")}
            yield Example(**names, group=record["module"], split=split)


def measure(name: str, split: str, examples: Iterable[Example], root: Path) -> None:
    """Writes the answers of all classifiers on one split, ``result.json``."""
    write_splits(examples, split, root)
    config = root / "config.yaml"
    length = WIDTHS.get(name, 96)
    config.write_text(CONFIG.format(folder=root, length=length, stage=STAGE))
    run = Run(config, root / "run")
    documents = Documents(run.output("ingest.texts", "documents"))
    train, held_out, test = (
        _texts(documents, part) for part in ("train", "eval", "test")
    )
    predictions = {
        model: _read(Predictions(run.output(f"{step}.{STAGE}", "predictions")))
        for model, step in STEPS.items()
    }
    answers = {m: p["probabilities"].argmax(1) for m, p in predictions.items()}
    answers["majority"] = np.full(len(test[1]), np.bincount(train[1]).argmax())
    answers |= _peers(root / "peers.json", train, held_out, test)
    model = TrainedModel(run.output(f"linear.{STAGE}", "model"))
    answers[EXACT] = _exact(model, train, test)
    result = {
        "targets": test[1].tolist(),
        "groups": [record["group"] for record in documents.read("test")],
        "answers": {model: labels.tolist() for model, labels in answers.items()},
        "confident": predictions["joint"]["confident"].tolist(),
    }
    (root / RESULT).write_text(json.dumps(result))


def _peers(
    stored: Path, train: Split, held_out: Split, test: Split
) -> dict[str, np.ndarray]:
    """Returns the answers of scikit-learn's models, from a file if it exists."""
    if not stored.exists():
        answers = {}
        for peer, fit in zip(PEERS, (tfidf, nbsvm), strict=True):
            scored = fit(train, held_out, test)
            answers[peer] = max(scored.values(), key=lambda pair: pair[0])[1].tolist()
        stored.write_text(json.dumps(answers))
    return {p: np.array(a) for p, a in json.loads(stored.read_text()).items()}


def _texts(documents: Documents, split: str) -> Split:
    records = list(documents.read(split))
    numbers = [documents.labels.index(record["label"]) for record in records]
    return [record["text"] for record in records], np.array(numbers)


def _read(predictions: Predictions) -> dict[str, np.ndarray]:
    groups = list(predictions.read_groups())
    return {
        name: np.concatenate([group[name] for group in groups]) for name in groups[0]
    }


def _exact(model: TrainedModel, train: Split, test: Split) -> np.ndarray:
    """Returns the answers of the linear model's recipe on scikit-learn's n-grams."""
    tokenizer = load_tokenizer(model.path / model.TOKENIZER)
    facts = model.facts["model"]
    ids = [list(tokenize_texts(tokenizer, texts)) for texts, _ in (train, test)]
    rows, test_rows = count_ngrams(
        *ids,
        order=facts["order"],
        min_documents=LinearConfig().min_documents,
    )
    is_label = train[1][:, None] == np.arange(len(model.facts["labels"]))
    weights, bias = logistic_weights(
        rows, length_factors(ids[0]), is_label, cost=facts["cost"], seed=SEED
    )
    factors = length_factors(ids[1])[:, None]
    return np.argmax(test_rows @ weights * factors + bias, axis=1)


def paired_p(differences: np.ndarray, groups: list[str]) -> float:
    """Returns the one-sided p value of a mean difference, by random signs of groups.

    Args:
        differences: hits of one model minus hits of another, by text.
        groups: the group of each text; texts of one group depend on each other.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    sums = np.bincount(numbers, differences)
    signs = np.random.default_rng(SEED).choice((-1, 1), (9999, len(sums)))
    return float((1 + (signs @ sums >= sums.sum()).sum()) / 10_000)


def tables(sets: dict[str, list[dict[str, Any]]]) -> str:
    """Returns two tables with a row a set: accuracies, and the joint model's merits."""
    models = ("majority", *PEERS, *STEPS)
    merits = (
        "joint - better part",
        "joint - scikit-learn",
        "p",
        "joint, macro F1",
        "confident",
        "errors among them",
        "linear - exact n-grams",
    )
    hits = {name: [_hits(result) for result in sets[name]] for name in sets}
    accuracies = {
        name: [
            f"{sum(len(result['targets']) for result in sets[name]):,}",
            *(_spread([hit[model].mean() for hit in hits[name]]) for model in models),
        ]
        for name in sets
    }
    compared = {name: _merits(sets[name], hits[name]) for name in sets}
    return f"{_table(('texts', *models), accuracies)}\n\n{_table(merits, compared)}"


def _table(columns: tuple[str, ...], rows: dict[str, list[str]]) -> str:
    lines = [("set", *columns), ("---",) * (1 + len(columns))]
    lines += [(name, *cells) for name, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _hits(result: dict[str, Any]) -> dict[str, np.ndarray]:
    return {
        model: np.equal(labels, result["targets"]).astype(int)
        for model, labels in result["answers"].items()
    }


def _spread(values: list[float]) -> str:
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.3f}"


def _merits(
    results: list[dict[str, Any]], hits: list[dict[str, np.ndarray]]
) -> list[str]:
    """Returns differences in points, p value, macro F1, and confident answers."""
    means = {m: 100 * float(np.mean([h[m].mean() for h in hits])) for m in hits[0]}
    answers = [(result["targets"], result["answers"]["joint"]) for result in results]
    f1 = [f1_score(*pair, average="macro") for pair in answers]
    peer = max(PEERS, key=means.__getitem__)
    p = paired_p(
        np.concatenate([hit["joint"] - hit[peer] for hit in hits]),
        [group for result in results for group in result["groups"]],
    )
    return [
        f"{means['joint'] - max(means['linear'], means['encoder']):+.1f}",
        f"{means['joint'] - means[peer]:+.1f}",
        f"{p:.4f}",
        f"{np.mean(f1):.3f}",
        *_confidence(results, hits),
        f"{means['linear'] - means[EXACT]:+.2f}",
    ]


def _confidence(
    results: list[dict[str, Any]], hits: list[dict[str, np.ndarray]]
) -> list[str]:
    """Returns the share of confident answers, and errors among them, by groups."""
    confident = np.concatenate([result["confident"] for result in results])
    errors = confident * (1 - np.concatenate([hit["joint"] for hit in hits]))
    groups = [group for result in results for group in result["groups"]]
    _, numbers = np.unique(groups, return_inverse=True)
    share = bootstrap_ratio(
        np.bincount(numbers, errors), np.bincount(numbers, confident), seed=SEED
    )
    interval = f"[{share['low']:.3f}, {share['high']:.3f}]"
    return [f"{confident.mean():.2f}", f"{share['value']:.3f} {interval}"]


def main() -> None:
    """Measures the splits that are not measured yet, and prints the tables."""
    folds = [str(number) for number in range(1, FOLDS + 1)]
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--splits", default=",".join([GIVEN, *folds]))
    parser.add_argument("--sets", default=",".join([QUICKSTART, *READERS]))
    options = parser.parse_args()
    root: Path = options.root.resolve()
    readers: dict[str, Callable[[], Iterator[Example]]] = {
        QUICKSTART: partial(read_quickstart, root / QUICKSTART),
        **{name: partial(r, options.folder.resolve()) for name, r in READERS.items()},
    }
    results: dict[str, dict[str, list[dict[str, Any]]]] = {"given": {}, "folds": {}}
    for split in options.splits.split(","):
        for name in options.sets.split(","):
            place = root / name.replace(" ", "_") / split
            if not (place / RESULT).exists():
                measure(name, split, readers[name](), place)
            result = json.loads((place / RESULT).read_text())
            print(tables({f"{name}, {split}": [result]}), file=sys.stderr, flush=True)
            kind = GIVEN if split == GIVEN else "folds"
            results[kind].setdefault(name, []).append(result)
    print(*(f"{kind}:\n\n{tables(sets)}\n" for kind, sets in results.items() if sets))


if __name__ == "__main__":
    main()
