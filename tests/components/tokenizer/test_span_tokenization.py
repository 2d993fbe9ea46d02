"""Spans from ingested documents to the tokens of rows, by a real tokenizer."""

import json

import numpy as np
import pytest

from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.models.errors import DataError
from textmill.models.inference import tokenize_documents, tokenize_texts
from textmill.models.rows import RowReader, RowSchema
from textmill.models.tokenizers import load_tokenizer
from textmill.pipeline.publish import seal

PLACES = ("Łódź", "New York", "北京", "Rome")


def tokenized(folder, rows, layout, **source):
    """Returns the columns of the rows of train, and their tokens as text."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    config = DatasetConfig(
        source=SourceConfig(jsonl=str(folder / "rows.jsonl"), id="id", **source),
        split=SplitConfig(train=0.7, eval=0.3),
    )
    documents, out = Documents(folder / "documents"), TokenRows(folder / "rows")
    ingest(
        documents=documents, config=IngesterConfig(dataset=config), context=Context()
    )
    seal(documents)
    vocabulary = Vocabulary(folder / "vocabulary")
    learn_vocabulary(
        documents=documents,
        vocabulary=vocabulary,
        config=VocabularyConfig(size=300, learn_from="rows"),
        context=Context(),
    )
    seal(vocabulary)
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=out,
        config=layout,
        context=Context(),
    )
    seal(out)
    reader = RowReader(out.shards("train"), RowSchema.of(out.facts))
    columns = reader.take(np.arange(len(reader)))
    tokens = load_tokenizer(vocabulary.path).tokens
    return columns, [[tokens[i] for i in row] for row in columns["ids"].tolist()]


def test_tags_are_on_the_tokens_of_their_characters(tmp_path):
    rows = []
    for n in range(40):
        place = PLACES[n % 4]
        text = f"😀 Ada {n} went to {place} today"
        start = text.index(place)
        tags = [[start, start + len(place), "place"]]
        rows.append({"id": str(n), "text": text, "tags": tags})
    layout = RowLayout(sequence_length=48, target="tags")
    columns, tokens = tokenized(tmp_path, rows, layout, tags="tags")
    assert columns["tags"].shape == columns["ids"].shape
    for row, tags, length in zip(
        tokens, columns["tags"], columns["length"], strict=True
    ):
        assert (tags[[0, length - 1]] == 255).all() and (tags[length:] == 255).all()
        inside = tags[1 : length - 1]
        assert set(inside.tolist()) <= {0, 1, 2} and (inside == 1).sum() == 1
        where = np.flatnonzero(tags % 255)
        assert (np.diff(where) == 1).all()
        around = "".join(row[where[0] - 2 : where[0]]).replace("#", "")
        assert around.endswith("to")


def test_the_span_of_an_answer_is_in_the_windows_that_hold_it(tmp_path):
    rows = []
    for n in range(30):
        words = [f"number{i}" for i in range(n)] + ["Rome"] + ["later"] * 6
        answers = "Rome" if n % 5 else []
        rows.append(
            {"id": str(n), "p": " ".join(words), "q": "where?", "answers": answers}
        )
    layout = RowLayout(sequence_length=32, packing="strides", target="answer", texts=2)
    columns, tokens = tokenized(
        tmp_path, rows, layout, text=("p", "q"), answers="answers"
    )
    spans = columns["span"]
    assert 0 < (spans > 0).all(axis=1).sum() < len(spans)
    for row, (first, last), types in zip(tokens, spans, columns["types"], strict=True):
        if first:
            pieces = "".join(row[first : last + 1]).replace("#", "")
            assert pieces.casefold() == "rome"
            assert types[first] == types[last] == 1


def test_a_packing_of_another_number_of_texts_is_refused(tmp_path):
    rows = [{"id": str(n), "text": f"text {n}"} for n in range(9)]
    layout = RowLayout(sequence_length=8, packing="texts", texts=2)
    with pytest.raises(DataError, match="that packing texts takes, got 1 texts in"):
        tokenized(tmp_path, rows, layout)


def test_a_linear_model_reads_the_texts_with_an_end_token_between(vocabulary):
    tokenizer = load_tokenizer(vocabulary.path)
    documents = [["a mill", "an old one"], ["a mill"], ["", "one"]]
    end = tokenizer.specials.end
    apart = {
        text: ids.tolist()
        for text, ids in zip(
            ("a mill", "an old one", "one"),
            tokenize_texts(tokenizer, ["a mill", "an old one", "one"]),
            strict=True,
        )
    }
    assert [ids.tolist() for ids in tokenize_documents(tokenizer, documents)] == [
        [*apart["a mill"], end, *apart["an old one"]],
        apart["a mill"],
        [end, *apart["one"]],
    ]
