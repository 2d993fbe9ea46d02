"""Tokens with tags, in CoNLL files and in lists, become texts with spans."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.components.ingester.test_ingester import (  # noqa: F401
    ALL_TRAIN,
    FORGIVING,
    dead_letters,
    read,
    run,
    write,
)
from textmill.components.ingester.readers.records import BadRecord
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.tagged_tokens import join_tokens

CONLL = """-DOCSTART- -X- O O

Ada NNP I-NP B-PER
Byron NNP I-NP I-PER
lives VBZ I-VP O
in IN I-PP O
Rome NNP I-NP B-LOC

U.N. NNP I-NP I-ORG
"""


def spans(*tags):
    """Returns (first token, last token, label) of one-character tokens."""
    _, found = join_tokens(["x"] * len(tags), list(tags), "")
    return [(s["start"], s["end"] - 1, s["label"]) for s in found]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("I-a", "I-a", "O", "I-b"), [(0, 1, "a"), (3, 3, "b")]),
        (("I-a", "B-a", "I-a", "I-b"), [(0, 0, "a"), (1, 2, "a"), (3, 3, "b")]),
        (("B-a", "I-a", "B-a", "O"), [(0, 1, "a"), (2, 2, "a")]),
        (("B-a", "I-a", "E-a", "S-a", "S-b"), [(0, 2, "a"), (3, 3, "a"), (4, 4, "b")]),
        (("B-a", "L-a", "U-a", "I-a"), [(0, 1, "a"), (2, 2, "a"), (3, 3, "a")]),
        (("O", "E-a", "I-x-y"), [(1, 1, "a"), (2, 2, "x-y")]),
    ],
)
def test_every_scheme_of_tags_is_read(tags, expected):
    assert spans(*tags) == expected


def test_spans_count_the_characters_of_the_joined_text():
    tokens = ["Łódź", "😀", "New", "York"]
    text, found = join_tokens(tokens, ["B-a", "O", "B-a", "I-a"], " ")
    assert [text[s["start"] : s["end"]] for s in found] == ["Łódź", "New York"]
    text, found = join_tokens(["北", "京", "很", "大"], ["B-a", "I-a", "O", "O"], "")
    assert text == "北京很大" and text[: found[0]["end"]] == "北京"


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        (["a", "b"], ["O"], "expected a list of 2 tags, one a token, got 1"),
        (["a"], "O", "expected a list of 1 tags, one a token, got str"),
        (["a"], ["PER"], "expected O or a tag such as B-place, got 'PER'"),
        (["a", 7], ["O", "O"], "expected tokens that are text, got 7"),
    ],
)
def test_other_values_are_refused(tokens, tags, message):
    with pytest.raises(BadRecord) as error:
        join_tokens(tokens, tags, " ")
    assert str(error.value) == message


def test_a_conll_file_is_sentences_with_spans(run, tmp_path):  # noqa: F811
    (tmp_path / "a.conll").write_bytes(CONLL.replace("\n", "\r\n").encode())
    source = SourceConfig(conll=str(tmp_path / "a.conll"), tags="tags")
    documents = run(source, split=ALL_TRAIN)
    tags = {d["text"]: d["tags"] for d in read(documents).values()}
    assert tags == {
        "Ada Byron lives in Rome": [
            {"start": 0, "end": 9, "label": "PER"},
            {"start": 19, "end": 23, "label": "LOC"},
        ],
        "U.N.": [{"start": 0, "end": 4, "label": "ORG"}],
    }
    assert documents.labels == ["LOC", "ORG", "PER"]


def test_other_fields_and_separators_of_a_conll_file(run, tmp_path):  # noqa: F811
    (tmp_path / "a.conll").write_text("1\t北\tB-LOC\tx\n2\t京\tI-LOC\tx\n")
    source = SourceConfig(
        conll=str(tmp_path / "a.conll"),
        tags="tags",
        token_field=2,
        tag_field=3,
        token_separator="",
    )
    [document] = read(run(source, split=ALL_TRAIN)).values()
    assert document["text"] == "北京"
    assert document["tags"] == [{"start": 0, "end": 2, "label": "LOC"}]


def test_a_line_without_a_tag_is_a_dead_letter_with_its_sentence(run, tmp_path):  # noqa: F811
    (tmp_path / "a.conll").write_text("a O\n\nb O\nRome\n")
    source = SourceConfig(conll=str(tmp_path / "a.conll"), tags="tags")
    [letter] = dead_letters(run(source, split=ALL_TRAIN, limits=FORGIVING))
    assert (letter["reason"], letter["line"]) == ("fields", 3)
    assert letter["detail"].startswith("line 2 of the sentence: expected a token and")
    assert letter["detail"].endswith("got 'Rome'")


def test_lists_of_tokens_and_tags_in_json_lines_and_parquet(run, write, tmp_path):  # noqa: F811
    rows = [{"words": ["Ada", "left"], "ner": ["B-PER", "O"]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for files in ({"jsonl": write(*rows)}, {"parquet": str(tmp_path / "a.parquet")}):
        source = SourceConfig(**files, text="words", tags="ner")
        documents = run(source, split=ALL_TRAIN, folder=next(iter(files)))
        [document] = read(documents).values()
        assert document["text"] == "Ada left"
        assert document["tags"] == [{"start": 0, "end": 3, "label": "PER"}]
