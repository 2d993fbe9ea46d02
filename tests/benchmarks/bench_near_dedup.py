"""Our near-dedup compared with datatrove's on the same file of paragraphs.

    python tests/benchmarks/bench_near_dedup.py PEER_PYTHON [rounds]

PEER_PYTHON is the interpreter of an environment that has the peers. The file holds the
paragraphs of at least 40 characters of specs_documents.jsonl.gz, which like the peer's
script is in the folder ``shared`` next to the checkout. Both sides read JSON lines,
compare 14 bands of 8 hashes of word 5-grams and write one document a cluster; ours on
one thread, datatrove with two workers. Prints medians over the rounds of MB/s, and of
the ratio of rates, round by round.
"""

from __future__ import annotations

import gzip
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson

from textmill.components.text.duplicate_clusters import DuplicateClusters
from textmill.components.text.minhash import near_keys
from textmill.components.text.shingles import ngram_hashes

SHARED = Path(__file__).resolve().parents[3] / "shared"
BANDS, HASHES, NGRAM = 14, 8, 5
BATCH_BYTES = 2 << 20


def write_paragraphs(path: Path) -> None:
    """Writes the file that both sides read."""
    source = SHARED / "data" / "specs_documents.jsonl.gz"
    with gzip.open(source) as lines, path.open("wb") as output:
        for line in lines:
            document = orjson.loads(line)
            parts = map(str.strip, re.split(r"\n\s*\n", document["text"]))
            for i, text in enumerate(part for part in parts if len(part) >= 40):
                row = {"id": f"{document['id']}-{i}", "text": text}
                output.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def ours(path: Path, output: Path) -> None:
    """Writes the documents of a file that are the first of their cluster."""
    batches, lines = [], []
    with path.open("rb") as file:
        while batch := file.readlines(BATCH_BYTES):
            texts = [orjson.loads(line)["text"] for line in batch]
            values, splits = ngram_hashes(texts, NGRAM)
            batches.append(near_keys(values, splits, bands=BANDS, hashes=HASHES))
            lines += batch
    keys = np.concatenate(batches)
    clusters = DuplicateClusters(len(lines))
    for band in range(BANDS):
        clusters.join(np.ascontiguousarray(keys[:, band]))
    kept = np.flatnonzero(clusters.labels == np.arange(len(lines)))
    with gzip.open(output, "wb", compresslevel=6) as file:
        file.write(b"".join([lines[i] for i in kept]))


def seconds_of_ours(path: Path, folder: Path) -> float:
    """Returns the seconds that our side takes."""
    began = time.perf_counter()
    ours(path, folder / "kept.jsonl.gz")
    return time.perf_counter() - began


def seconds_of_peer(path: Path, python: str) -> float:
    """Returns the seconds that the peer says it took, without its imports."""
    script = SHARED / "peers" / "minhash_datatrove.py"
    run = subprocess.run(
        [python, str(script), str(path)], capture_output=True, text=True, check=True
    )
    found = re.search(r"minhash_datatrove .*\bs=([\d.]+)", run.stdout)
    assert found, run.stdout
    return float(found.group(1))


def main() -> None:
    """Prints the medians."""
    python = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "paragraphs.jsonl"
        write_paragraphs(path)
        size = path.stat().st_size / 1e6
        seconds_of_ours(path, folder)
        times = [
            (seconds_of_ours(path, folder), seconds_of_peer(path, python))
            for _ in range(rounds)
        ]
    our_rate = size / statistics.median(our for our, _ in times)
    peer_rate = size / statistics.median(peer for _, peer in times)
    ratios = [peer / our for our, peer in times]
    print(
        f"near-dedup of {size:.1f} MB: ours {our_rate:.1f} MB/s, "
        f"datatrove {peer_rate:.2f} MB/s, "
        f"ours at {statistics.median(ratios):.1f} times its rate "
        f"(min {min(ratios):.1f}, max {max(ratios):.1f}, {rounds} rounds)"
    )


if __name__ == "__main__":
    main()
