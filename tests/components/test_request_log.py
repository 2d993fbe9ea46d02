"""RequestLog: a sample by id, masked, in whole files, and never in the server's way."""

import json

import pyarrow.parquet as pq
import pytest

from textmill.components.request_log import RequestLog
from textmill.models.errors import ConfigError


def record(log, request_id="r1", texts=(["fine"],), answers=None, **changes):
    call = {"model": "reviews", "version": 3, "seconds": 0.25} | changes
    answers = [{"label": "good"}] * len(texts) if answers is None else answers
    log.record(request_id=request_id, texts=list(texts), answers=answers, **call)


def rows_of(folder):
    """Returns the rows of all files, the oldest first."""
    return [
        row
        for path in sorted(folder.iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def test_every_row_of_a_request_is_written_with_its_answer(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1)
    answers = [{"label": "good"}, {"label": "坏"}]
    record(log, texts=[["a", "b"], ["c", "d"]], answers=answers)
    log.close()
    rows = rows_of(tmp_path)
    assert [row.pop("time") is not None for row in rows] == [True, True]
    shared = {"request_id": "r1", "model": "reviews", "version": 3, "seconds": 0.25}
    assert rows == [
        shared | {"row": 0, "texts": ["a", "b"], "answer": '{"label": "good"}'},
        shared | {"row": 1, "texts": ["c", "d"], "answer": '{"label": "坏"}'},
    ]


def test_personal_data_is_masked_in_texts_and_answers(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1)
    answer = {
        "text": "write to ada@example.com",
        "spans": [{"text": "ada@example.com"}],
    }
    record(log, texts=[["I am ada@example.com"]], answers=[answer])
    log.close()
    [row] = rows_of(tmp_path)
    assert row["texts"] == ["I am <EMAIL>"]
    assert json.loads(row["answer"]) == {
        "text": "write to <EMAIL>",
        "spans": [{"text": "<EMAIL>"}],
    }


def test_the_sample_is_that_of_seed_and_id(tmp_path):
    ids = [f"request {number}" for number in range(2000)]
    taken = []
    for seed in (1, 1, 2):
        log = RequestLog(tmp_path, sample=0.25, seed=seed)
        taken.append([request_id for request_id in ids if log.takes(request_id)])
        log.close()
    assert taken[0] == taken[1] != taken[2]
    assert [400 < len(sample) < 600 for sample in taken] == [True] * 3


@pytest.mark.parametrize(("sample", "count"), [(0.0, 0), (1.0, 1)])
def test_a_sample_of_none_or_all_has_none_or_all(tmp_path, sample, count):
    log = RequestLog(tmp_path, sample=sample, seed=1)
    record(log)
    log.close()
    assert len(rows_of(tmp_path)) == count


def test_files_rotate_by_rows_and_a_request_is_never_divided(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1, max_rows=2)
    for number in range(3):
        record(log, f"r{number}", texts=[["a"], ["b"], ["c"]])
    log.close()
    assert [len(pq.read_table(p)) for p in sorted(tmp_path.iterdir())] == [3, 3, 3]


def test_the_oldest_files_are_removed_beyond_the_limit(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1, max_rows=1, max_bytes=1)
    for number in range(4):
        record(log, f"r{number}")
    log.close()
    assert [row["request_id"] for row in rows_of(tmp_path)] == ["r3"]


def test_requests_after_the_end_are_dropped_and_counted(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1)
    log.close()
    record(log)
    assert (log.dropped, rows_of(tmp_path)) == (1, [])


def test_a_request_without_an_answer_is_counted_and_costs_no_other(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1)
    record(log, "bad", answers=[])
    record(log, "good")
    log.close()
    assert log.dropped == 1
    assert [row["request_id"] for row in rows_of(tmp_path)] == ["good"]


def test_a_folder_that_vanishes_costs_requests_and_no_error(tmp_path):
    log = RequestLog(tmp_path / "log", sample=1.0, seed=1)
    (tmp_path / "log").rmdir()
    record(log)
    log.close()
    assert log.dropped == 1


def test_every_request_is_written_or_counted(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1, max_rows=50, max_waiting=2)
    for number in range(200):
        record(log, f"r{number}")
    log.close()
    assert len(rows_of(tmp_path)) + log.dropped == 200


def test_text_that_has_no_bytes_in_utf_8_is_written(tmp_path):
    log = RequestLog(tmp_path, sample=1.0, seed=1)
    record(log, texts=[["\ud800 fine"]])
    log.close()
    assert [row["texts"] for row in rows_of(tmp_path)] == [["? fine"]]


@pytest.mark.parametrize(
    "options", [{"sample": 1.5}, {"sample": -0.1}, {"sample": 0.5, "max_rows": 0}]
)
def test_numbers_out_of_range_are_errors(tmp_path, options):
    with pytest.raises(ConfigError, match="expected"):
        RequestLog(tmp_path, seed=1, **options)


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="expected a folder"):
        RequestLog(tmp_path / "file" / "log", sample=1.0, seed=1)
