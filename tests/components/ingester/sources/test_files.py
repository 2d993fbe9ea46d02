"""Sources: which files a config names, in which split, format and version."""

import json
import os
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
import zstandard

from textmill.components.artifacts import Documents
from textmill.components.base import Context, ExternalVersion
from textmill.components.ingester import Ingester, IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.readers.reader import read_ranges, split_ranges
from textmill.components.ingester.readers.records import LimitsConfig, Record
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import (
    external_files,
    find_files,
    resolved_span,
)
from textmill.components.ingester.sources.path_columns import path_columns
from textmill.models.errors import ConfigError, IntegrityError


@pytest.fixture
def touch(tmp_path):
    """Writes a row to files of these names, and returns their folder."""

    def apply(*names, content=b'{"text": "a"}\n'):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return str(tmp_path)

    return apply


def found(**source):
    """Returns name and split of every file of a source."""
    return [(file.name, file.split) for file in find_files(SourceConfig(**source))]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "exactly one of docstrings, jsonl, .* files, got none"),
        ({"jsonl": "a", "tfds": "b"}, "got jsonl and tfds"),
        (
            {"jsonl": {"dev": "a"}},
            "train, eval, test as the splits of jsonl, got 'dev'",
        ),
        ({"jsonl": {"trian": "a"}}, "did you mean 'train'"),
        ({"csv": ()}, "a path or glob as csv, got none"),
        ({"csv": {"train": ()}}, "a path or glob as csv, got none"),
        ({"jsonl": "a", "rate": 0}, "rate above 0, got 0"),
        ({"jsonl": "a", "epochs": -1.5}, "epochs above 0, got -1.5"),
        ({"jsonl": "a", "rate": float("nan")}, "rate above 0, got nan"),
        ({"jsonl": "a", "rate": 1, "epochs": 1}, "either rate or epochs, got both"),
        ({"jsonl": "a", "columns": ("a",)}, "columns with csv or tsv or folder only"),
        ({"jsonl": "a", "data_dir": "b"}, "data_dir with tfds only, got jsonl"),
        ({"jsonl": "{span}"}, r"\{SPAN\}, .* in braces, got \{span\}"),
        ({"jsonl": "{SPAN}{YYYY}"}, r"either \{SPAN\} or a date in the patterns"),
        ({"jsonl": "{YYYY}{DD}"}, "as the parts of a date"),
        ({"jsonl": "{VERSION}"}, r"with \{VERSION\}, got \{VERSION\} alone"),
        ({"jsonl": ("{SPAN}", "{VERSION}")}, r"with \{VERSION\}"),
        ({"jsonl": ("{YYYY}", "{YYYY}{MM}")}, "the same parts of a date in every"),
        ({"jsonl": "a", "span": 1}, r"\{SPAN\} or \{YYYY\} in a pattern for span"),
        ({"jsonl": "{SPAN}", "version": 1}, r"\{VERSION\} in a pattern for version"),
        ({"jsonl": "{SPAN}", "span": "2026-11-01"}, "a whole number as span"),
        ({"jsonl": "{YYYY}{MM}", "span": "2026-11-01"}, 'a date like "2026-11" as sp'),
        ({"jsonl": "{YYYY}{MM}{DD}", "span": 7}, 'a date like "2026-11-01" as span'),
    ],
)
def test_an_invalid_source_is_refused(source, words):
    with pytest.raises(ValueError, match=words):
        SourceConfig(**source)


def test_files_may_be_named_by_split(touch):
    folder = touch("a.jsonl", "b/1.jsonl", "b/2.jsonl", "c.jsonl")
    assert found(
        jsonl={"train": (f"{folder}/b/*", f"{folder}/c.jsonl"), "test": f"{folder}/a*"}
    ) == [
        ("a.jsonl", "test"),
        ("b/1.jsonl", "train"),
        ("b/2.jsonl", "train"),
        ("c.jsonl", "train"),
    ]


def test_a_file_of_two_splits_is_refused(touch):
    folder = touch("a.jsonl")
    with pytest.raises(ConfigError, match=r"a\.jsonl: belongs to train and to test"):
        found(jsonl={"train": f"{folder}/*", "test": f"{folder}/a.jsonl"})


