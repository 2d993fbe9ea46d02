"""Ingestion as a user sees it: what is kept, where it goes, and what is refused."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import Ingester, IngesterConfig, ingest
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.filters.language import LanguageConfig
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.shards import read_shard
from textmill.models.errors import ConfigError, DataError

ALL_TRAIN = SplitConfig(train=1, eval=0)
FORGIVING = LimitsConfig(max_bad_fraction=1)


@pytest.fixture
def run(tmp_path):
    """Ingests a data set and returns its documents."""

    def apply(source, *, seed=17, beam=None, folder="documents", **parts):
        documents = Documents(tmp_path / folder)
        ingest(
            documents=documents,
            config=IngesterConfig(
                dataset=DatasetConfig(source=source, **parts), seed=seed
            ),
            context=Context(beam=beam or {}),
        )
        return documents

    return apply


@pytest.fixture
def write(tmp_path):
    """Writes rows as JSON lines and returns the file's path."""

    def apply(*rows, name="rows.jsonl"):
        file = tmp_path / name
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(file)

    return apply


def read(documents, split="train"):
    """Returns the documents of a split by id, from the shards that were written."""
    shards = sorted(documents.path.glob(f"{split}-*"))
    return {row["id"]: row for shard in shards for row in read_shard(shard)}


def ledger(documents):
    return json.loads((documents.path / Documents.LEDGER).read_bytes())


def dead_letters(documents):
    text = (documents.path / Documents.DEAD_LETTERS).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_document_keeps_its_plain_columns_in_sorted_order(run, write):
    row = {"z": 1, "body": "A b.", "key": 7, "topic": True, "a": 0.5, "no": [1]}
    source = SourceConfig(jsonl=write(row), text="body", id="key", label="topic")
    documents = run(source, split=ALL_TRAIN)
    [found] = read(documents).values()
    assert list(found.items()) == [
        ("id", "7"),
        ("text", "A b."),
        ("label", "true"),
        ("a", 0.5),
        ("z", 1),
    ]
    assert documents.facts == {
        "splits": {"train": 1},
        "labels": ["true"],
        "columns": ["a", "z"],
        "text_bytes": {"train": 4},
    }


def test_without_an_id_column_a_document_is_named_by_file_and_byte(run, write):
    source = SourceConfig(jsonl=write({"text": "é"}, {"text": "b"}))
    documents = run(source, split=ALL_TRAIN)
    second = len(b'{"text": "\\u00e9"}\n')
    assert set(read(documents)) == {"rows.jsonl:0", f"rows.jsonl:{second}"}


