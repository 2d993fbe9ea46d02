"""The formats, each read from a few bytes to rows or dead letters."""

import bz2
import gzip
import hashlib
import io
import itertools
import json
import lzma

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.components.ingester.readers.encodings import fitting_encoding
from textmill.components.ingester.readers.reader import (
    FileRange,
    open_reader,
    read_ranges,
    split_ranges,
)
from textmill.components.ingester.readers.records import LimitsConfig, Record
from textmill.components.ingester.readers.streams import read_lines
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import find_files
from textmill.models.errors import DataError, IntegrityError

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


def test_a_byte_order_mark_at_the_beginning_of_a_line_is_no_text(jsonl, csv):
    mark = b"\xef\xbb\xbf"
    row = mark + b'{"text": "a"}'
    assert jsonl(row + b"\n" + row) == [(0, {"text": "a"}), (17, {"text": "a"})]
    table = b"label,text\ngood,a\n" + mark + b'good,"b' + mark + b'"\n'
    assert [row for _, row in csv(table)] == [
        {"label": "good", "text": "a"},
        {"label": "good", "text": "b\ufeff"},
    ]
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


def test_a_newline_in_csv_is_one_character_in_every_form(csv):
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
        (20, "unclosed_quote"),
        (28, {"text": "shut", "n": "2"}),
        (37, "invalid_utf8"),
        (41, {"text": "fine", "n": "4"}),
    ]


@pytest.mark.parametrize(
    ("record", "reason", "num_records"),
    [
        (b'"' + b"To: a person, and\n" * 9 + b'",1\n', "record_too_long", 1),
        (b'"one, \xff\ntwo, b\nthree",1\n', "invalid_utf8", 1),
        (b'"one, ""\xff""\n""two"", b\nthree",1\n', "invalid_utf8", 1),
        (b'5" disk \xff,1\n', "invalid_utf8", 1),
        (b'"he said "hi" and\nwent home, yes",1\n', "bad_csv", 1),
        (b'"said "hi",\n' + b"old, new\n" * 9 + b'went",1\n', "bad_csv", 1),
        (b'"one\n' + b"b" * 100 + b'",1\n', "bad_csv line_too_long", 1),
        (b'"one\n' + b"b" * 100 + b'\ntwo, c\n",1\n', "bad_csv line_too_long", 1),
        (b'"open,1\n', "unclosed_quote", 1),
        (b'"open,1\nplain,2\nplain,3\n', "unclosed_quote", 3),
        (b'5"" tape,"open,1\n\nplain,2\n', "unclosed_quote", 2),
        (b'"5" disk",1\n', "unclosed_quote", 1),
    ],
)
def test_reading_goes_on_after_the_end_of_a_bad_record(
    tmp_path, record, reason, num_records
):
    content = b'text,n\n"begin, here",0\n' + record + b'"fine",9\n'
    found = read_csv(tmp_path, content)
    assert [r.row for r in found if isinstance(r, Record)] == [
        {"text": "begin, here", "n": "0"},
        {"text": "fine", "n": "9"},
    ]
    letters = [letter for letter in found if not isinstance(letter, Record)]
    assert " ".join(letter.reason for letter in letters) == reason
    assert letters[0].offset == 23
    assert letters[0].num_records == num_records
    if len(letters) == 1:
        whole = record.removesuffix(b"\n")
        assert (letters[0].length, letters[0].sha256) == (
            len(whole),
            hashlib.sha256(whole).hexdigest(),
        )


def read_csv(tmp_path, content, **options):
    """Returns the records and dead letters of a csv of short records."""
    (tmp_path / "x.csv").write_bytes(content)
    source = SourceConfig(csv=str(tmp_path / "x.csv"), **options)
    [unit] = split_ranges(find_files(source), source, block_bytes=BLOCK)
    limits = LimitsConfig(max_line_bytes=80)
    return [record for _, record in read_ranges(unit, source=source, limits=limits)]


def test_a_quote_that_nothing_closes_costs_all_lines_to_the_end(tmp_path):
    lines = b"".join(b"text %d,1\n" % n for n in range(500))
    good, letter = read_csv(tmp_path, b'text,n\ngood,0\n"open,1\n' + lines)
    assert good.row == {"text": "good", "n": "0"}
    assert (letter.offset, letter.reason, letter.num_records) == (14, *OPEN)
    assert letter.detail.startswith(
        "a quoted field begins here that nothing closes, 50"
    )


OPEN = ("unclosed_quote", 501)


