"""JSON lines to token rows, compared with Hugging Face datasets.

    python tests/benchmarks/bench_ingest.py [MB] [PEER_PYTHON] [none|exact|near]

Real text: the paragraphs of specs_documents, again and again under other ids, with the
round's number in front so that no two are the same. Our side is the two verbs in one
process, imports done before; the peer is a command of its own that times itself.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.pipeline.publish import seal

SHARED = Path(__file__).parents[3] / "shared"
VOCABULARY = SHARED / "data" / "bert_base_uncased_vocab.txt"


def write_corpus(path: Path, num_bytes: int) -> None:
    """Writes paragraphs as JSON lines until there are so many bytes of file."""
    with gzip.open(SHARED / "data" / "specs_documents.jsonl.gz", "rt") as file:
        texts = [json.loads(line)["text"] for line in file]
    paragraphs = [
        part.strip() for text in texts for part in text.split("\n\n") if len(part) > 40
    ]
    written = copy = 0
    with path.open("w") as file:
        while written < num_bytes:
            for number, text in enumerate(paragraphs):
                row = {"id": f"{copy}-{number}", "text": f"{copy} {text}"}
                written += file.write(json.dumps(row, ensure_ascii=False) + "\n")
                if written >= num_bytes:
                    return
            copy += 1


def ours(path: Path, folder: Path, dedup: str) -> dict[str, float]:
    """Returns seconds by step."""
    vocabulary = Vocabulary(folder / "vocabulary")
    learn_vocabulary(
        vocabulary=vocabulary,
        config=VocabularyConfig(file=str(VOCABULARY)),
        context=Context(),
    )
    seal(vocabulary)
    documents, rows = Documents(folder / "documents"), TokenRows(folder / "rows")
    dataset = DatasetConfig(
        source=SourceConfig(jsonl=str(path), id="id"),
        clean=CleanConfig(dedup=dedup),  # type: ignore[arg-type]
        split=SplitConfig(train=0.98, eval=0.02),
    )
    begin = time.perf_counter()
    ingest(
        documents=documents, config=IngesterConfig(dataset=dataset), context=Context()
    )
    seal(documents)
    middle = time.perf_counter()
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=RowLayout(sequence_length=128, packing="concat"),
        context=Context(),
    )
    return {"ingest": middle - begin, "tokenize": time.perf_counter() - middle}


def main() -> None:
    """Prints one line for each side, and the ratio."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    peer = sys.argv[2] if len(sys.argv) > 2 else None
    dedup = sys.argv[3] if len(sys.argv) > 3 else "exact"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm, path = folder / "warm.jsonl", folder / "corpus.jsonl"
        write_corpus(warm, 1_000_000)
        ours(warm, folder / "warm", dedup)
        write_corpus(path, size * 1_000_000)
        seconds = ours(path, folder / "ours", dedup)
        rate = size / sum(seconds.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        parts = " ".join(f"{step}_s={value:.1f}" for step, value in seconds.items())
        print(f"textmill MB={size} {parts} MB_per_s={rate:.1f} peak_GB={peak:.2f}")
        if peer:
            small = folder / "peer.jsonl"
            write_corpus(small, min(size, 20) * 1_000_000)
            script = SHARED / "peers" / "mlm_data_hf.py"
            found = subprocess.run(
                [peer, str(script), str(small), str(VOCABULARY)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            print(found)
            print(f"ratio={rate / float(found.rpartition('=')[2]):.1f}")


if __name__ == "__main__":
    main()