def test_a_span_knows_its_split(touch):
    folder = touch("a.jsonl", "b.jsonl.gz")
    source = SourceConfig(
        jsonl={"train": f"{folder}/a.jsonl", "eval": f"{folder}/b.jsonl.gz"}
    )
    units = split_ranges(find_files(source), source, block_bytes=4)
    assert [(s.name, s.split) for unit in units for s in unit] == [
        *[("a.jsonl", "train")] * 4,
        ("b.jsonl.gz", "eval"),
    ]


def test_files_of_one_name_go_by_the_paths_where_they_part(touch):
    folder = touch("x/a/1.jsonl", "x/b/1.jsonl", "x/b/2.jsonl")
    assert [name for name, _ in found(jsonl=f"{folder}/x/**/*.jsonl")] == [
        "a/1.jsonl",
        "b/1.jsonl",
        "b/2.jsonl",
    ]


def test_an_archive_is_no_compressed_file(touch):
    folder = touch("a.jsonl.zip", "a.parquet.gz")
    with pytest.raises(
        ConfigError, match=r"expected plain text or \.gz, \.zst, \.bz2, \.xz"
    ):
        found(jsonl=f"{folder}/*.zip")
    with pytest.raises(
        ConfigError, match="compresses its own parts: decompress it first"
    ):
        found(parquet=f"{folder}/*.gz")


def test_a_path_with_dots_never_leaves_the_folder_of_its_glob(touch, tmp_path):
    folder = touch("in/a/x.jsonl", "out/y.jsonl")
    with pytest.raises(
        ConfigError, match=r"y\.jsonl: a link to .*, outside .*/in that"
    ):
        found(jsonl=f"{folder}/in/*/../../out/*.jsonl")
    os.symlink(tmp_path / "out", tmp_path / "in" / "9")
    with pytest.raises(ConfigError, match=r"y\.jsonl: a link to"):
        found(jsonl=f"{folder}/in/{{SPAN}}/y.jsonl")
    with pytest.raises(ConfigError, match=r"9: a link to"):
        found(folder=f"{folder}/in")


def test_brackets_of_a_folder_that_exists_are_its_name(touch):
    folder = touch("a [v2]/x1.jsonl", "a [v2]/7/y.jsonl", "a v/x2.jsonl")
    for pattern in ("*.jsonl", "x[12].jsonl", "{SPAN}/y.jsonl", "x1.jsonl"):
        [file] = find_files(SourceConfig(jsonl=f"{folder}/a [v2]/{pattern}"))
        assert file.path.startswith(f"{folder}/a [v2]/")
    assert found(jsonl=f"{folder}/a [uv]/*") == [("a v/x2.jsonl", None)]
    os.symlink(f"{folder}/a v/x2.jsonl", f"{folder}/a [v2]/out.jsonl")
    with pytest.raises(ConfigError, match=r"out\.jsonl: a link to"):
        found(jsonl=f"{folder}/a [v2]/*.jsonl")


def test_the_links_of_the_hugging_face_cache_are_followed(touch, tmp_path):
    folder = touch("datasets--a--b/blobs/0f3", "other/x")
    snapshot = tmp_path / "datasets--a--b" / "snapshots" / "9e1"
    snapshot.mkdir(parents=True)
    (snapshot / "train.jsonl").symlink_to("../../blobs/0f3")
    assert found(folder=str(snapshot)) == [("train.jsonl", "train")]
    assert found(jsonl=f"{snapshot}/*.jsonl") == [("train.jsonl", None)]
    (snapshot / "test.jsonl").symlink_to(f"{folder}/other/x")
    with pytest.raises(ConfigError, match=r"test\.jsonl: a link to .*/other/x, out"):
        found(folder=str(snapshot))


def test_a_file_name_that_is_not_utf_8_is_refused(touch):
    folder = touch(os.fsdecode(b"train \xff.jsonl"))
    for source in ({"jsonl": f"{folder}/*"}, {"folder": folder}):
        with pytest.raises(
            ConfigError, match=r"train \\xff\.jsonl: the name of the file is not UTF-8"
        ):
            found(**source)