def test_files_of_one_name_are_named_with_their_folders(run, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text("one line\n")
    documents = run(SourceConfig(txt=str(tmp_path / "*/x.txt")), split=ALL_TRAIN)
    assert set(read(documents)) == {"a/x.txt:0", "b/x.txt:0"}


def test_every_shard_of_a_split_is_written_and_counted(run, write):
    source = SourceConfig(jsonl=write({"text": "only one"}))
    documents = run(source, split=ALL_TRAIN, num_shards=3)
    names = [f"train-0000{i}-of-00003.jsonl.zst" for i in range(3)]
    assert sorted(documents.records) == names
    assert sorted(documents.records.values()) == [0, 0, 1]
    counts = {name: len(list(read_shard(documents.path / name))) for name in names}
    assert counts == documents.records


def test_the_split_is_the_sha256_of_the_key_modulo_ten(run, write):
    rows = [{"text": f"text {n}", "group": f"group {n % 40}"} for n in range(200)]
    documents = run(
        SourceConfig(jsonl=write(*rows)),
        split=SplitConfig(train=0.8, eval=0.1, test=0.1, by="group"),
    )
    for split in ("train", "eval", "test"):
        for row in read(documents, split).values():
            digest = hashlib.sha256(row["group"].encode()).hexdigest()
            bucket = int(digest, 16) % 10
            expected = "train" if bucket < 8 else "eval" if bucket == 8 else "test"
            assert split == expected
    assert sum(documents.facts["splits"].values()) == 200


def test_by_position_splits_a_text_at_nine_tenths_of_its_characters(run, tmp_path):
    text = "".join(chr(0x61 + n % 26) for n in range(999)) + "é"
    (tmp_path / "book.txt").write_text(text)
    documents = run(
        SourceConfig(txt=str(tmp_path / "book.txt"), document="file"),
        split=SplitConfig(train=0.9, eval=0.1, by="position"),
    )
    assert read(documents)["book.txt:0#train"]["text"] == text[:900]
    assert read(documents, "eval")["book.txt:0#eval"]["text"] == text[900:]
    assert documents.facts["text_bytes"] == {"train": 900, "eval": 101}


def test_the_order_inside_a_shard_depends_on_the_seed_alone(run, write):
    rows = [{"text": f"text {n}", "id": n} for n in range(50)]
    forward = SourceConfig(jsonl=write(*rows), id="id")
    backward = SourceConfig(jsonl=write(*rows[::-1], name="back.jsonl"), id="id")
    orders = [
        list(read(run(source, seed=seed, split=ALL_TRAIN, folder=f"{i}")))
        for i, (source, seed) in enumerate([(forward, 1), (backward, 1), (forward, 2)])
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_the_first_of_two_documents_of_one_id_is_kept(run, write):
    paths = (
        write({"id": "x", "text": "late"}, name="b.jsonl"),
        write(
            {"id": "x", "text": "first"}, {"id": "x", "text": "then"}, name="a.jsonl"
        ),
    )
    documents = run(SourceConfig(jsonl=paths, id="id"), split=ALL_TRAIN)
    assert read(documents)["x"]["text"] == "first"
    assert ledger(documents)["dropped"] == {"duplicate_id": 2}


def test_exact_dedup_folds_case_and_white_space_and_ignores_file_order(run, write):
    rows = [{"id": f"{n}", "text": text} for n, text in enumerate(["A  b", "a B", "c"])]
    exact = CleanConfig(dedup="exact")
    survivors = [
        set(
            read(
                run(
                    SourceConfig(jsonl=write(*order, name=f"{i}.jsonl"), id="id"),
                    clean=exact,
                    split=ALL_TRAIN,
                    folder=f"{i}",
                )
            )
        )
        for i, order in enumerate([rows, rows[::-1]])
    ]
    assert survivors[0] == survivors[1]
    assert len(survivors[0]) == 2


def test_the_limit_per_label_keeps_the_same_documents_in_any_order(run, write):
    rows = [{"id": f"{n}", "text": f"t{n}", "of": "ab"[n % 5 == 0]} for n in range(50)]
    kept = []
    for i, order in enumerate([rows, rows[::-1]]):
        path = write(*order, name=f"{i}.jsonl")
        source = SourceConfig(jsonl=path, id="id", label="of", limit_per_label=20)
        documents = run(source, split=ALL_TRAIN, folder=f"{i}")
        kept.append(list(read(documents)))
        assert ledger(documents)["dropped"] == {"over_label_limit": 20}
    assert kept[0] == kept[1]
    assert len(kept[0]) == 30


def test_the_ledger_adds_up(run, tmp_path):
    (tmp_path / "x.txt").write_bytes(
        b"long enough\n\nshort\n\xff\xfe\nfar too long a line\n"
    )
    documents = run(
        SourceConfig(txt=str(tmp_path / "x.txt")),
        clean=CleanConfig(min_chars=6, max_chars=12),
        limits=FORGIVING,
        split=ALL_TRAIN,
    )
    assert ledger(documents) == {
        "read": 4,
        "kept": {"train": 1},
        "dropped": {"too_long": 1, "too_short": 1},
        "bad": {"invalid_utf8": 1},
    }


def test_cleaning_composes_unicode_and_collapses_white_space(run, write):
    source = SourceConfig(jsonl=write({"text": " e\u0301  te\u0301\n "}))
    clean = CleanConfig(unicode="nfc", whitespace="collapse")
    [found] = read(run(source, clean=clean, split=ALL_TRAIN)).values()
    assert found["text"] == "é té"


def test_a_dead_letter_names_its_place_and_reason_and_keeps_no_text(run, tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "fine"}\nnot json\n')
    source = SourceConfig(jsonl=str(tmp_path / "x.jsonl"))
    [letter] = dead_letters(run(source, limits=FORGIVING, split=ALL_TRAIN))
    assert letter.pop("detail").startswith("invalid literal")
    assert letter == {
        "file": "x.jsonl",
        "offset": 17,
        "line": 2,
        "length": 8,
        "sha256": hashlib.sha256(b"not json").hexdigest(),
        "reason": "bad_json",
    }
    raw = LimitsConfig(max_bad_fraction=1, keep_raw=True)
    [letter] = dead_letters(run(source, limits=raw, split=ALL_TRAIN, folder="raw"))
    assert letter["text"] == "not json"


def test_a_missing_column_fails_with_the_columns_that_are_there(run, write):
    source = SourceConfig(jsonl=write({"texts": "a", "key": 1}))
    with pytest.raises(DataError) as fault:
        run(source)
    assert "1 of 1 records are bad" in str(fault.value)
    assert (
        "rows.jsonl, line 1 (byte 0): expected column 'text', found 'texts', 'key'; "
        "did you mean 'texts'?"
    ) in str(fault.value)


def test_a_label_never_seen_in_train_is_refused(run, write):
    rows = [{"text": f"t{n}", "of": "abcdefgh"[n % 8]} for n in range(40)]
    split = SplitConfig(train=0.5, eval=0.5, by="of")
    with pytest.raises(DataError, match=r"split eval: label '\w' has 5 documents"):
        run(SourceConfig(jsonl=write(*rows), label="of"), split=split)


def test_records_without_a_text_are_dropped_and_counted(run, write):
    rows = [{"text": f"t{n}" if n % 2 else None, "n": n} for n in range(40)]
    documents = run(SourceConfig(jsonl=write(*rows)), split=ALL_TRAIN)
    assert ledger(documents)["dropped"] == {"no_text": 20}
    assert ledger(documents)["bad"] == {}


def test_nothing_good_left_is_refused(run, write):
    with pytest.raises(DataError, match=r"no document is left of the 1 .*1 too_short"):
        run(SourceConfig(jsonl=write({"text": " "})))


def test_a_train_split_without_documents_is_refused(run, write):
    with pytest.raises(DataError, match="split train: expected documents"):
        run(
            SourceConfig(jsonl=write({"text": "a"})),
            split=SplitConfig(train=1e-9, eval=1 - 1e-9),
        )


def test_a_data_set_may_be_for_evaluation_alone(run, write):
    source = SourceConfig(jsonl=write({"text": "a"}))
    documents = run(source, split=SplitConfig(train=0, eval=0, test=1))
    assert documents.facts["splits"] == {"test": 1}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{}/none/*.txt", "none/.*no such file"),
        ("{}/rows.json", r"no such file; did you mean 'rows\.jsonl'"),
        ("azfs://account/x.jsonl", "got the scheme azfs://"),
        ("{}", "expected files, got a folder"),
        ("{}/x.jsonl.lz4", "expected plain text or .gz"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(run, write, tmp_path, pattern, words):
    write({"text": "a"})
    (tmp_path / "x.jsonl.lz4").touch()
    with pytest.raises(ConfigError, match=words):
        run(SourceConfig(jsonl=pattern.format(tmp_path)))


def test_a_glob_never_follows_a_link_out_of_its_folder(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_text("a\n")
    (tmp_path / "in" / "x.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ConfigError, match="outside"):
        run(SourceConfig(txt=str(tmp_path / "in/*.txt")))


def test_two_dots_in_a_pattern_are_fine(run, write, tmp_path):
    write({"text": "a"})
    (tmp_path / "deep").mkdir()
    path = str(tmp_path / "deep/../rows.jsonl")
    assert run(SourceConfig(jsonl=path), split=ALL_TRAIN).facts["splits"] == {
        "train": 1
    }


def test_the_noun_names_the_source_files(write):
    path = write({"text": "a"})
    config = IngesterConfig(dataset=DatasetConfig(source=SourceConfig(jsonl=path)))
    assert Ingester.external_files(config) == [Path(path)]


@pytest.mark.parametrize("runner", ["DirectRunner", "PrismRunner"])
def test_runners_that_fetch_a_program_are_refused(run, write, runner):
    with pytest.raises(ConfigError, match="write FnApiRunner"):
        run(SourceConfig(jsonl=write({"text": "a"})), beam={"runner": runner})


def test_an_unknown_beam_option_is_refused(run, write):
    with pytest.raises(ConfigError, match="did you mean 'direct_num_workers'"):
        run(SourceConfig(jsonl=write({"text": "a"})), beam={"direct_num_worker": 1})


def test_only_the_artifact_remains(run, write, tmp_path):
    path = write({"text": "a"})
    run(SourceConfig(jsonl=path), split=ALL_TRAIN)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "documents",
        "rows.jsonl",
    ]


def test_a_data_set_without_shards_is_refused():
    with pytest.raises(ValueError, match="num_shards of 1 or more, got 0"):
        DatasetConfig(source=SourceConfig(jsonl="a.jsonl"), num_shards=0)


def test_labels_and_split_keys_may_come_from_folders(run, tmp_path):
    for name in ("a/day=1/good/x", "a/day=1/bad/x", "a/day=2/good/y"):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"The text of {name}")
    documents = run(
        SourceConfig(
            txt=str(tmp_path / "a/*/*/*.txt"), document="file", label="directory"
        ),
        split=SplitConfig(train=1, eval=0, by="day"),
    )
    rows = read(documents)
    assert {name: (row["label"], row["day"]) for name, row in rows.items()} == {
        "day=1/bad/x.txt:0": ("bad", "1"),
        "day=1/good/x.txt:0": ("good", "1"),
        "day=2/good/y.txt:0": ("good", "2"),
    }


def test_a_column_of_the_data_goes_before_that_of_a_folder(run, tmp_path):
    path = tmp_path / "label=wrong" / "x.jsonl"
    path.parent.mkdir()
    path.write_text('{"text": "one", "label": "own"}\n{"text": "two"}\n')
    documents = run(SourceConfig(jsonl=str(path), label="label"), split=ALL_TRAIN)
    labels = [row["label"] for _, row in sorted(read(documents).items())]
    assert labels == ["own", "wrong"]


def test_a_missing_label_of_a_text_file_names_the_way_to_take_it(run, tmp_path):
    (tmp_path / "x.txt").write_text("one\n")
    with pytest.raises(DataError, match="; label: directory takes it from the file's"):
        run(SourceConfig(txt=str(tmp_path / "x.txt"), label="label"))


def test_a_language_or_source_of_the_data_stays(run, write):
    source = SourceConfig(jsonl=write({"text": "Ein Text.", "language": "xx"}))
    clean = CleanConfig(language=LanguageConfig(method="script"))
    documents = run(source, clean=clean, split=ALL_TRAIN)
    assert [row["language"] for row in read(documents).values()] == ["xx"]
    sources = {"web": SourceConfig(jsonl=write({"text": "b", "source": "blog"}))}
    documents = run(None, sources=sources, split=ALL_TRAIN, folder="several")
    assert [row["source"] for row in read(documents).values()] == ["blog"]


def test_a_column_that_a_tag_would_overwrite_is_refused(run, write):
    source = SourceConfig(jsonl=write({"text": "a", "personal": "no"}))
    with pytest.raises(DataError, match="column 'personal': exists in the data, and"):
        run(source, clean=CleanConfig(privacy="tag"))
    assert run(source, split=ALL_TRAIN, folder="kept").facts["columns"] == ["personal"]


def test_a_bad_record_has_its_row_and_line(run, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'text,n\n"one\nline",1\n\nragged\n"\xff\n\n",2\nbad,3,\ngood,4\n')
    documents = run(SourceConfig(csv=str(path)), limits=FORGIVING, split=ALL_TRAIN)
    assert [
        (letter["reason"], letter["row"], letter["line"], letter["offset"])
        for letter in dead_letters(documents)
    ] == [("ragged", 4, 5, 21), ("invalid_utf8", 5, 6, 28), ("ragged", 6, 9, 36)]
    with pytest.raises(
        DataError, match=r"x\.csv, row 4, line 5 \(byte 21\): expected 2"
    ):
        run(SourceConfig(csv=str(path)), limits=LimitsConfig(max_bad_fraction=0))


def test_lines_are_counted_in_every_range_of_a_file(run, tmp_path):
    path = tmp_path / "x.jsonl.gz"
    lines = [b"[]" if n in (0, 700, 999) else b'{"text": "a"}' for n in range(1000)]
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    documents = run(SourceConfig(jsonl=str(path)), limits=FORGIVING, split=ALL_TRAIN)
    found = [letter["line"] for letter in dead_letters(documents)]
    assert found == [1, 701, 1000]


def test_an_encoding_that_would_fit_is_named(run, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"text": "größer"}\n{"text": "schön"}\n'.encode("cp1252"))
    with pytest.raises(
        DataError, match=r"it looks like cp1252: set source\.encoding: cp"
    ):
        run(SourceConfig(jsonl=str(path)))
    source = SourceConfig(jsonl=str(path), encoding="cp1252")
    texts = {row["text"] for row in read(run(source, split=ALL_TRAIN)).values()}
    assert texts == {"größer", "schön"}


def test_lines_behind_a_quote_that_nothing_closes_count_as_bad(run, tmp_path):
    rows = [f"{'' if n != 30 else chr(34)}text {n},1\n" for n in range(40)]
    (tmp_path / "x.csv").write_text("text,n\n" + "".join(rows))
    source = SourceConfig(csv=str(tmp_path / "x.csv"))
    with pytest.raises(
        DataError, match=r"10 of 40 records .* unclosed_quote \(10 times"
    ):
        run(source)
    documents = run(source, limits=FORGIVING, split=ALL_TRAIN)
    assert ledger(documents)["bad"] == {"unclosed_quote": 10}
    assert dead_letters(documents)[0]["records"] == 10
