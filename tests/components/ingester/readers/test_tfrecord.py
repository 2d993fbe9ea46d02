"""TFRecord files of tf.Example as TensorFlow and tfds write them, whole and damaged."""

import io
import random

import google_crc32c
import pytest
import tensorflow as tf

from textmill.components.ingester.readers.reader import read_ranges, split_ranges
from textmill.components.ingester.readers.records import LimitsConfig, Record
from textmill.components.ingester.readers.tfrecord import mask, read_frames
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import external_files, find_files
from textmill.models.errors import IntegrityError


def feature(*values):
    if all(isinstance(value, bytes) for value in values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if all(isinstance(value, int) for value in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**columns):
    features = {
        name: feature(*value) if isinstance(value, tuple) else feature(value)
        for name, value in columns.items()
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString(deterministic=True)


def write(path, *records, compression=""):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)
    return path


def read(path, *, max_line_bytes=1 << 20, **source):
    """Returns (offset, row) or (offset, reason) for every record of a file."""
    source = SourceConfig(**({"tfrecord": str(path)} | source))
    units = split_ranges(find_files(source), source, block_bytes=1 << 20)
    limits = LimitsConfig(max_line_bytes=max_line_bytes)
    return [
        (record.offset, record.row if isinstance(record, Record) else record.reason)
        for unit in units
        for _, record in read_ranges(unit, source=source, limits=limits, block_bytes=9)
    ]


def test_features_of_one_value_are_columns_and_others_are_lists(tmp_path):
    record = example(
        text="é 1".encode(), n=-(2**63), x=0.5, tags=(b"a", b"b"), ids=(1, 2), none=()
    )
    path = write(tmp_path / "x", record, b"", example(text=b"b"))
    row = {
        "ids": [1, 2],
        "n": -(2**63),
        "none": None,
        "tags": [b"a", b"b"],
        "text": "é 1",
        "x": 0.5,
    }
    size = 16 + len(record)
    assert read(path) == [(0, row), (size, {}), (size + 16, {"text": "b"})]


@pytest.mark.parametrize(("ending", "kind"), [("", ""), (".gz", "GZIP")])
def test_a_file_may_be_compressed_as_tensorflow_does(tmp_path, ending, kind):
    records = [example(text=b"%d" % n) for n in range(3000)]
    path = write(tmp_path / f"x.tfrecord{ending}", *records, compression=kind)
    assert [row["text"] for _, row in read(path)] == [str(n) for n in range(3000)]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (example(text=b"\xff"), "invalid_utf8"),
        (example(text=b"a", key=b"\xff"), "invalid_utf8"),
        (example(text=b"a", key=float("inf")), "not_finite"),
        (b"not an example", "bad_example"),
        (example(text=b"a" * 100), "record_too_long"),
    ],
)
def test_a_bad_record_is_a_dead_letter(tmp_path, record, reason):
    path = write(tmp_path / "x", record, example(text=b"ok"))
    found = read(path, max_line_bytes=80, id="key")
    assert found == [(0, reason), (16 + len(record), {"text": "ok"})]


def test_values_that_no_column_needs_may_be_anything(tmp_path):
    path = write(tmp_path / "x", example(text=b"a", image=b"\xff\xd8", x=float("nan")))
    assert read(path) == [(0, {"text": "a"})]


def test_a_file_truncated_inside_a_record_is_damaged(tmp_path):
    path = write(tmp_path / "x", example(text=b"a"), example(text=b"b"))
    content = path.read_bytes()
    for end in range(1, len(content)):
        path.write_bytes(content[:end])
        if end == len(content) // 2:
            assert len(read(path)) == 1
            continue
        with pytest.raises(
            IntegrityError, match=f"/x: ends inside a record, at byte {end}"
        ):
            read(path)


def test_a_flipped_bit_anywhere_is_damage(tmp_path):
    path = write(tmp_path / "x", example(text=b"a"))
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        what = "length" if place < 12 else "record"
        words = f"/x: the checksum of the {what} at byte 0 is wrong"
        with pytest.raises(IntegrityError, match=words):
            read(path)


def test_a_damaged_long_record_is_detected_while_it_is_skipped(tmp_path):
    path = write(tmp_path / "x", example(text=random.Random(0).randbytes(3 << 20)))
    assert read(path) == [(0, "record_too_long")]
    content = bytearray(path.read_bytes())
    content[2 << 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="checksum of the record at byte 0"):
        read(path)