def test_a_path_gives_the_columns_of_its_folders():
    assert path_columns("/a/day=2026-11-01/label=so%2Fso/1.txt") == {
        "directory": "label=so%2Fso",
        "day": "2026-11-01",
        "label": "so/so",
    }
    assert path_columns("/a/x=__HIVE_DEFAULT_PARTITION__/b=c=d/1") == {
        "directory": "b=c=d",
        "x": None,
        "b": "c=d",
    }


def test_the_error_of_an_unknown_scheme_names_those_there_are():
    with pytest.raises(ConfigError, match=r"gs, s3, hdfs, got the scheme https://; co"):
        found(jsonl="https://bucket/x.jsonl")


def test_a_file_url_is_a_path(touch):
    folder = touch("3/a.jsonl", "4/a.jsonl")
    [file] = find_files(SourceConfig(jsonl=f"file://{folder}/{{SPAN}}/*.jsonl"))
    assert file.path == f"{folder}/4/a.jsonl"


def test_the_newest_span_and_of_it_the_newest_version_are_read(touch):
    folder = touch("9/v1/a", "10/v2/a", "10/v10/a", "10/v10/b", "x/v3/a", "11/w/a")
    pattern = f"{folder}/{{SPAN}}/v{{VERSION}}/*"

    def chosen(**pins):
        source = SourceConfig(txt=pattern, **pins)
        names = [os.path.relpath(file.path, folder) for file in find_files(source)]
        return names, resolved_span(source)

    assert chosen() == (["10/v10/a", "10/v10/b"], {"span": 10, "version": 10})
    assert chosen(span=9) == (["9/v1/a"], {"span": 9, "version": 1})
    assert chosen(version=2) == (["10/v2/a"], {"span": 10, "version": 2})
    with pytest.raises(
        ConfigError, match=r"expected an existing span, got 8; there are 9, 10"
    ):
        chosen(span=8)
    with pytest.raises(ConfigError, match=r"version of span 9, got 3; there is 1"):
        chosen(span=9, version=3)


def test_the_nearest_spans_are_named(touch):
    folder = touch(*(f"{n}.txt" for n in range(20)))
    with pytest.raises(ConfigError, match=r"there are 15, 16, 17, 18, 19 and 15 more"):
        found(txt=f"{folder}/{{SPAN}}.txt", span=40)


def test_a_span_counts_once_every_pattern_has_it(touch):
    folder = touch(
        "train-07.txt", "train-08.txt", "eval-6.txt", "eval-7.txt", "more.txt"
    )
    source = {
        "train": (f"{folder}/train-{{SPAN}}.txt", f"{folder}/more.txt"),
        "eval": f"{folder}/eval-{{SPAN}}.txt",
    }
    assert found(txt=source) == [
        ("eval-7.txt", "eval"),
        ("more.txt", "train"),
        ("train-07.txt", "train"),
    ]
    with pytest.raises(ConfigError, match="got 8; there is 7"):
        found(txt=source, span=8)
    os.remove(f"{folder}/eval-7.txt")
    with pytest.raises(ConfigError, match="no span is in all of these patterns"):
        found(txt=source)


def test_a_span_that_no_file_has_is_refused(touch):
    folder = touch("a.txt")
    with pytest.raises(
        ConfigError, match="no file matches the pattern with digits in place"
    ):
        found(txt=f"{folder}/{{SPAN}}.txt")


def test_a_span_written_in_two_ways_is_refused(touch):
    folder = touch("7.txt", "07.txt")
    with pytest.raises(ConfigError, match="one span is written 07 and 7"):
        found(txt=f"{folder}/{{SPAN}}.txt")


def test_a_token_twice_in_a_pattern_stands_for_the_same(touch):
    folder = touch("7/a-7.txt", "8/a-7.txt")
    assert resolved_span(SourceConfig(txt=f"{folder}/{{SPAN}}/a-{{SPAN}}.txt")) == {
        "span": 7
    }


