"""Our tokenizers compared with Hugging Face's with the same vocabulary.

    python tests/benchmarks/bench_tokenizers.py documents.jsonl.gz [vocab.txt] [rounds]

The documents' paragraphs go through every kind: ours once by the ops alone, in batches
of about a megabyte by two threads, and once through the whole component, from shards of
documents (five times over, with other ids) to shards of packed rows of 128; Hugging
Face's by ``encode_batch`` alone, which takes all cores. WordPiece has the entries of
``vocab.txt``, in both flavours; the others learn 16,000 from the text. Prints medians
over the rounds of MB/s, and of the component's ratio to ``encode_batch``.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tokenizers

from tests.conftest import write_documents
from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Context
from textmill.components.shards import group
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.components.vocabulary_learner.engine import learn_tokenizer
from textmill.models.tokenizers import Tokenizer, export_tokenizer, import_tokenizer
from textmill.pipeline.publish import seal

THREADS = 2
BATCH_CHARS = 1 << 20
SIZE = 16_000
COPIES = 5
"""How often the component reads the text, so that its start does not count for much."""


def read_paragraphs(file: Path) -> list[str]:
    """Returns the paragraphs of a file of documents."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return [p for text in texts for p in text.split("\n\n") if p.strip()]


def make_tokenizers(
    documents: Documents, entries: Path | None, folder: Path
) -> Iterator[tuple[str, Tokenizer, tokenizers.Tokenizer]]:
    """Yields tokenizers by name, each with Hugging Face's of its entries."""
    for kind in ("wordpiece", "sentencepiece", "bpe", "character"):
        if kind == "wordpiece" and entries:
            made = import_tokenizer(entries)
        else:
            config = VocabularyConfig(kind=kind, size=SIZE, learn_from="text")
            made = learn_tokenizer(documents, config, Context())
        export_tokenizer(made, folder / kind, "huggingface")
        peer = tokenizers.Tokenizer.from_file(str(folder / kind / "tokenizer.json"))
        yield kind, made, peer
        if kind == "wordpiece" and entries:
            fast = import_tokenizer(entries, normalization="fast")
            yield "wordpiece, fast", fast, peer


def run_ops(tokenizer: Tokenizer, texts: list[str]) -> None:
    """Runs the ops as the component does: batches of strings in, numpy ids out."""

    def run(batch: list[str]) -> int:
        return len(tokenizer(tf.constant(batch)).flat_values.numpy())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, group(texts, len, least=BATCH_CHARS)))


def run_component(documents: Documents, vocabulary: Vocabulary, folder: Path) -> None:
    """Runs the whole component, to shards of rows."""
    with tempfile.TemporaryDirectory(dir=folder) as target:
        tokenize(
            documents=documents,
            vocabulary=vocabulary,
            rows=TokenRows(Path(target)),
            config=RowLayout(sequence_length=128, packing="concat"),
            context=Context(),
        )


def save(tokenizer: Tokenizer, folder: Path) -> Vocabulary:
    """Returns a tokenizer as the artifact that the component reads."""
    vocabulary = Vocabulary(folder)
    folder.mkdir(parents=True)
    tokenizer.save(folder)
    vocabulary.facts = {"kind": tokenizer.kind, "size": tokenizer.size}
    seal(vocabulary)
    return vocabulary


def seconds(call: Callable[[], object]) -> float:
    """Times a call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list]:
    """Returns the seconds of every call, in turn, after one that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            taken = seconds(call)
            if number:
                found[name].append(taken)
    return found


def main() -> None:
    """Prints the medians."""
    file, more = Path(sys.argv[1]), sys.argv[2:]
    entries = Path(more.pop(0)) if more and not more[0].isdigit() else None
    rounds = int(more[0]) if more else 5
    paragraphs = read_paragraphs(file)
    size = sum(len(text.encode()) for text in paragraphs) / 1e6
    print(f"{len(paragraphs):,} paragraphs, {size:.1f} MB")
    rows = [{"id": str(i), "text": text} for i, text in enumerate(paragraphs * COPIES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = write_documents(folder / "documents", {"train": rows}, num_shards=8)
        for number, (kind, ours, peer) in enumerate(
            make_tokenizers(documents, entries, folder)
        ):
            vocabulary = save(ours, folder / f"vocabulary{number}")
            calls = {
                "ops": lambda o=ours: run_ops(o, paragraphs),
                "component": lambda v=vocabulary: run_component(documents, v, folder),
                "peer": lambda p=peer: p.encode_batch(paragraphs),
            }
            times = compare(calls, rounds)
            rate = {n: size / statistics.median(t) for n, t in times.items()}
            rate["component"] *= COPIES
            pairs = zip(times["component"], times["peer"], strict=True)
            ratios = [COPIES * theirs / mine for mine, theirs in pairs]
            print(
                f"{kind}: ops {rate['ops']:.1f} MB/s, component "
                f"{rate['component']:.1f} MB/s, Hugging Face {rate['peer']:.1f} MB/s; "
                f"the component is {statistics.median(ratios):.1f} times as fast (min "
                f"{min(ratios):.1f}, max {max(ratios):.1f}, {rounds} rounds)",
                flush=True,
            )


if __name__ == "__main__":
    main()