def test_text_is_no_tfrecord(tmp_path):
    (tmp_path / "x").write_bytes(b'{"text": "a line of JSON"}\n')
    with pytest.raises(IntegrityError, match="damaged, or not a TFRecord"):
        read(tmp_path / "x")
    (tmp_path / "x").touch()
    assert read(write(tmp_path / "x")) == []


def test_every_size_of_read_gives_the_same_records(tmp_path):
    records = [example(text=b"a" * n) for n in range(50)]
    content = write(tmp_path / "x", *records).read_bytes()

    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 7))

    for stream in (io.BytesIO(content), Slow(content)):
        frames = read_frames(stream, "x", max_bytes=99)
        assert [frame.raw for frame in frames] == records


def test_the_checksum_is_that_of_tensorflow(tmp_path):
    content = write(tmp_path / "x", b"record").read_bytes()
    assert content[-4:] == mask(google_crc32c.value(b"record")).to_bytes(4, "little")


def test_hostile_examples_are_dead_letters(tmp_path):
    letters = random.Random(1)
    good = example(text=b"a" * 40, n=3, x=1.5)
    records = []
    for _ in range(2000):
        record = bytearray(good)
        for _ in range(letters.randint(1, 4)):
            record[letters.randrange(len(record))] = letters.randrange(256)
        records.append(bytes(record[: letters.randint(0, len(record))]))
    found = read(write(tmp_path / "x", *records))
    assert len(found) == 2000
    reasons = {row for _, row in found if isinstance(row, str)}
    assert reasons <= {"bad_example", "invalid_utf8", "not_finite"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of a data set that tfds itself has prepared."""
    import tensorflow_datasets as tfds

    class TinyReviews(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        code_path = None  # to find it, tfds imports a package that it does not require

        def _info(self):
            features = {
                "text": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=["neg", "pos"]),
                "stars": tfds.features.ClassLabel(num_classes=3),
                "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=["a"])),
                "seen": tf.bool,
                "by": {"sex": tfds.features.ClassLabel(names=["f", "m"])},
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, _):
            counts = {"train": 3, "validation": 1, "unsupervised": 2}
            return {name: self._generate_examples(n) for name, n in counts.items()}

        def _generate_examples(self, count):
            for i in range(count):
                yield (
                    i,
                    {
                        "text": f"text {i}",
                        "label": -1 if i == 2 else i,
                        "stars": i,
                        "tags": [0, 0],
                        "seen": i == 0,
                        "by": {"sex": "m"},
                    },
                )

    folder = tmp_path_factory.mktemp("tfds")
    TinyReviews(data_dir=folder).download_and_prepare()
    return str(folder)


def test_a_data_set_of_tfds_is_read_with_the_names_of_its_classes(prepared):
    source = SourceConfig(tfds="tiny_reviews", data_dir=prepared)
    files = find_files(source)
    assert [(file.split, file.name) for file in files] == [
        ("train", "tiny_reviews-train.tfrecord-00000-of-00001"),
        ("eval", "tiny_reviews-validation.tfrecord-00000-of-00001"),
    ]
    found = read("", tfrecord=None, tfds="tiny_reviews", data_dir=prepared)
    rows = [row for _, row in found if isinstance(row, dict)]
    assert sorted(rows, key=lambda row: row["text"])[1:] == [
        {
            "by/sex": "m",
            "label": ["neg", "pos", None][n],
            "seen": n == 0,
            "stars": n,
            "tags": [0, 0],
            "text": f"text {n}",
        }
        for n in (0, 1, 2)
    ]
    assert len(rows) == len(found)


def test_documents_depend_on_the_names_of_classes(prepared):
    files = external_files(SourceConfig(tfds="tiny_reviews", data_dir=prepared))
    assert {path.name for path in files} >= {
        "dataset_info.json",
        "features.json",
        "label.labels.txt",
        "by-sex.labels.txt",
    }


def test_a_shard_of_tfds_that_lost_a_record_is_damaged(prepared, tmp_path):
    import shutil

    shutil.copytree(prepared, tmp_path / "copy")
    [shard] = (tmp_path / "copy").glob("*/*/*-train.*")
    content = shard.read_bytes()
    length = int.from_bytes(content[:8], "little")
    shard.write_bytes(content[16 + length :])
    with pytest.raises(IntegrityError, match="expected 3 examples, found 2; prepare"):
        read("", tfrecord=None, tfds="tiny_reviews", data_dir=str(tmp_path / "copy"))


def test_stock_tensorflow_still_accepts_a_file_truncated_inside_a_header(tmp_path):
    path = write(tmp_path / "x", example(text=b"a"), example(text=b"b"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 5])
    assert len(list(tf.data.TFRecordDataset(str(path)))) == 1