def test_dates_are_spans(touch):
    folder = touch("2026/11/01.txt", "2026/09/30.txt", "2026/13/01.txt", "9999/1/1.txt")
    pattern = f"{folder}/{{YYYY}}/{{MM}}/{{DD}}.txt"
    assert resolved_span(SourceConfig(txt=pattern)) == {"span": "2026-11-01"}
    source = SourceConfig(txt=pattern, span="2026-09-30")
    assert [file.name for file in find_files(source)] == ["30.txt"]
    with pytest.raises(
        ConfigError, match="got 2026-10-01; there are 2026-09-30, 2026-1"
    ):
        found(txt=pattern, span="2026-10-01")


def test_wildcards_around_a_span_mean_the_same_as_elsewhere(touch):
    folder = touch("a/b/x7[1].txt", "a/b/y8[1].txt", "a/c/x9[2].txt")
    pattern = f"{folder}/**/[!y]{{SPAN}}[[]?[]].txt"
    assert resolved_span(SourceConfig(txt=pattern)) == {"span": 9}


def test_documents_depend_on_the_resolved_pattern(touch):
    folder = touch("7/a.txt")
    pattern = f"{folder}/{{SPAN}}/*.txt"
    assert external_files(SourceConfig(txt=pattern)) == [
        Path(f"{folder}/7/a.txt"),
        ExternalVersion(pattern, "span 7"),
    ]


def test_a_folder_is_read_by_the_names_in_it(touch):
    folder = touch(
        "README.md",
        "LICENSE.txt",
        "dataset_infos.json",
        ".gitattributes",
        ".cache/x.jsonl",
        "_SUCCESS",
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/validation-00000-of-00001.tfrecord",
        "test.csv.gz",
        "dev/part.jsonl.zst",
        "other.tsv",
        "rows.json",
        "latest_traintest.txt",
        "set.tfrecord-00000-of-00001",
    )
    files = find_files(SourceConfig(folder=folder))
    assert [(file.name, file.split, file.format) for file in files] == [
        ("data/train-00000-of-00002.parquet", "train", "parquet"),
        ("data/train-00001-of-00002.parquet", "train", "parquet"),
        ("data/validation-00000-of-00001.tfrecord", "eval", "tfrecord"),
        ("dev/part.jsonl.zst", "eval", "jsonl"),
        ("latest_traintest.txt", None, "txt"),
        ("other.tsv", None, "tsv"),
        ("rows.json", None, "json"),
        ("set.tfrecord-00000-of-00001", None, "tfrecord"),
        ("test.csv.gz", "test", "csv"),
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train.jsonl", "x.doc"], r"/x\.doc: expected a file that ends in \.jsonl, "),
        (["x.arrow"], r"Dataset\.to_parquet"),
        (["x.jsnl"], r"did you mean '\.jsonl'"),
        (["README.md"], "expected data files in the folder, found none"),
        (["a.parquet.zst"], "decompress it first"),
    ],
)
def test_a_folder_of_something_else_is_refused(touch, names, words):
    with pytest.raises(ConfigError, match=words):
        found(folder=touch(*names))


def test_a_folder_that_is_not_there_is_refused(touch):
    with pytest.raises(
        ConfigError, match=r"corpsu: no such folder; did you mean 'corpu"
    ):
        found(folder=f"{touch('corpus/a.jsonl')}/corpsu")


def test_a_folder_of_several_formats_is_read_whole(touch, tmp_path):
    touch("train.jsonl")
    touch("dev.csv", content=b"text,n\nb,1\n")
    touch("test.txt", content=b"c\n")
    source = SourceConfig(folder=str(tmp_path))
    assert read(source) == [
        ("dev.csv", "eval", {"text": "b", "n": "1"}),
        ("test.txt", "test", {"text": "c"}),
        ("train.jsonl", "train", {"text": "a"}),
    ]


def read(source, *, block_bytes=1 << 20):
    """Returns name, split and row of every record of a source."""
    limits = LimitsConfig()
    return [
        (span.name, span.split, record.row)
        for unit in split_ranges(find_files(source), source, block_bytes=block_bytes)
        for span, record in read_ranges(
            unit, source=source, limits=limits, block_bytes=block_bytes
        )
        if isinstance(record, Record)
    ]


