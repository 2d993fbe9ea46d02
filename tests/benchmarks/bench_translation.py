"""Trains English-German on Multi30k from scratch, and measures BLEU on its test split.

    python tests/benchmarks/bench_translation.py FOLDER ROOT [KEY=VALUE ...]

FOLDER holds ``m30k_train.en.gz`` and its siblings. The stage is that of
``configs/translate.yaml``, with the values given as further arguments; without any it
trains for forty minutes. A run that is stopped goes on where it was. The length penalty
of beam search is chosen on the validation split. Prints the rows of a table, and
sacrebleu's signatures.
"""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import sacrebleu
import tensorflow as tf

from textmill.components.artifacts import TrainedModel
from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts
from textmill.models.tasks.seq2seq import Seq2Seq
from textmill.models.tokenizers import Tokenizer
from textmill.models.weights import load_task

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "translate.yaml"
FILES = {"train": "train", "eval": "val", "test": "test_2016_flickr"}
BEAMS, ALPHAS, BATCH = 5, (0.6, 1.0, 1.4), 100


def read(folder: Path, name: str) -> list[tuple[str, str]]:
    """Returns the pairs of a split."""
    sides = [
        gzip.decompress((folder / f"m30k_{name}.{language}.gz").read_bytes())
        for language in ("en", "de")
    ]
    lines = [side.decode().removesuffix("\n").split("\n") for side in sides]
    return list(zip(*lines, strict=True))


def train(folder: Path, root: Path, values: list[str]) -> TrainedModel:
    """Trains the stage, or finds it trained, and prints its processor time."""
    files = {}
    root.mkdir(parents=True, exist_ok=True)
    for split, name in FILES.items():
        path = files[split] = root / f"{split}.jsonl"
        rows = [
            {"id": f"{split}-{i}", "english": english, "german": german}
            for i, (english, german) in enumerate(read(folder, name))
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = json.dumps({split: str(path) for split, path in files.items()})
    settings = [
        f"datasets.pairs.source.jsonl={source}",
        "datasets.pairs.source.id=id",
        "datasets.pairs.clean={dedup: none}",
        "datasets.pairs.split={by: source}",
        *(
            values
            or ["stages.german.train.epochs=null", "stages.german.train.budget=40m"]
        ),
    ]
    command = [sys.executable, "-m", "textmill.pipeline.cli", "run", str(CONFIG)]
    command += ["--root", str(root), "--until", "train.german"]
    began = time.monotonic()
    subprocess.run(command + [w for s in settings for w in ("--set", s)], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"wall {time.monotonic() - began:.0f} s, processor "
        f"{used.ru_utime + used.ru_stime:.0f} s, data and vocabulary included"
    )
    newest = max(
        root.glob("artifacts/train.german/*/model"), key=lambda p: p.stat().st_mtime
    )
    return TrainedModel(newest)


def translate(
    task: Seq2Seq, tokenizer: Tokenizer, texts: list[str], *, beams: int, alpha: float
) -> Iterator[str]:
    """Yields the written text of each source."""

    def write(batch: tf.Tensor) -> tf.Tensor:
        ids, length = tokenizer.pack(batch, task.config.sequence_length)
        mask = tf.cast(tf.range(tf.shape(ids)[1]) < length[:, None], tf.int32)
        features = {"ids": ids, "mask": mask}
        tokens = task.generate(features, beams=beams, alpha=alpha)
        return tokenizer.detokenize(tf.RaggedTensor.from_tensor(tokens))

    graph = tf.function(
        write, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    for start in range(0, len(texts), BATCH):
        written = graph(tf.constant(texts[start : start + BATCH])).numpy()
        yield from (text.decode() for text in written)


def measure(texts: list[str], references: list[str]) -> str:
    """Returns the cells of a row: BLEU with interval, lower-case BLEU, chrF and TER."""
    rows = PredictedRows({"text": texts, "target": references}, PredictionFacts())
    cells = []
    for name in ("bleu", "chrf", "ter"):
        metric = METRICS[name].load()
        value = metric.interval(metric.statistics(rows), rows.facts, seed=17)
        cells.append(f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]")
    lower = sacrebleu.corpus_bleu(texts, [references], lowercase=True).score
    cells.insert(1, f"{lower:.2f}")
    return " | ".join(cells)


def report(folder: Path, model: TrainedModel) -> None:
    """Prints the table of a trained model."""
    task, tokenizer = load_task(
        model.path / model.WEIGHTS, model.path / model.TOKENIZER, model.facts
    )
    assert isinstance(task, Seq2Seq)
    splits = {s: read(folder, FILES[s]) for s in ("eval", "test")}

    def written(split: str, beams: int, alpha: float = 0.0) -> list[str]:
        sources = [source for source, _ in splits[split]]
        return list(translate(task, tokenizer, sources, beams=beams, alpha=alpha))

    references = {s: [target for _, target in pairs] for s, pairs in splits.items()}
    scores = {}
    for alpha in ALPHAS:
        texts = written("eval", BEAMS, alpha)
        scores[alpha] = sacrebleu.corpus_bleu(texts, [references["eval"]]).score
        print(f"validation, beam {BEAMS}, alpha {alpha}: BLEU {scores[alpha]:.2f}")
    best = max(scores, key=scores.__getitem__)
    print("| decoding | BLEU | BLEU, lower case | chrF2 | TER |")
    for title, beams, alpha in (("greedy", 1, 0.0), (f"beam {BEAMS}", BEAMS, best)):
        texts = written("test", beams, alpha)
        print(f"| {title} | {measure(texts, references['test'])} |", flush=True)
    for name in ("bleu", "chrf", "ter"):
        print(name, METRICS[name].load().signature(PredictionFacts()))


if __name__ == "__main__":
    data = Path(sys.argv[1])
    report(data, train(data, Path(sys.argv[2]), sys.argv[3:]))
