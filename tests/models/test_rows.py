import numpy as np
import pytest
import tensorflow as tf

from textmill.models.rows import TOKEN_COLUMNS, RowReader, RowSchema, frame_rows


@pytest.fixture
def schema():
    return RowSchema(sequence_length=4, wide=False, target="label")


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
    schema = RowSchema(sequence_length=2, wide=True)
    rows = np.zeros(1, schema.dtype)
    rows["ids"] = [[70000, 1]]
    (tmp_path / "a").write_bytes(frame_rows(schema, rows))
    taken = RowReader([tmp_path / "a"], schema).take(np.array([0]))
    assert taken["ids"].tolist() == [[70000, 1]]


@pytest.mark.parametrize(
    ("target", "frame"),
    [
        ("none", "0c00000000000000f4c8fe0a020007002c010300040000005fe159f1"),
        (
            "label",
            "100000000000000095fbfe18020007002c0103000400000001000000426c3515",
        ),
    ],
)
def test_frames_without_target_and_with_a_label_keep_their_bytes(target, frame):
    schema = RowSchema(sequence_length=4, wide=False, target=target)
    rows = np.zeros(1, schema.dtype)
    rows["ids"], rows["length"] = [[2, 7, 300, 3]], 4
    if target == "label":
        rows["label"] = 1
    assert frame_rows(schema, rows).hex() == frame


def test_manifests_keep_the_form_of_schemas_without_target_and_with_a_label():
    shape = {"sequence_length": 4, "wide": False}
    old = shape | {"parts": "none", "words": False}
    for target, labelled in (("none", False), ("label", True)):
        schema = RowSchema(**shape, target=target)
        assert schema.facts == old | {"labelled": labelled}
        assert RowSchema.of({"schema": schema.facts}) == schema
    schema = RowSchema(**shape, target="labels", num_labels=3)
    assert schema.facts == old | {"target": "labels", "num_labels": 3}
    assert RowSchema.of({"schema": schema.facts}) == schema


@pytest.mark.parametrize(
    ("target", "value", "dtype"),
    [("labels", [1, 0, 1], np.uint8), ("number", -2.5, np.float32)],
)
def test_a_row_holds_the_target_of_its_document(target, value, dtype, tmp_path):
    schema = RowSchema(sequence_length=2, wide=False, target=target, num_labels=3)
    rows = np.zeros(1, schema.dtype)
    rows[target] = value
    (tmp_path / "rows").write_bytes(frame_rows(schema, rows))
    column = RowReader([tmp_path / "rows"], schema).take(np.array([0]))[target]
    assert column.dtype == dtype
    assert column.tolist() == [value]


@pytest.mark.parametrize(
    "knobs",
    [
        *({"parts": parts} for parts in ("documents", "sentences", "pair", "answer")),
        {"words": True},
        {"target": "text", "target_tokens": 10},
    ],
    ids=str,
)
def test_columns_of_tokens_are_those_that_length_buckets_truncate(knobs):
    schema = RowSchema(sequence_length=10, wide=False, **knobs)
    columns = schema.unpack(np.zeros(3, schema.dtype))
    of_tokens = {name for name, value in columns.items() if value.shape == (3, 10)}
    assert of_tokens and of_tokens <= TOKEN_COLUMNS


def test_the_width_of_a_row_is_that_of_its_longer_sequence(tmp_path):
    schema = RowSchema(sequence_length=6, wide=False, target="text", target_tokens=8)
    rows = np.zeros(2, schema.dtype)
    rows["length"], rows["target_length"] = [6, 3], [5, 8]
    (tmp_path / "rows").write_bytes(frame_rows(schema, rows))
    reader = RowReader([tmp_path / "rows"], schema)
    assert reader.lengths().tolist() == [11, 11]
    assert reader.widths().tolist() == [6, 8]
    assert reader.take(np.array([1]))["target_length"].tolist() == [8]


def test_a_row_of_several_texts_is_read_by_text(tmp_path):
    schema = RowSchema(sequence_length=3, wide=False, texts=2)
    assert RowSchema.of({"schema": schema.facts}) == schema
    rows = np.zeros(2, schema.dtype)
    rows["ids"] = [[2, 5, 3, 2, 3, 0], [2, 3, 0, 2, 3, 0]]
    rows["lengths"] = [[3, 2], [2, 2]]
    rows["length"] = [5, 4]
    (tmp_path / "rows").write_bytes(frame_rows(schema, rows))
    reader = RowReader([tmp_path / "rows"], schema)
    columns = reader.take(np.array([1, 0]))
    assert columns["ids"].tolist() == [[[2, 3, 0], [2, 3, 0]], [[2, 5, 3], [2, 3, 0]]]
    assert columns["lengths"].tolist() == [[2, 2], [3, 2]]
    assert reader.row_length == 6
    assert reader.lengths().tolist() == [5, 4]
    assert reader.widths().tolist() == [3, 2]