@pytest.fixture
def bucket(service):
    """The objects at gs://bucket."""
    for name in ("7/a", "8/b", "8/c"):
        service.objects[f"in/{name}.jsonl"] = b'{"text": "a"}\n'
    return service.objects


def test_a_url_is_matched_opened_and_identified_by_its_checksum(bucket):
    bucket["in/8/b.jsonl"] = b'{"text": "b"}\n'
    source = SourceConfig(jsonl="gs://bucket/in/8/*.jsonl")
    assert read(source) == [
        ("b.jsonl", None, {"text": "b"}),
        ("c.jsonl", None, {"text": "a"}),
    ]
    assert external_files(source) == [
        ExternalVersion("gs://bucket/in/8/b.jsonl", "14 MVQdpQ=="),
        ExternalVersion("gs://bucket/in/8/c.jsonl", "14 U3aUnA=="),
    ]
    for pattern in ("gs://bucket/in/*/z", "gs://bucket/in/z"):
        with pytest.raises(ConfigError, match=r"gs://bucket/in/.*z: no such file"):
            find_files(SourceConfig(jsonl=pattern))


def test_documents_of_a_url_are_those_of_the_same_files_here(bucket, touch, tmp_path):
    rows = b"".join(b'{"text": "text %d"}\n' % n for n in range(500))
    bucket["in/8/b.jsonl"] = rows
    del bucket["in/8/c.jsonl"]
    bucket["in/8/c.jsonl.zst"] = zstandard.compress(b"[]\n" + rows)
    for name, content in bucket.items():
        touch(f"here/{name}", content=content)
    written = []
    for place in ("gs://bucket", f"{tmp_path}/here"):
        source = SourceConfig(jsonl=f"{place}/in/{{SPAN}}/*")
        limits = LimitsConfig(max_bad_fraction=0.1)
        dataset = DatasetConfig(source=source, limits=limits)
        documents = Documents(tmp_path / f"documents-{len(written)}")
        config = IngesterConfig(dataset=dataset)
        ingest(documents=documents, config=config, context=Context())
        assert sum(documents.facts["splits"].values()) == 1000
        files = sorted(documents.path.iterdir())
        written.append([(file.name, file.read_bytes()) for file in files])
        assert Ingester.external_files(config) == external_files(source)
    assert written[0] == written[1]


def test_a_file_without_a_checksum_is_identified_by_its_time():
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/in/b.jsonl", b"text")
    [file] = find_files(SourceConfig(jsonl="memory://in/b.jsonl"))
    assert file.path == "memory://in/b.jsonl"
    assert file.identity == f"4 {memory.info('/in/b.jsonl')['created']}"


def test_spans_and_folders_of_a_url_are_those_of_a_path(bucket):
    source = SourceConfig(jsonl="gs://bucket/in/{SPAN}/*.jsonl")
    assert resolved_span(source) == {"span": 8}
    assert [file.name for file in find_files(source)] == ["b.jsonl", "c.jsonl"]
    bucket["in/train.jsonl"] = bucket.pop("in/8/b.jsonl")
    files = find_files(SourceConfig(folder="gs://bucket/in/"))
    assert [(file.name, file.split) for file in files] == [
        ("7/a.jsonl", None),
        ("8/c.jsonl", None),
        ("train.jsonl", "train"),
    ]


