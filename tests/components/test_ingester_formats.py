"""The formats, each read from a few bytes to rows or dead letters."""

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingester.config import LimitsConfig, SourceConfig
from components.ingester.readers import read_spans
from components.ingester.records import Record
from components.ingester.sources import cut_spans, find_files
from models.faults import DataError

BLOCK = 1 << 20


def read(path, content, *, block_bytes=BLOCK, max_line_bytes=1 << 20, **source):
    """Returns (offset, row) or (offset, reason) for every record of a file."""
    path.write_bytes(content)
    config = SourceConfig(**{"jsonl": None, **source})
    limits = LimitsConfig(max_line_bytes=max_line_bytes)
    units = cut_spans(find_files(config), config, block_bytes=block_bytes)
    records = itertools.chain.from_iterable(
        read_spans(unit, source=config, limits=limits, block_bytes=block_bytes)
        for unit in units
    )
    return [
        (record.offset, record.row if isinstance(record, Record) else record.reason)
        for _, record in records
    ]


@pytest.fixture
def jsonl(tmp_path):
    file = tmp_path / "x.jsonl"
    return lambda content, **knobs: read(file, content, jsonl=str(file), **knobs)


@pytest.fixture
def txt(tmp_path):
    file = tmp_path / "x.txt"
    return lambda content, **knobs: read(file, content, txt=str(file), **knobs)


@pytest.fixture
def csv(tmp_path):
    file = tmp_path / "x.csv"
    return lambda content, **knobs: read(file, content, csv=str(file), **knobs)


@pytest.fixture
def tsv(tmp_path):
    file = tmp_path / "x.tsv"
    return lambda content, **knobs: read(file, content, tsv=str(file), **knobs)


def test_a_line_ends_with_a_newline_or_a_return_and_a_newline_only(txt):
    content = "a\r\nb\u2028c\u0085d\x0be\x0cf\n\n \ng".encode()
    assert [row["text"] for _, row in txt(content)] == [
        "a",
        "b\u2028c\u0085d\x0be\x0cf",
        "g",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff", "invalid_utf8"),
        ("text".encode("utf-16"), "invalid_utf8"),
        (b"a\0b", "nul"),
        (b"old\rMac", "lone_carriage_return"),
    ],
)
def test_a_bad_line_of_text_is_a_dead_letter(txt, line, reason):
    assert txt(b"ok\n" + line + b"\nok\n")[1] == (3, reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "bad_json"),
        (b'{"text": NaN}', "bad_json"),
        (b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "bad_json"),
        (b'{"text": "a\rb"}', "bad_json"),
        (b'{"text": "\\ud800"}', "bad_json"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "\0"}', "nul"),
        (b'"text"', "not_an_object"),
    ],
)
def test_a_bad_line_of_json_is_a_dead_letter(jsonl, line, reason):
    assert jsonl(line + b'\n{"text": "ok"}\n') == [
        (0, reason),
        (len(line) + 1, {"text": "ok"}),
    ]


def test_a_byte_order_mark_is_no_text(jsonl, csv):
    assert jsonl(b'\xef\xbb\xbf{"text": "a"}') == [(0, {"text": "a"})]
    assert csv(b"\xef\xbb\xbftext\na\n") == [(8, {"text": "a"})]


@given(
    lines=st.lists(st.sampled_from(["", "a", "bb\r", "é" * 9, "x" * 30]), max_size=30),
    ends_with_newline=st.booleans(),
    block_bytes=st.integers(1, 80),
    max_line_bytes=st.integers(5, 40),
)
def test_the_size_of_a_block_changes_nothing(
    tmp_path_factory, lines, ends_with_newline, block_bytes, max_line_bytes
):
    folder = tmp_path_factory.mktemp("lines")
    content = "\n".join(lines).encode() + b"\n" * ends_with_newline
    whole, plain, zipped = (
        read(
            folder / name,
            gzip.compress(content) if name.endswith(".gz") else content,
            block_bytes=block,
            max_line_bytes=max_line_bytes,
            txt=str(folder / name),
        )
        for name, block in [
            ("a.txt", BLOCK),
            ("b.txt", block_bytes),
            ("c.txt.gz", block_bytes),
        ]
    )
    expected, offset = [], 0
    for line in lines:
        raw = line.encode()
        if len(raw) > max_line_bytes:
            expected.append((offset, "line_too_long"))
        elif line:
            expected.append((offset, {"text": line.removesuffix("\r")}))
        offset += len(raw) + 1
    assert whole == plain == zipped == expected


def test_paragraphs_lie_between_blank_lines(txt):
    content = b"\n one\r\ntwo\n \n\nthree"
    assert txt(content, document="paragraph") == [
        (1, {"text": " one\ntwo"}),
        (14, {"text": "three"}),
    ]


def test_a_whole_file_is_one_document_without_a_limit_on_lines(txt):
    content = b"a\r\n\n" + b"b" * 100 + b"\n"
    [(_, row)] = txt(content, document="file", max_line_bytes=10)
    assert row["text"] == "a\n\n" + "b" * 100 + "\n"


def test_csv_follows_rfc_4180(csv):
    content = b'text,n\r\n"a ""b"", c\n\nd",1\n\nplain,"2"\n'
    assert csv(content) == [
        (8, {"text": 'a "b", c\n\nd', "n": "1"}),
        (27, {"text": "plain", "n": "2"}),
    ]


def test_a_bad_record_of_csv_costs_itself_alone(csv):
    content = b'text,n\nragged\na,b,c\n"open,1\n"shut",2\n\xff,3\nfine,4\n'
    assert csv(content) == [
        (7, "ragged"),
        (14, "ragged"),
        (20, "bad_csv"),
        (37, "invalid_utf8"),
        (41, {"text": "fine", "n": "4"}),
    ]


def test_an_open_quote_swallows_no_more_than_the_longest_record(csv):
    content = b'text\n"open\n' + b"line\n" * 20
    found = csv(content, max_line_bytes=30)
    assert found[0] == (5, "record_too_long")
    assert found[-1] == (len(content) - 5, {"text": "line"})


def test_columns_in_the_config_mean_that_there_is_no_header(csv, tsv):
    assert csv(b"3,a\n", columns=("of", "text")) == [(0, {"of": "3", "text": "a"})]
    assert tsv(b"3\ta\n", columns=("of", "text")) == [(0, {"of": "3", "text": "a"})]


def test_tsv_has_no_quotes_and_its_header_reaches_every_block(tsv):
    content = b'text\tn\n"a\t1\nb"\t2\nragged\nc\t3\n'
    assert tsv(content, block_bytes=4) == [
        (7, {"text": '"a', "n": "1"}),
        (12, {"text": 'b"', "n": "2"}),
        (17, "ragged"),
        (24, {"text": "c", "n": "3"}),
    ]


def test_a_column_named_twice_is_refused(csv, tsv):
    for read_table, separator in ((csv, b","), (tsv, b"\t")):
        with pytest.raises(DataError, match="names column 'a' twice"):
            read_table(b"a" + separator + b"a\n")
