"""How well each packing fills rows, and how many documents it cuts.

    python tests/benchmarks/bench_packing.py documents.jsonl.gz vocab.txt

Prints a Markdown table for rows of 128, 512 and 2,048 tokens: the share of a row's
slots that hold a token (special tokens included), the share of documents that are cut
or spread over rows, and the share of tokens that are dropped. The documents are those
of the file, whole, and again by paragraph.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.conftest import write_documents
from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Context
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.models.tokenizers import import_tokenizer
from textmill.pipeline.publish import seal

PACKINGS = ("pad", "concat", "best_fit")
LENGTHS = (128, 512, 2048)


def read_rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns documents and their paragraphs."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    parts = [p for text in texts for p in text.split("\n\n") if p.strip()]
    return {
        name: [{"id": str(i), "text": text} for i, text in enumerate(values)]
        for name, values in (("documents", texts), ("paragraphs", parts))
    }


def quality(
    documents: Documents, vocabulary: Vocabulary, packing: Any, length: int
) -> dict[str, float]:
    """Tokenizes and returns what the rows' manifest says of them."""
    with tempfile.TemporaryDirectory() as folder:
        rows = TokenRows(Path(folder))
        tokenize(
            documents=documents,
            vocabulary=vocabulary,
            rows=rows,
            config=RowLayout(sequence_length=length, packing=packing),
            context=Context(),
        )
        found: dict[str, float] = rows.facts["tokens"]["train"]
        return {**found, "rows": rows.facts["splits"]["train"]}


def line(cells: Sequence[object]) -> str:
    """Returns a line of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Prints the table."""
    file, entries = Path(sys.argv[1]), Path(sys.argv[2])
    heads = ("texts", "row", "packing", "rows", "fill", "documents cut", "dropped")
    print(line(heads) + "\n" + line(["---"] * len(heads)))
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = Vocabulary(Path(folder) / "vocabulary")
        vocabulary.path.mkdir()
        made = import_tokenizer(entries)
        made.save(vocabulary.path)
        vocabulary.facts = {"kind": made.kind, "size": made.size}
        seal(vocabulary)
        for name, rows in read_rows(file).items():
            documents = write_documents(Path(folder) / name, {"train": rows})
            for length in LENGTHS:
                for packing in PACKINGS:
                    found = quality(documents, vocabulary, packing, length)
                    cut = found["truncated"] / found["documents"]
                    dropped = found["dropped"] / found["in"]
                    cells = (f"{found['rows']:,}", f"{found['fill']:.4f}")
                    shares = (f"{cut:.1%}", f"{dropped:.1%}")
                    print(line((name, length, packing, *cells, *shares)), flush=True)


if __name__ == "__main__":
    main()