def test_a_seekable_remote_file_is_split(bucket):
    lines = b"".join(b'{"text": "%d"}\n' % n for n in range(100))
    bucket["long.jsonl"] = lines
    source = SourceConfig(jsonl="gs://bucket/long.jsonl")
    files = find_files(source)
    expected = [("long.jsonl", None, {"text": str(n)}) for n in range(100)]
    assert len(split_ranges(files, source, block_bytes=10)) == -(-len(lines) // 160)
    assert read(source, block_bytes=10) == expected


PLAN = """
import sys
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import external_files
external_files(SourceConfig(jsonl=sys.argv[1]))
external_files(SourceConfig(tfds="tiny", data_dir=sys.argv[2]))
heavy = {"apache_beam", "google.auth", "google.protobuf", "numpy", "pyarrow"}
heavy |= {"fsspec", "tensorflow_datasets"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_planning_over_local_files_loads_no_engine(touch):
    folder = prepare(touch)
    done = subprocess.run(
        [sys.executable, "-c", PLAN, f"{touch('a.jsonl')}/*.jsonl", folder],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def prepare(touch, *, name="tiny", version="1.0.0", **info):
    """Writes what tfds writes of a data set of a train and an unsupervised shard."""
    folder = f"tfds/{name}/{version}"
    splits = [
        {"name": split, "shardLengths": ["0", "0"]}
        for split in ("train", "validation", "unsupervised")
    ]
    info = {
        "name": name.split("/")[0],
        "splits": splits,
        "fileFormat": "tfrecord",
    } | info
    root = touch(f"{folder}/dataset_info.json", content=json.dumps(info).encode())
    for split in ("train", "validation"):
        for i in range(2):
            shard = f"{info['name']}-{split}.tfrecord-{i:05}-of-00002"
            touch(f"{folder}/{shard}", content=b"")
    return f"{root}/tfds"


def test_the_newest_version_of_a_prepared_data_set_is_read(touch):
    for version in ("9.0.0", "10.0.0", "2.0.0"):
        data_dir = prepare(touch, version=version)
    files = find_files(SourceConfig(tfds="tiny", data_dir=data_dir))
    assert [(file.name, file.split) for file in files] == [
        ("tiny-train.tfrecord-00000-of-00002", "train"),
        ("tiny-train.tfrecord-00001-of-00002", "train"),
        ("tiny-validation.tfrecord-00000-of-00002", "eval"),
        ("tiny-validation.tfrecord-00001-of-00002", "eval"),
    ]
    assert {file.path.split("/")[-2] for file in files} == {"10.0.0"}
    pinned = find_files(SourceConfig(tfds="tiny:2.0.0", data_dir=data_dir))
    assert {file.path.split("/")[-2] for file in pinned} == {"2.0.0"}


def test_the_only_config_of_a_prepared_data_set_need_not_be_named(touch):
    data_dir = prepare(touch, name="tiny/plain")
    assert len(find_files(SourceConfig(tfds="tiny", data_dir=data_dir))) == 4
    prepare(touch, name="tiny/fancy")
    with pytest.raises(ConfigError, match=r"as fancy, plain; write tiny/fancy or ano"):
        find_files(SourceConfig(tfds="tiny", data_dir=data_dir))
    source = SourceConfig(tfds="tiny/plain:1.0.0", data_dir=data_dir)
    assert len(find_files(source)) == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "tinny",
            r"tinny is not prepared in .*; did you mean 'tiny'\?; prepare it with:",
        ),
        ("tiny/x", r"prepare it with: tfds build tiny/x --data_dir=/"),
        ("tiny:2.0.0", r"; there: 1\.0\.0; prepare it with: tfds build tiny:2\.0\.0"),
        ("../tfds", "expected name/config:version"),
        ("", "expected name/config:version"),
    ],
)
def test_a_data_set_that_is_not_prepared_says_how_to(touch, name, words):
    data_dir = prepare(touch)
    with pytest.raises(ConfigError, match=words):
        find_files(SourceConfig(tfds=name, data_dir=data_dir))


def test_a_data_set_of_other_splits_or_files_is_refused(touch):
    data_dir = prepare(touch, name="a", splits=[{"name": "all", "shardLengths": ["1"]}])
    prepare(touch, name="b", fileFormat="array_record")
    prepare(touch, name="c", splits=[{"name": "train", "shardLengths": "many"}])
    prepare(touch, name="d")
    os.remove(f"{data_dir}/d/1.0.0/d-train.tfrecord-00001-of-00002")
    for name, fault, words in [
        ("a", ConfigError, "one of the splits train, validation, test, found all"),
        ("b", ConfigError, "prepared as array_record .* --file_format=tfrecord"),
        ("c", IntegrityError, "dataset_info.json: not what tfds writes"),
        ("d", IntegrityError, "00001-of-00002: the shard is missing"),
    ]:
        with pytest.raises(fault, match=words):
            find_files(SourceConfig(tfds=name, data_dir=data_dir))