def test_any_number_of_quotes_may_be_open(tmp_path):
    found = read_csv(tmp_path, b"text,n\n" + b'"open,1\n' * 20_000 + b"a,1\n")
    assert {letter.reason for letter in found} == {"unclosed_quote"}
    assert sum(letter.num_records for letter in found) == 20_001


def test_columns_in_the_config_mean_that_there_is_no_header(csv, tsv):
    assert csv(b"3,a\n", columns=("of", "text")) == [(0, {"of": "3", "text": "a"})]
    assert tsv(b"3\ta\n", columns=("of", "text")) == [(0, {"of": "3", "text": "a"})]


def test_a_header_that_repeats_the_columns_of_the_config_is_no_row(csv, tsv):
    columns = ("text", "of", "x", "y")
    content = b"text,of,,\na,b,,\n"
    row = {"text": "a", "of": "b", "x": "", "y": ""}
    assert csv(content, columns=columns, label="of") == [(10, row)]
    content = content.replace(b",", b"\t")
    assert tsv(content, columns=columns, label="of", block_bytes=4) == [(10, row)]
    renamed = {"columns": ("a", "b"), "text": "a"}
    assert csv(b"x,y\n1,2\n", header=True, **renamed) == [(4, {"a": "1", "b": "2"})]
    header = (0, {"a": "a", "b": "b"})
    assert csv(b"a,b\n", header=False, **renamed) == [header]


def test_the_header_of_joined_files_is_no_row(csv, tsv):
    mark = b"\xef\xbb\xbf"
    content = (mark + b"text,of\na,b\n") * 2
    rows = [{"text": "a", "of": "b"}] * 2
    assert [row for _, row in csv(content)] == rows
    assert [row for _, row in tsv(content.replace(b",", b"\t"), block_bytes=4)] == rows
    assert csv(b"text\na\ntext\n")[1] == (7, {"text": "text"})


