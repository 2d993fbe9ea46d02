"""The tokenizer on Beam: a shard of documents in, a shard of rows out.

One worker tokenizes a shard from its first line to its last, in batches of texts, so
that a shard of rows depends on its documents alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf

from textmill.components.artifacts import (
    Documents,
    TokenRows,
    Vocabulary,
    order_splits,
    read_json,
    shard_name,
    write_json,
)
from textmill.components.base import Context
from textmill.components.beam import open_pipeline
from textmill.components.scratch import (
    ScratchDir,
    cached_path,
    local_copy,
    open_scratch_dir,
    uploading,
)
from textmill.components.shards import read_batches
from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.best_fit import BestFit
from textmill.components.tokenizer.encoder_decoder import EncoderDecoder
from textmill.components.tokenizer.packing import Batch, Concat, Packer, Pad
from textmill.components.tokenizer.prompt_response import Response
from textmill.components.tokenizer.sentence_pairs import SentencePair, TextPair
from textmill.components.tokenizer.several_texts import Strides, Texts
from textmill.components.tokenizer.span_rows import (
    TokenSpans,
    answer_rows,
    check_labels,
    tag_rows,
)
from textmill.components.tokenizer.tf_example import write_examples
from textmill.components.tokenizer.word_boundaries import make_word_marker
from textmill.models.errors import DataError
from textmill.models.rows import Parts, RowSchema, frame_rows
from textmill.models.targets import TARGETS
from textmill.models.texts import texts_of
from textmill.models.tokenizers import load_tokenizer

PACKERS: dict[str, type[Packer]] = {
    "pad": Pad,
    "concat": Concat,
    "best_fit": BestFit,
    "sentence_pair": SentencePair,
    "response": Response,
    "pair": TextPair,
    "texts": Texts,
    "strides": Strides,
    "encoder_decoder": EncoderDecoder,
}
EXAMPLES = "examples"
_COUNTS = "counts.json"
_LABEL = "label "
"""In counts, the start of the name of a label's documents."""
_WIDE_FROM = 1 << 16


def schema_of(
    config: RowLayout, *, vocabulary_size: int, num_labels: int = 0
) -> RowSchema:
    """Returns the schema of the rows of a layout."""
    parts: Parts = "none"
    if config.packing in ("concat", "best_fit") and config.attention == "document":
        parts = "documents"
    elif config.packing == "sentence_pair":
        parts = "sentences"
    elif config.packing == "pair" or (config.packing, config.texts) == ("strides", 2):
        parts = "pair"
    elif config.packing == "response":
        parts = "answer"
    return RowSchema(
        sequence_length=config.sequence_length,
        wide=vocabulary_size > _WIDE_FROM,
        parts=parts,
        words=config.words is not None,
        target=config.target,
        num_labels=num_labels if config.target == "labels" else 0,
        texts=config.texts if config.packing == "texts" else 1,
        target_tokens=config.target_length,
    )


def tokenize_shards(
    documents: Documents,
    vocabulary: Vocabulary,
    rows: TokenRows,
    config: RowLayout,
    context: Context,
) -> None:
    """Writes a shard of rows for every shard of documents, and the facts."""
    schema = schema_of(
        config,
        vocabulary_size=vocabulary.largest_size,
        num_labels=len(documents.labels),
    )
    if config.target == "tags":
        check_labels(documents.labels)
    with open_scratch_dir(context, parent=rows.path.parent) as scratch:
        work = list(_work(documents, rows, config, scratch))
        vocabulary_files = [
            scratch.upload(path, path.relative_to(vocabulary.path).as_posix())
            for path in vocabulary.files()
        ]
        counts = scratch.path(_COUNTS)
        with open_pipeline(context.beam) as pipeline:
            _ = (
                pipeline
                | beam.Create(work)
                | beam.ParDo(
                    _TokenizeShard(vocabulary_files, schema, config, documents)
                )
                | beam.CombineGlobally(_AddCounts())
                | beam.Map(_write_counts, counts)
            )
        totals = read_json(cached_path(counts))
        for task in work:
            for target in task.targets:
                scratch.download(rows.path, target)
    _record(rows, totals, documents=documents, vocabulary=vocabulary, schema=schema)
    _check_splits(rows, totals)


