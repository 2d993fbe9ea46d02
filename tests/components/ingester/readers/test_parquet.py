"""Parquet files: rows of plain columns, in ranges of row groups, whole and damaged."""

import json
import random
import signal
import subprocess
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.components.ingester.readers.reader import read_ranges, split_ranges
from textmill.components.ingester.readers.records import LimitsConfig, Record
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import find_files
from textmill.models.errors import DataError, IntegrityError


def read(path, *, block_bytes=1 << 20, limits=None, **source):
    """Returns (offset, row) or (offset, reason) for every row of a file."""
    source = SourceConfig(parquet=str(path), **source)
    units = split_ranges(find_files(source), source, block_bytes=block_bytes)
    return [
        (record.offset, record.row if isinstance(record, Record) else record.reason)
        for unit in units
        for _, record in read_ranges(
            unit, source=source, limits=limits or LimitsConfig(), block_bytes=9
        )
    ]


def write(path, columns, **options):
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, **options)
    return path


def test_plain_columns_are_read_and_others_left_out(tmp_path):
    columns = {
        "text": ["é", None],
        "n": pa.array([1, 2], pa.uint64()),
        "x": [0.5, None],
        "ok": [True, False],
        "bytes": pa.array([b"a", b"\xff"], pa.binary()),
        "large": pa.array(["a", "b"], pa.large_string()),
        "kind": pa.array(["u", "v"]).dictionary_encode(),
        "list": [[1], [2]],
        "struct": [{"a": 1}, {"a": 2}],
        "__index_level_0__": [8, 9],
    }
    plain = {"n": 1, "x": 0.5, "ok": True, "bytes": "a", "large": "a", "kind": "u"}
    other = {"n": 2, "x": None, "ok": False, "large": "b", "kind": "v"}
    assert read(write(tmp_path / "x.parquet", columns)) == [
        (0, {"text": "é"} | plain),
        (1, {"text": None} | other),
    ]