def test_columns_without_a_name_are_left_out_if_there_are_several(csv):
    assert csv(b"text,,\na,b,c\n") == [(7, {"text": "a"})]
    assert csv(b",text\n0,a\n") == [(6, {"": "0", "text": "a"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_csv_is_detected(csv, delimiter):
    rows = [["id", "message", "of"], ["1", '"a,b;c|d"', "x"], ["2", "e", "y, z"]]
    if delimiter == ",":
        rows[2][2] = '"y, z"'
    content = "\r\n".join(map(delimiter.join, rows)).encode()
    expected = [
        {"id": "1", "message": "a,b;c|d", "of": "x"},
        {"id": "2", "message": "e", "of": "y, z"},
    ]
    for source in ({"text": "message", "label": "of"}, {"text": "wrong"}):
        assert [row for _, row in csv(content, **source)] == expected
    renamed = {"columns": ("id", "message", "of"), "text": "message", "header": True}
    assert [row for _, row in csv(content, **renamed)] == expected


def test_a_comma_is_preferred_where_the_text_has_a_column(csv):
    assert csv(b"text\na;b\nc;d\n") == [(5, {"text": "a;b"}), (9, {"text": "c;d"})]
    assert csv(b"text,n;m\na;b,1\n") == [(9, {"text": "a;b", "n;m": "1"})]


def test_a_named_delimiter_that_does_not_fit_names_the_one_that_does(csv, tsv):
    with pytest.raises(DataError, match=r"with source\.delimiter ','; ';' would fit"):
        csv(b"text;n\na;1\n", delimiter=",")
    with pytest.raises(DataError, match="expected tabs in the header, got a semicolon"):
        tsv(b"text;n\na;1\n")
    assert csv(b"text~n\na~1\n", delimiter="~") == [(7, {"text": "a", "n": "1"})]


def test_escapes_and_quotes_of_other_dialects_are_keys_or_hints(tmp_path, csv):
    content = rb"text,n" + b"\n" + rb'"said \"hi\", left",1' + b"\n"
    [(_, row)] = csv(content, escape="\\")
    assert row == {"text": 'said "hi", left', "n": "1"}
    [letter] = read_csv(tmp_path, content)
    assert letter.detail.endswith(
        '; if a backslash escapes quotes, set source.escape: "\\\\"'
    )
    content = b'text|n\n"open|1\n5" disk|2\n'
    assert [row["text"] for _, row in csv(content, quoting=False)] == [
        '"open',
        '5" disk',
    ]


def test_spaces_before_quotes_are_no_text(tmp_path, csv):
    content = b'text,of\n"a, b", "good"\n"c",  "bad, very"\n'
    assert [row for _, row in csv(content, label="of")] == [
        {"text": "a, b", "of": "good"},
        {"text": "c", "of": "bad, very"},
    ]
    [*good, letter] = read_csv(tmp_path, b"text,of\n" + b"a, b\n" * 60 + b'a, "b"\n')
    assert [record.row["of"] for record in good] == [" b"] * 60
    assert letter.detail == "field 2 has a space before its quote; remove the space"


def test_a_ragged_record_says_how_it_would_fit(tmp_path):
    trailing, other = read_csv(tmp_path, b"text,n\na,1,\nb;2\n")
    assert trailing.detail.startswith(
        "expected 2 fields, got 3; it ends with a delimiter: give source.columns one"
    )
    assert other.detail == "expected 2 fields, got 1; ';' as delimiter would give 2"


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


ENCODED = {
    "cp1252": "Die Straße – für 5 € größer\n",
    "cp1250": "Zamówienie nie dotarło, proszę o zwrot pieniędzy\n",
    "cp1251": "Доставка опоздала на день\n",
    "gb18030": "这个酒店的房间很干净，服务态度也很好\n",
    "big5": "這個酒店的房間很乾淨，服務態度也很好\n",
    "shift_jis": "このホテルはとても綺麗でした。\n",
    "euc_jp": "このホテルはとても綺麗でした。\n",
    "euc_kr": "이 호텔은 정말 깨끗하고 좋았어요\n",
    "utf-16": "Die Straße\n",
    "utf-16-le": "Die Straße\n",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_text_of_any_encoding_is_read_in_blocks_of_any_size(tmp_path, encoding):
    text = ENCODED[encoding] * 9
    raw = text.encode(encoding)
    expected = text.splitlines()
    (tmp_path / "x").write_bytes(raw)
    for block_bytes in (7, 64, BLOCK):
        found = read(
            tmp_path / "x",
            raw,
            block_bytes=block_bytes,
            txt=str(tmp_path / "x"),
            encoding=encoding,
        )
        assert [row["text"] for _, row in found] == expected
    assert fitting_encoding(raw) == encoding


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-be"])
def test_every_format_of_text_has_an_encoding(request, encoding):
    for kind, text in {
        "jsonl": '{"text": "Straße", "n": "1"}\n',
        "csv": "text,n\nStraße,1\n",
        "tsv": "text\tn\nStraße\t1\n",
    }.items():
        read_it = request.getfixturevalue(kind)
        [(_, row)] = read_it(text.encode(encoding), encoding=encoding)
        assert row == {"text": "Straße", "n": "1"}


def test_bytes_that_an_encoding_does_not_know_are_a_dead_letter(txt, jsonl):
    assert txt(b"a\x81\nok\n", encoding="cp1252") == [
        (0, "undecodable"),
        (3, {"text": "ok"}),
    ]
    utf16 = "a\n".encode("utf-16-le") + b"\x00\xd8" + "b\nok\n".encode("utf-16-le")
    assert [found for _, found in txt(utf16, encoding="utf-16-le")] == [
        {"text": "a"},
        "undecodable",
        {"text": "ok"},
    ]
    assert jsonl(b'{"text": "\x81"}', encoding="cp1252") == [(0, "undecodable")]


def test_a_header_in_another_encoding_names_it(csv, tsv):
    for read_table, separator in ((csv, ";"), (tsv, "\t")):
        header = f"text{separator}Straße\n"
        with pytest.raises(
            DataError, match=r"header is bad: .*; it looks like cp1252: set source.enc"
        ):
            read_table(header.encode("cp1252"))
        with pytest.raises(
            DataError, match=r"got UTF-16; set source\.encoding: utf-16"
        ):
            read_table(header.encode("utf-16"))


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("document", ["line", "paragraph"])
def test_many_empty_lines_are_one_blank_line(txt, ending, document):
    content = b"one" + ending + ending * 9000 + b"two" + ending
    assert txt(content, document=document) == [
        (0, {"text": "one"}),
        (len(content) - 3 - len(ending), {"text": "two"}),
    ]
    lines = read_lines(io.BytesIO(content), begin=0, end=None, max_line_bytes=BLOCK)
    assert sum(1 for _ in lines) < 9
    assert len(txt(content, document=document, max_line_bytes=5)) == 2


def test_many_empty_lines_of_a_quoted_field_are_its_text(csv):
    content = b'text,n\n"a' + b"\n" * 500 + b'",1\n' + b"\n" * 500 + b"b,2\n"
    assert [row for _, row in csv(content)] == [
        {"text": "a" + "\n" * 500, "n": "1"},
        {"text": "b", "n": "2"},
    ]


ROWS = [{"text": 'a "b" [c] {d', "n": {"x": [1, {}]}}, {"text": "é\\\n}", "n": []}]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS).encode(),
        json.dumps(ROWS, indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps(ROWS, ensure_ascii=False).encode(),
        b"\n".join(json.dumps(row, indent=1).encode() for row in ROWS),
        b"\n".join(json.dumps(row).encode() for row in ROWS),
        b"[]" + b"[%s]\n\n[%s]" % tuple(json.dumps(row).encode() for row in ROWS),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 7, BLOCK])
def test_json_is_read_in_any_layout(tmp_path, content, block_bytes):
    path = tmp_path / "x.json"
    found = read(path, content, json=str(path), block_bytes=block_bytes)
    assert [row for _, row in found] == ROWS
    assert found[0][0] == content.find(b"{")


@pytest.mark.parametrize("block_bytes", [1, BLOCK])
def test_bad_values_of_json_are_dead_letters(tmp_path, block_bytes):
    path = tmp_path / "x.json"
    content = b"""[
  {"text": "one"}, 1, "two, {", [{"text": "x"}], no, }
  {"text": "three\n   is", "open": {
  {"text": "four", 5},
  {"text": "%s"},
  {"text": "six"}]
""" % (b"long " * 30)
    found = read(
        path, content, json=str(path), block_bytes=block_bytes, max_line_bytes=99
    )
    assert [found for _, found in found] == [
        {"text": "one"},
        *["not_an_object", "not_an_object", "not_an_object", "bad_json", "bad_json"],
        "bad_json",
        "bad_json",
        "record_too_long",
        {"text": "six"},
    ]


@pytest.mark.parametrize("content", [b'[{"text": "a"}, ', b'{"text": "a"', b'{"a'])
def test_json_that_ends_inside_a_value_is_damaged(tmp_path, content):
    path = tmp_path / "x.json"
    with pytest.raises(
        IntegrityError, match=r"x\.json: ends inside an? (array|value) "
    ):
        read(path, content, json=str(path))


def test_json_has_an_encoding(tmp_path):
    path = tmp_path / "x.json"
    content = '[{"text": "größer"}]'
    for encoding in ("cp1252", "utf-16"):
        raw = content.encode(encoding)
        [(_, row)] = read(path, raw, json=str(path), encoding=encoding)
        assert row == {"text": "größer"}


@pytest.mark.parametrize("content", [b'[{"text": "a"}]', b'{\n"text": "a"\n}\n'])
def test_json_lines_that_are_json_name_the_format(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    reader = open_reader("jsonl", SourceConfig(jsonl=str(tmp_path / "x")))
    part = FileRange(str(tmp_path / "x"), "x", "jsonl")
    assert reader.hint(part, 0, "bad_json").endswith("read it as source.json")
    (tmp_path / "x").write_bytes(b'{"text": "a"}\n[]\n')
    assert reader.hint(part, 0, "not_an_object") == ""


PIECES = {
    "csv": [b'"', b",", b"\n", b"a", b' "b c', b'""', b"\r\n", b"\xff", b'"x",1\n'],
    "json": [
        b'"',
        b",",
        b"\n",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\\",
        b'{"a": 1}',
        b"1",
        b'"k":',
    ],
}
LONG = [b"\n" * 70, b"long " * 15, b"\xef\xbb\xbf"]


@pytest.mark.parametrize("kind", PIECES)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), block_bytes=st.integers(1, 40))
def test_the_size_of_a_block_changes_no_bad_record(
    tmp_path_factory, kind, data, block_bytes
):
    path = tmp_path_factory.getbasetemp() / f"pieces.{kind}"
    pieces = st.lists(st.sampled_from(PIECES[kind] + LONG), max_size=20)
    content = b"".join(data.draw(pieces))
    options = {"columns": ("text", "n")} if kind == "csv" else {}

    def outcome(block_bytes):
        knobs = {"block_bytes": block_bytes, "max_line_bytes": 60, kind: str(path)}
        try:
            return read(path, content, **knobs, **options)
        except IntegrityError as error:
            return str(error)

    assert outcome(block_bytes) == outcome(BLOCK)