class _Task(NamedTuple):
    """A shard of documents and the files to write from it."""

    split: str
    source: str
    """Location of the documents."""
    targets: tuple[str, ...]
    """File names in the artifact: rows and, if configured, examples."""
    places: tuple[str, ...]
    """Locations of the files for the worker."""


def _work(
    documents: Documents, rows: TokenRows, config: RowLayout, scratch: ScratchDir
) -> Iterator[_Task]:
    for split in documents.splits:
        shards = documents.shards(split)
        for i, shard in enumerate(shards):
            name = shard_name(split, i, len(shards), "tfrecord")
            targets = (name, f"{EXAMPLES}/{name}") if config.examples else (name,)
            for target in targets:
                rows.file(target)
            places = [scratch.target(rows.path, target) for target in targets]
            yield _Task(split, scratch.upload(shard), targets, tuple(places))


def _write_counts(counts: dict[str, dict[str, int]], place: str) -> None:
    with uploading(place) as path:
        write_json(path, counts)


def _record(
    rows: TokenRows,
    totals: dict[str, dict[str, int]],
    *,
    documents: Documents,
    vocabulary: Vocabulary,
    schema: RowSchema,
) -> None:
    splits = order_splits(documents.splits)
    for name, counts in totals.items():
        if name in splits:
            assert counts["in"] == counts["out"] + counts["dropped"], counts
        else:
            rows.records[name] = counts["rows"]
    # If no row holds two documents, attention needs no document mask.
    is_shared = schema.parts == "documents" and any(
        totals[split]["parts"] > totals[split]["rows"] for split in splits
    )
    rows.facts = {
        "schema": schema.facts,
        "attention": "document" if is_shared else "row",
        "splits": {split: totals[split]["rows"] for split in splits},
        "tokens": {split: _quality(totals[split], schema) for split in splits},
        "bytes": {
            split: documents.facts["text_bytes"][split]
            - totals[split]["unlabelled_bytes"]
            for split in splits
        },
        "labels": documents.labels if TARGETS[schema.target].has_labels else [],
        "vocabulary": vocabulary.digest,
    }
    if schema.parts == "answer" or schema.target_tokens:
        rows.facts["answers"] = {split: _answers(totals[split]) for split in splits}
    unlabelled = {split: totals[split]["unlabelled"] for split in splits}
    if any(unlabelled.values()):
        rows.facts["unlabelled"] = unlabelled


def _check_splits(rows: TokenRows, totals: dict[str, dict[str, int]]) -> None:
    """Refuses rows that cannot be trained on or evaluated, before they are trained on.

    Raises:
        DataError: a fold, or train, or eval and test, have no rows, or have one label
            alone.
    """
    counts = ", ".join(f"{split} {number}" for split, number in rows.splits.items())
    needed = [rows.folds or ["train"]]
    if not rows.folds or rows.splits.get("test"):
        needed.append([rows.evaluated_split])
    for splits in needed:
        for split in splits:
            if not rows.splits.get(split):
                others = " or test" if split == "eval" else ""
                raise DataError(
                    f"expected rows in split {split}{others}, got none ({counts}); add "
                    f"documents, or give {split} a larger share in the data set's split"
                )
        names = {name for split in splits for name in totals[split]}
        labels = [name for name in names if name.startswith(_LABEL)]
        if len(labels) == 1:
            num_rows = sum(rows.splits[split] for split in splits)
            raise DataError(
                f"split {', '.join(splits)}: expected two labels or more, all "
                f"{num_rows} rows have label {labels[0].removeprefix(_LABEL)!r}; "
                "add documents of others, or name another column as the label"
            )


def _quality(counts: dict[str, int], schema: RowSchema) -> dict[str, float]:
    """Returns the ledger of tokens, and the share of row slots in use."""
    slots = max(1, counts["rows"] * schema.row_length)
    names = ("in", "out", "dropped", "documents", "truncated")
    ledger = {name: counts[name] for name in names}
    return ledger | {"fill": round(counts["used"] / slots, 6)}


def _answers(counts: dict[str, int]) -> dict[str, int]:
    """Returns tokens and bytes of the responses, without those of the prompts."""
    return {"tokens": counts["answer_tokens"], "bytes": counts["answer_bytes"]}


