import numpy as np
import pytest
import tensorflow as tf

from textmill.models.rows import RowReader, RowSchema, frame_rows


@pytest.fixture
def schema():
    return RowSchema(sequence_length=4, wide=False, labelled=True)


def made(schema, first, count):
    rows = np.zeros(count, schema.dtype)
    rows["ids"] = np.arange(first, first + 4 * count).reshape(count, 4)
    rows["length"], rows["label"] = 4, np.arange(first, first + count)
    return rows


def test_rows_are_gathered_across_files_in_any_order(schema, tmp_path):
    paths = [tmp_path / "a", tmp_path / "empty", tmp_path / "b"]
    for path, rows in zip(
        paths,
        (made(schema, 0, 3), made(schema, 0, 0), made(schema, 100, 2)),
        strict=True,
    ):
        path.write_bytes(frame_rows(schema, rows))
    reader = RowReader(paths, schema)
    taken = reader.take(np.array([4, 0, 3]))
    assert len(reader) == 5
    assert taken["ids"].tolist() == [
        [104, 105, 106, 107],
        [0, 1, 2, 3],
        [100, 101, 102, 103],
    ]
    assert taken["label"].tolist() == [101, 0, 100]


def test_tensorflow_reads_the_files_with_their_checksums(schema, tmp_path):
    path = tmp_path / "rows.tfrecord"
    path.write_bytes(frame_rows(schema, made(schema, 7, 3)))
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    assert records == [row.tobytes() for row in made(schema, 7, 3)]


def test_large_vocabularies_take_32_bits(tmp_path):
    schema = RowSchema(sequence_length=2, wide=True, labelled=False)
    rows = np.zeros(1, schema.dtype)
    rows["ids"] = [[70000, 1]]
    (tmp_path / "a").write_bytes(frame_rows(schema, rows))
    taken = RowReader([tmp_path / "a"], schema).take(np.array([0]))
    assert taken["ids"].tolist() == [[70000, 1]]
