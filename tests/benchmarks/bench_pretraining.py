"""Measures masked-LM pretraining of a small classifier: a table in pretraining.md.

    python tests/benchmarks/bench_pretraining.py FOLDER ROOT \
        [--sets "specs areas,THUCNews"]

FOLDER holds the data sets, ROOT takes the runs. The corpus of the specs areas is the
whole proposals, without those that eval and test paragraphs come from; that of THUCNews
is its train titles. Classifiers start from the vectors of the corpus alone, or from a
pretraining, at two learning rates. Prints a row a classifier: processor seconds of its
trainings, accuracy on eval of encoder and joint model, and on test. A run that is
stopped goes on where it was; its seconds are those of the last command.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_classifiers import Run
from classifier_data import READERS, write_splits

SPECS, CHINESE = "specs areas", "THUCNews"
_PROPOSAL = re.compile(r"(eip|pep)-(\d+)", re.IGNORECASE)
CORPUS = """\
  corpus:
    source: {{jsonl: {folder}/corpus.jsonl, id: id}}
    clean: {{markup: strip, dedup: exact, min_chars: 200}}
    split: {{train: 0.98, eval: 0.02}}
"""
CONFIG = """\
name: pretraining
datasets:
{corpus_section}\
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
vocabulary: {{kind: wordpiece, size: 8000, learn_from: {corpus}}}
model:
  recipe: modern
  layers: 2
  width: 128
  heads: 2
  sequence_length: {length}
  dropout: {dropout}
  pooling: mean_and_embeddings
stages:
  pretrain:
    task: masked_lm
    dataset: {corpus}
    embeddings: {corpus}
    tokenize: {{packing: {packing}}}
    train:
      steps: {steps}
      global_batch: {batch}
      learning_rate: 2e-3
      optimizer: muon
      mask_rate: 0.3
      dropout: 0.0
      length_buckets: {buckets}
      xla: false
"""
MORE = """\
  pretrain_more:
    task: masked_lm
    dataset: {corpus}
    init: pretrain
    tokenize: {{packing: {packing}}}
    train:
      steps: 1400
      warmup: 0.03
      global_batch: {batch}
      learning_rate: 2e-3
      optimizer: muon
      mask_rate: 0.3
      dropout: 0.0
      xla: false
"""
CLASSIFIER = """\
  {name}:
    task: classify
    dataset: texts
    {start}
    train:
      epochs: 3
      global_batch: 32
      learning_rate: {rate}
      dropout: {dropout}
      length_buckets: true
      xla: false
"""


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Where a classifier starts, and its rates."""

    base: str | None = "pretrain"
    rate: str = "5e-4"
    dropout: float | None = None


