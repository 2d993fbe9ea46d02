"""The formats, each read from a few bytes to rows or dead letters."""

import bz2
import gzip
import hashlib
import itertools
import lzma

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.readers.reader import read_ranges, split_ranges
from textmill.components.ingester.readers.records import LimitsConfig, Record
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import find_files
from textmill.models.errors import DataError

BLOCK = 1 << 20


def read(path, content, *, block_bytes=BLOCK, max_line_bytes=1 << 20, **source):
    """Returns (offset, row) or (offset, reason) for every record of a file."""
    path.write_bytes(content)
    config = SourceConfig(**{"jsonl": None, **source})
    limits = LimitsConfig(max_line_bytes=max_line_bytes)
    units = split_ranges(find_files(config), config, block_bytes=block_bytes)
    records = itertools.chain.from_iterable(
        read_ranges(unit, source=config, limits=limits, block_bytes=block_bytes)
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
        ("text".encode("utf-16"), "utf16"),
        (b"a\0b", "nul"),
        (b"a long line of text with one \0", "nul"),
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
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "bad_json"),
        ('{"text": "a"}'.encode("utf-16"), "utf16"),
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


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "txt"])
def test_every_line_of_a_utf_16_file_is_named_so(request, kind, encoding):
    read_it = request.getfixturevalue(kind)
    columns = {"columns": ("text",)} if kind in ("csv", "tsv") else {}
    content = "\ufefftext\nof\nthree lines\n".encode(encoding)
    reasons = [reason for _, reason in read_it(content, **columns)]
    assert reasons[0] == "utf16"
    assert set(reasons) <= {"utf16", "nul"}


def test_long_paragraphs_are_hashed_as_they_pass(txt):
    content = b"one\n\n" + b"two\n" * 30 + b"\nthree\n" + b"four\n" * 30
    assert txt(content, document="paragraph", max_line_bytes=100) == [
        (0, {"text": "one"}),
        (5, "record_too_long"),
        (126, "record_too_long"),
    ]


def test_the_dead_letter_of_a_long_paragraph_is_that_of_its_bytes(tmp_path):
    paragraph = b"\n".join([b"line"] * 50)
    (tmp_path / "x").write_bytes(b"\n" + paragraph + b"\n\nend")
    source = SourceConfig(txt=str(tmp_path / "x"), document="paragraph")
    [unit] = split_ranges(find_files(source), source, block_bytes=BLOCK)
    limits = LimitsConfig(max_line_bytes=100)
    found = read_ranges(unit, source=source, limits=limits, block_bytes=BLOCK)
    letter = next(found)[1]
    assert (letter.offset, letter.length) == (1, len(paragraph))
    assert letter.sha256 == hashlib.sha256(paragraph).hexdigest()


def test_a_newline_in_csv_is_one_character_however_it_is_spelt(csv):
    assert csv(b'text\r\n"a\r\nb\nc"\r\n') == [(6, {"text": "a\nb\nc"})]


def test_a_lone_return_in_csv_is_a_dead_letter(csv):
    content = b'text\nold\rMac\n"quo\rted"\nfine\n'
    assert csv(content) == [
        (5, "lone_carriage_return"),
        (13, "lone_carriage_return"),
        (23, {"text": "fine"}),
    ]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_a_line_of_a_table_ends_at_no_other_character(request, kind):
    read_it = request.getfixturevalue(kind)
    content = "text\na\u2028b\u0085c\x0bd\n".encode()
    assert read_it(content) == [(5, {"text": "a\u2028b\u0085c\x0bd"})]


@pytest.mark.parametrize("ending", [".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "txt"])
def test_compression_changes_nothing(tmp_path, kind, ending):
    content = {
        "jsonl": b'{"text": "a"}\n[]\n\n{"text": "b"}',
        "csv": b'text,n\n"a\nb",1\nragged\nc,2\n',
        "tsv": b"text\tn\na\t1\nragged\nc\t2\n",
        "txt": b"a\n\xff\n\nb\n",
    }[kind]
    plain = read(tmp_path / "x", content, **{kind: str(tmp_path / "x")})
    path = tmp_path / f"x{ending}"
    compress = {
        ".gz": gzip.compress,
        ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
    }[ending]
    assert read(path, compress(content), **{kind: str(path)}) == plain
    assert len(plain) == 3


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
