"""The tokenizer on Beam: a shard of documents in, a shard of rows out.

A shard is tokenized by one worker from its first line to its last, in batches of texts
that go through one call of the ops, so that its bytes depend on nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.artifacts import (
    SPLITS,
    Documents,
    TokenRows,
    Vocabulary,
    read_json,
    read_shard,
    shard_name,
    write_json,
)
from components.base import Context
from components.beam import open_pipeline
from components.tokenizer import TokenizerConfig
from components.tokenizer.packing import PACKERS, batches
from models.rows import RowSchema, frame_rows
from models.tokenization import load_tokenizer

_BATCH_CHARS = 1 << 20
_COUNTS = "counts.json"
_WIDE_FROM = 1 << 16


def tokenize_shards(
    documents: Documents,
    vocabulary: Vocabulary,
    rows: TokenRows,
    config: TokenizerConfig,
    context: Context,
) -> None:
    """Writes a shard of rows for every shard of documents, and the facts."""
    schema = RowSchema(
        sequence_length=config.sequence_length,
        wide=vocabulary.facts["size"] > _WIDE_FROM,
        labelled=config.labelled,
    )
    work = []
    for split in documents.splits:
        shards = documents.shards(split)
        for i, shard in enumerate(shards):
            name = shard_name(split, i, len(shards), "tfrecord")
            work.append((split, str(shard), str(rows.file(name))))
    counts = rows.path / _COUNTS
    with open_pipeline(context.beam) as pipeline:
        _ = (
            pipeline
            | beam.Create(work, reshuffle=False)
            | beam.ParDo(_TokenizeShard(vocabulary.path, schema, config, documents))
            | beam.CombineGlobally(_AddCounts())
            | beam.Map(lambda value: write_json(counts, value))
        )
    found = read_json(counts)
    counts.unlink()
    _record(rows, found, documents=documents, vocabulary=vocabulary, schema=schema)


def _record(
    rows: TokenRows,
    found: dict[str, dict[str, int]],
    *,
    documents: Documents,
    vocabulary: Vocabulary,
    schema: RowSchema,
) -> None:
    splits = [split for split in SPLITS if split in documents.splits]
    for split, counts in found.items():
        if split in splits:
            assert counts["in"] == counts["out"] + counts["dropped"], counts
        else:
            rows.records[split] = counts["rows"]
    rows.facts = {
        "schema": vars(schema),
        "splits": {split: found[split]["rows"] for split in splits},
        "tokens": {
            split: {name: found[split][name] for name in ("in", "out", "dropped")}
            for split in splits
        },
        "bytes": {split: documents.facts["text_bytes"][split] for split in splits},
        "labels": documents.labels if schema.labelled else [],
        "vocabulary": vocabulary.digest,
    }


class _TokenizeShard(beam.DoFn):
    """Yields counts by split and by file."""

    def __init__(
        self,
        vocabulary: Path,
        schema: RowSchema,
        config: TokenizerConfig,
        documents: Documents,
    ) -> None:
        self._vocabulary, self._schema, self._config = vocabulary, schema, config
        self._index = {label: i for i, label in enumerate(documents.labels)}

    def setup(self) -> None:
        self._tokenizer = load_tokenizer(self._vocabulary)

    def process(self, element: tuple[str, str, str]) -> Iterator[dict[str, Any]]:
        split, source, target = element
        packer = PACKERS[self._config.packing](
            self._config, schema=self._schema, specials=self._tokenizer.specials
        )
        num_rows = 0
        with Path(target).open("wb") as file:
            for batch in batches(read_shard(Path(source)), _BATCH_CHARS):
                packed = self._pack(packer, batch)
                file.write(frame_rows(self._schema, packed))
                num_rows += len(packed)
            last = packer.flush()
            file.write(frame_rows(self._schema, last))
            num_rows += len(last)
        counts = {**packer.counts, "rows": num_rows}
        yield {split: counts, Path(target).name: {"rows": num_rows}}

    def _pack(self, packer: Any, batch: list[dict[str, Any]]) -> np.ndarray:
        with tf.device("CPU"):
            tokens = self._tokenizer(tf.constant([d["text"] for d in batch]))
        rows = packer.add(tokens.flat_values.numpy(), tokens.row_splits.numpy())
        if self._schema.labelled:
            rows["label"] = [self._index[d["label"]] for d in batch]
        return rows


class _AddCounts(beam.CombineFn):
    def create_accumulator(self) -> dict[str, Counter[str]]:
        return {}

    def add_input(
        self, total: dict[str, Counter[str]], counts: dict[str, dict[str, int]]
    ) -> dict[str, Counter[str]]:
        for name, values in counts.items():
            total.setdefault(name, Counter()).update(values)
        return total

    def merge_accumulators(
        self, totals: Iterable[dict[str, Counter[str]]]
    ) -> dict[str, Counter[str]]:
        merged: dict[str, Counter[str]] = {}
        for total in totals:
            self.add_input(merged, total)
        return merged

    def extract_output(
        self, total: dict[str, Counter[str]]
    ) -> dict[str, dict[str, int]]:
        return {name: dict(counts) for name, counts in total.items()}