CLASSIFIERS = {
    "vectors": Classifier(base=None),
    "pretrained": Classifier(),
    "pretrained_gentle": Classifier(rate="2e-4", dropout=0.3),
    "more_gentle": Classifier(base="pretrain_more", rate="2e-4", dropout=0.3),
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The data set of a pretraining, and its rows."""

    corpus: str
    length: int
    packing: str
    steps: int
    batch: int
    buckets: str
    dropout: float
    classifiers: tuple[str, ...]


SHAPES = {
    SPECS: Shape(
        corpus="corpus",
        length=128,
        packing="concat",
        steps=1000,
        batch=64,
        buckets="false",
        dropout=0.1,
        classifiers=tuple(CLASSIFIERS),
    ),
    CHINESE: Shape(
        corpus="texts",
        length=32,
        packing="pad",
        steps=600,
        batch=256,
        buckets="true",
        dropout=0.2,
        classifiers=("vectors", "pretrained"),
    ),
}


def write_corpus(data: Path, folder: Path) -> None:
    """Writes ``corpus.jsonl``: whole proposals, none of eval or test."""
    held_out = {
        json.loads(line)["group"]
        for split in ("eval", "test")
        for line in (folder / f"{split}.jsonl").read_text().splitlines()
    }
    with gzip.open(data / "specs_documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        kept = [line for line in lines if _proposal(line) not in held_out]
    (folder / "corpus.jsonl").write_text("".join(kept), encoding="utf-8")


def _proposal(line: str) -> str | None:
    match = _PROPOSAL.search(json.loads(line)["id"])
    return f"{match[1].lower()}-{match[2]}" if match else None


def processor_seconds(action: Callable[[], Run]) -> tuple[Run, float]:
    """Returns a run and the processor seconds of its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return run, sum(
        getattr(after, field) - getattr(before, field)
        for field in ("ru_utime", "ru_stime")
    )


def write_config(name: str, data: Path, folder: Path) -> Path:
    """Writes the data and the config of a set, and returns the config."""
    write_splits(READERS[name](data), "given", folder)
    section, shape = "", SHAPES[name]
    if shape.corpus == "corpus":
        write_corpus(data, folder)
        section = CORPUS.format(folder=folder)
    facts = vars(shape) | {"folder": folder, "corpus_section": section}
    text = CONFIG.format(**facts)
    if "more_gentle" in shape.classifiers:
        text += MORE.format(**facts)
    for stage in shape.classifiers:
        knobs = CLASSIFIERS[stage]
        text += CLASSIFIER.format(
            name=stage,
            start=f"init: {knobs.base}"
            if knobs.base
            else f"embeddings: {shape.corpus}",
            rate=knobs.rate,
            dropout=shape.dropout if knobs.dropout is None else knobs.dropout,
        )
    config = folder / "config.yaml"
    config.write_text(text)
    return config


def measure(name: str, data: Path, folder: Path) -> Iterator[str]:
    """Yields the rows of a set."""
    config = write_config(name, data, folder)

    def until(node: str) -> tuple[Run, float]:
        return processor_seconds(lambda: Run(config, folder / "run", "--until", node))

    until("linear.vectors")
    seconds: dict[str | None, float] = {None: 0.0}
    seconds["pretrain"] = until("train.pretrain")[1]
    for stage in SHAPES[name].classifiers:
        base = CLASSIFIERS[stage].base
        if base not in seconds:
            seconds[base] = seconds["pretrain"] + until(f"train.{base}")[1]
        _, tuning = until(f"train.{stage}")
        run, _ = until(f"evaluate.{stage}")
        yield _row(f"{name}, {stage}", seconds[base] + tuning, run, stage)


def _row(title: str, seconds: float, run: Run, stage: str) -> str:
    found = run.summary["stages"][stage]
    held_out = json.loads(
        (run.output(f"calibrate.{stage}", "model") / "model.json").read_text()
    )["comparison"]
    curve = run.output(f"train.{stage}", "logs") / "scalars.jsonl"
    points = [json.loads(line) for line in curve.read_text().splitlines()]
    encoder = [p["value"] for p in points if p["name"] == "eval/accuracy"][-1]
    low, high = found["intervals"]["accuracy"]

    def accuracy(values: dict[str, Any]) -> str:
        return f"{values['metrics']['accuracy']:.3f}"

    parts = [accuracy(found["baselines"][part]) for part in ("encoder", "linear")]
    joint = f"{accuracy(found)} [{low:.3f}, {high:.3f}]"
    gain = f"{held_out['gain']:.4f} ± {held_out['error']:.4f}"
    cells = [title, f"{seconds:.0f}", f"{encoder:.3f}", f"{held_out['accuracy']:.3f}"]
    return f"| {' | '.join([*cells, gain, *parts, joint])} |"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--sets", default=",".join(SHAPES))
    options = parser.parse_args()
    print(
        "| classifier | processor s | encoder, eval | joint, eval | gain, nats "
        "| encoder, test | linear, test | joint, test |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in options.sets.split(","):
        folder = options.root.resolve() / name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for row in measure(name, options.folder.resolve(), folder):
            print(row, flush=True)


if __name__ == "__main__":
    main()