def test_columns_of_polars_and_pandas_become_plain_values(tmp_path):
    moment = datetime(2026, 11, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    views = pa.array(["a", "b" * 50], pa.string_view())
    columns = {
        "text": views,
        "raw": pa.array([b"a", b"\xff"], pa.binary_view()),
        "day": [date(2026, 11, 1), None],
        "at": pa.array([moment, None], pa.timestamp("ms", "Europe/Berlin")),
        "hour": [time(9, 5), None],
        "price": [Decimal("1.50"), None],
        "none": pa.nulls(2),
        "kind": pa.array(["a", None]).dictionary_encode(),
    }
    path = write(tmp_path / "x.parquet", columns)
    assert read(path, limits=LimitsConfig(max_line_bytes=40)) == [
        (
            0,
            {
                "text": "a",
                "raw": "a",
                "day": "2026-11-01",
                "at": "2026-11-01 10:30:00.000",
                "hour": "09:05:00.000000",
                "price": 1.5,
                "none": None,
                "kind": "a",
            },
        ),
        (1, "record_too_long"),
    ]


def test_the_index_of_pandas_is_read_where_it_is_needed(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": ["a"], "__index_level_0__": [7]})
    assert read(path) == [(0, {"text": "a"})]
    assert read(path, id="__index_level_0__") == [
        (0, {"text": "a", "__index_level_0__": 7})
    ]


def test_a_nested_text_is_refused(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": [[{"role": "user"}]]})
    with pytest.raises(
        DataError, match=r"x\.parquet: expected text in column 'text', got list<.*role"
    ):
        read(path)


def test_a_column_name_that_is_not_utf_8_is_refused(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": ["a"], "abcd": [1]})
    path.write_bytes(path.read_bytes().replace(b"abcd", b"\xffbcd"))
    with pytest.raises(DataError, match=r"x\.parquet: the name of a column is not UTF"):
        read(path)


def test_spans_are_ranges_of_row_groups(tmp_path):
    text = [f"{n} {random.Random(n).random()}" for n in range(1000)]
    path = write(tmp_path / "x.parquet", {"text": text}, row_group_size=30)
    source = SourceConfig(parquet={"eval": str(path)})
    units = split_ranges(find_files(source), source, block_bytes=4000)
    spans = [span for unit in units for span in unit]
    assert len(spans) > 3
    assert [span.begin for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert (spans[0].begin, spans[-1].end, spans[0].split) == (0, 34, "eval")
    expected = [(n, {"text": text[n]}) for n in range(1000)]
    for block_bytes in (1, 4000, 1 << 30):
        assert read(path, block_bytes=block_bytes) == expected


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_every_codec_is_read(tmp_path, codec):
    path = write(tmp_path / "x.parquet", {"text": ["a", "b"]}, compression=codec)
    assert read(path) == [(0, {"text": "a"}), (1, {"text": "b"})]


def test_a_file_without_rows_is_fine(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": pa.array([], pa.string())})
    assert read(path) == []


def test_a_bad_row_is_a_dead_letter(tmp_path):
    invalid = pa.array([b"ok", b"\xff"], pa.binary())
    text = pa.concat_arrays(
        [pa.array(["a", "b" * 50, "c", "d"]), invalid.view("string")]
    )
    x = [0.5, 1.5, float("nan"), float("inf"), 2.5, 2.5]
    found = read(
        write(tmp_path / "x.parquet", {"text": text, "x": x}, write_statistics=False),
        limits=LimitsConfig(max_line_bytes=40),
    )
    assert found == [
        (0, {"text": "a", "x": 0.5}),
        (1, "record_too_long"),
        (2, {"text": "c"}),
        (3, {"text": "d"}),
        (4, {"text": "ok", "x": 2.5}),
        (5, "invalid_utf8"),
    ]


def test_a_target_that_is_not_a_number_is_missing_and_an_infinite_one_is_bad(tmp_path):
    columns = {"text": ["a", "b"], "x": [float("nan"), float("inf")]}
    assert read(write(tmp_path / "x.parquet", columns), number="x") == [
        (0, {"text": "a", "x": None}),
        (1, "not_finite"),
    ]


def test_a_row_that_is_rejected_later_is_identified_by_its_json(tmp_path):
    source = SourceConfig(parquet=str(write(tmp_path / "x.parquet", {"n": [1]})))
    [unit] = split_ranges(find_files(source), source, block_bytes=9)
    spans = read_ranges(unit, source=source, limits=LimitsConfig(), block_bytes=9)
    [(_, record)] = spans
    assert json.loads(record.raw) == {"n": 1}


def test_the_class_labels_of_hugging_face_get_their_names_back(tmp_path):
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
    }
    table = pa.table({"text": [*"abcde"], "label": [1, 0, -1, None, 2]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path = write(tmp_path / "x.parquet", table.replace_schema_metadata(metadata))
    assert read(path, label="label") == [
        (0, {"text": "a", "label": "pos"}),
        (1, {"text": "b", "label": "neg"}),
        (2, {"text": "c", "label": None}),
        (3, {"text": "d", "label": None}),
        (4, "bad_label"),
    ]


def test_a_damaged_file_names_itself(tmp_path):
    text = [str(random.Random(n).random()) for n in range(2000)]
    path = write(tmp_path / "x.parquet", {"text": text}, write_page_checksum=True)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 1
    for damaged in (content[:-1], content[: len(content) // 2], b"", b"text", flipped):
        path.write_bytes(damaged)
        with pytest.raises(
            IntegrityError, match=r"/x\.parquet: damaged, cut, or no Parq"
        ):
            read(path)


def test_a_file_truncated_or_flipped_anywhere_gives_rows_or_an_error(tmp_path):
    letters = random.Random(3)
    path = write(tmp_path / "x.parquet", {"text": ["a", "b"], "n": [1, 2]})
    content = path.read_bytes()
    for _ in range(200):
        flipped = bytearray(content)
        for _ in range(3):
            flipped[letters.randrange(len(flipped))] = letters.randrange(256)
        path.write_bytes(flipped)
        try:
            read(path)
        except (IntegrityError, DataError) as fault:
            assert str(path) in str(fault)


def test_a_footer_with_any_flipped_bit_gives_rows_or_an_error(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": ["a", "b"]})
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in range(footer, len(content) - 8):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        try:
            read(path)
        except (IntegrityError, DataError) as error:
            assert str(path) in str(error)


def test_stock_pyarrow_still_ends_the_process_at_a_damaged_column(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": ["a", "b"]})
    flipped = bytearray(path.read_bytes())
    flipped[flipped.index(b"schema") + len(b"schema") + 5] ^= 1
    path.write_bytes(flipped)
    code = "pq.ParquetFile(sys.argv[1]).metadata.row_group(0).column(0)"
    script = f"import sys; import pyarrow.parquet as pq; {code}"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True)
    assert done.returncode == -signal.SIGABRT


def test_a_bomb_of_large_texts_stops_before_they_are_read(tmp_path):
    column = pa.array(["x" * 1_000_000] * 100)
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"text": column}), path, compression="zstd", use_dictionary=False
    )
    assert path.stat().st_size < 100_000
    before = pa.total_allocated_bytes()
    with pytest.raises(DataError, match=r"x\.parquet: expands to more than"):
        read(path)
    assert pa.total_allocated_bytes() == before


def test_a_bomb_of_one_repeated_text_stops(tmp_path):
    indices = pa.array(np.zeros(200_000, np.int32))
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 10_000]))
    path = write(tmp_path / "x.parquet", {"text": column})
    assert path.stat().st_size < 100_000
    with pytest.raises(
        DataError, match=r"x\.parquet: expands to more than limits\.max_"
    ):
        read(path)
    with pytest.raises(
        DataError, match=r"x\.parquet: expands to more than limits\.max_"
    ):
        read(path, limits=LimitsConfig(max_expanded_bytes=1000))