class _TokenizeShard(beam.DoFn):
    """Yields counts by split and by file."""

    def __init__(
        self,
        vocabulary: list[str],
        schema: RowSchema,
        config: RowLayout,
        documents: Documents,
    ) -> None:
        self._vocabulary, self._schema, self._config = vocabulary, schema, config
        self._labels = documents.labels

    def setup(self) -> None:
        folders = {cached_path(place).parent for place in self._vocabulary}
        folder = min(folders, key=lambda folder: len(folder.parts))
        self._tokenizer = load_tokenizer(folder)
        self._words = make_word_marker(self._config, self._tokenizer)

    def process(self, task: _Task) -> Iterator[dict[str, Any]]:
        packer = self._packer(task.split)
        self._skipped = {"unlabelled": 0, "unlabelled_bytes": 0}
        self._num_of_label: Counter[str] = Counter()
        with ExitStack() as stack:
            paths = [stack.enter_context(uploading(place)) for place in task.places]
            file, *copies = [stack.enter_context(path.open("wb")) for path in paths]
            source = stack.enter_context(local_copy(task.source))
            batches = filter(None, map(self._labelled, read_batches(source)))
            for rows in self._rows(packer, batches):
                file.write(frame_rows(self._schema, rows))
                for copy in copies:
                    write_examples(copy, self._schema, rows)
        by_file = {name: {"rows": packer.counts["rows"]} for name in task.targets}
        counts = packer.counts | self._skipped | self._num_of_label
        yield {task.split: counts} | by_file

    def _labelled(self, batch: Batch) -> Batch:
        """Returns the documents with a target, and counts those without."""
        field = TARGETS[self._schema.target].field
        if not field:
            return batch
        labelled = [document for document in batch if field in document]
        if len(labelled) < len(batch):
            others = [document for document in batch if field not in document]
            texts = [text for document in others for text in texts_of(document)]
            num_bytes = sum(len(text.encode()) for text in texts)
            self._skipped["unlabelled"] += len(others)
            self._skipped["unlabelled_bytes"] += num_bytes
        return labelled

    def _packer(self, split: str) -> Packer:
        config = self._config
        if split != "train":
            config = replace(config, dupe_factor=1)
        kind = PACKERS[config.packing]
        return kind(
            config,
            schema=self._schema,
            specials=self._tokenizer.specials,
            target_specials=self._tokenizer.of_targets.specials,
        )

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes texts; every other one is a target, where rows have targets."""
        target = self._tokenizer.target
        if target is None or not self._schema.target_tokens:
            return self._tokenizer(texts)
        sides = tf.concat([self._tokenizer(texts[::2]), target(texts[1::2])], axis=0)
        order = tf.transpose(tf.reshape(tf.range(len(texts)), [2, -1]))
        return tf.gather(sides, tf.reshape(order, [-1]))

    def _rows(self, packer: Packer, batches: Iterable[Batch]) -> Iterator[np.ndarray]:
        has_spans = TARGETS[self._schema.target].has_spans
        for batch in batches:
            texts = tf.constant(packer.texts(batch), tf.string)
            with tf.device("CPU"):
                if has_spans:
                    tokens, *bounds = self._tokenizer.tokenize_with_offsets(texts)
                else:
                    tokens = self._tokens(texts)
            flat, splits = tokens.flat_values.numpy(), tokens.row_splits.numpy()
            if self._words:
                flat = self._words.mark(flat, splits)
            rows = packer.add(flat, splits, batch)
            if has_spans:
                starts, ends = (bound.flat_values.numpy() for bound in bounds)
                self._set_spans(rows, batch, TokenSpans(starts, ends, splits), packer)
            else:
                self._set_target(rows, batch)
            yield rows
        yield packer.flush()

    def _set_spans(
        self, rows: np.ndarray, batch: Batch, tokens: TokenSpans, packer: Packer
    ) -> None:
        windows = packer.windows
        assert windows is not None, "a packing of the kind of target"
        if self._schema.target == "answer":
            rows["span"] = answer_rows(batch, tokens, windows)
            rows["opens"] = windows.begin == 0
            return
        width = self._schema.sequence_length
        tags = tag_rows(batch, tokens, windows, labels=self._labels, width=width)
        rows["tags"] = tags

    def _set_target(self, rows: np.ndarray, batch: Batch) -> None:
        target = TARGETS[self._schema.target]
        if self._schema.target == "label":
            self._num_of_label.update(_LABEL + document["label"] for document in batch)
        for name, *_ in target.row_fields(
            self._schema.num_labels, self._schema.sequence_length
        ):
            rows[name] = target.encode([d[name] for d in batch], self._labels)


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
