"""A config is read strictly: every mistake at once, each with its place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.models.errors import ConfigError
from textmill.models.pretrained import PretrainedConfig
from textmill.pipeline.config.load import load_config
from textmill.pipeline.config.schema import (
    canonical_config,
    config_schema,
    render_config,
)
from textmill.pipeline.config.yaml import MAX_DEPTH, read_scalar, read_yaml
from textmill.pipeline.secrets import resolve_secrets

GOOD = """\
name: quickstart
datasets:
  docs:
    source: {docstrings: [stdlib, numpy]}
  libraries:
    source: {jsonl: corpus/*.jsonl, label: library}
    split: {train: 0.8, eval: 0.1, test: 0.1, by: module}
vocabulary: {kind: wordpiece, size: 800, learn_from: docs}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 8}
stages:
  pretrain:
    task: masked_lm
    dataset: docs
    train: {steps: 8, learning_rate: 1e-3}
  library:
    task: classify
    init: pretrain
    dataset: libraries
    train: {epochs: 4}
    evaluate: {slices: [kind], thresholds: {accuracy: ">= 0.60"}}
    export: {}
    push: {to: serving/library}
run: {beam: {runner: FnApiRunner}}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a config and returns its path, relative to the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text=GOOD, **replacements):
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        Path("c.yaml").write_text(text)
        return Path("c.yaml")

    return write


def faults(path, *overrides):
    with pytest.raises(ConfigError) as raised:
        load_config(path, overrides)
    return str(raised.value).split("\n")


def swap(old, new, text=GOOD):
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_a_config_becomes_dataclasses_with_defaults(write):
    config = load_config(write()).config
    assert config.seed == 17
    assert config.stages["pretrain"].train.learning_rate == 0.001
    assert config.stages["library"].train.epochs == 4.0
    assert config.stages["library"].evaluate.slices == ("kind",)
    assert config.stages["pretrain"].export is None
    assert config.run.beam == {"runner": "FnApiRunner"}


def test_every_path_has_the_position_of_its_key_or_item(write):
    positions = load_config(write()).positions
    assert str(positions["name"]) == "c.yaml:1:1"
    assert str(positions["stages.library.train.epochs"]) == "c.yaml:19:13"
    assert str(positions["stages.library.evaluate.slices.0"]) == "c.yaml:20:25"


def test_raw_holds_the_values_as_written(write):
    raw = load_config(write(), ["vocabulary.size=900"]).raw
    assert raw["vocabulary"] == {"kind": "wordpiece", "size": 900, "learn_from": "docs"}
    assert raw["stages"]["library"]["push"] == {"to": "serving/library"}


def test_six_mistakes_of_every_kind_are_six_lines_in_the_order_of_the_file(write):
    text = swap("name: quickstart", "name: quickstart\nsede: 3")
    text = swap("size: 800", "size: '800'", text)
    text = swap("width: 16", "width: 15", text)
    text = swap("dataset: docs", "dataset: doc", text)
    text = swap("init: pretrain", "init: pretrian", text)
    text = swap("{accuracy:", "{acuracy:", text)
    metrics = (
        "accuracy, macro_f1, macro_precision, macro_recall, micro_f1, mcc, "
        "top_3_accuracy, top_5_accuracy or loss"
    )
    assert faults(write(text)) == [
        "6 errors in c.yaml",
        "c.yaml:2:1 sede: expected a known key, got 'sede'; did you mean 'seed'?",
        "c.yaml:9:31 vocabulary.size: expected a whole number, got '800'",
        "c.yaml:10:1 model: expected heads that divide width 15, got 2",
        "c.yaml:14:5 stages.pretrain.dataset: expected a data set (docs or libraries), "
        "got 'doc'; did you mean 'docs'?",
        "c.yaml:18:5 stages.library.init: expected a stage (pretrain or library), "
        "got 'pretrian'; did you mean 'pretrain'?",
        "c.yaml:21:45 stages.library.evaluate.thresholds.acuracy: expected a metric "
        f"({metrics}), got 'acuracy'; did you mean 'accuracy'?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{epochs: 4}", "{epochs: true}", "train.epochs: expected a number, got true"),
        ("{epochs: 4}", "{epochs: .nan}", "expected a number, got '.nan'"),
        ("{steps: 8,", "{steps: 8.0,", "expected a whole number, got 8.0"),
        ("[kind]", "kind", "slices: expected a list, each item a text, got 'kind'"),
        ("[kind]", "[kind, 3]", "slices.1: expected a text, got 3"),
        ("corpus/*.jsonl", "[a, 3]", "source.jsonl.1: expected a text, got 3"),
        ("corpus/*.jsonl", "3", "expected a text, a mapping or a list, each item a te"),
        (
            "corpus/*.jsonl",
            "{train: 3}",
            "source.jsonl.train: expected a text or a list, each item a text, got 3",
        ),
        ("corpus/*.jsonl", "{test: [a, 3]}", "source.jsonl.test.1: expected a text"),
        ("corpus/*.jsonl", "{tset: a}", "got 'tset'; did you mean 'test'?"),
        (
            "corpus/*.jsonl",
            "a, rate: 0",
            "source.rate: expected a number above 0, got 0",
        ),
        ("corpus/*.jsonl", "a, span: 3", "expected {SPAN} or {YYYY} in a pattern for"),
        ("name: quickstart", "name: 3", "name: expected a text, got 3"),
        ("export: {}", "export: yes", "export: expected a mapping, got 'yes'"),
        (">= 0.60", ">= pushed -", "such as '>= 0.6' or '>= pushed - 0.01', got"),
        (
            '>= 0.60"}}\n    export: {}\n    push: {to: serving/library}',
            '> pushed + 1"}}\n    export: {}',
            "thresholds.accuracy: expected push in a stage with a rule about 'pushed'",
        ),
        (
            "family: bert",
            "family: brt",
            "a family (bert, gpt, encoder_decoder, lstm, linear), got 'brt'; did",
        ),
        ("{steps: 8,", "{steps: 8, xla: yes,", "expected true or false, got 'yes'"),
        (
            "run: {",
            "run: {workers: 0, ",
            "c.yaml:23:7 run.workers: expected a number of 1 or more, got 0",
        ),
        (
            "run: {",
            "run: {zzz: 0, ",
            "expected one of strategy, beam, workers, retries",
        ),
        (
            "    train: {epochs: 4}\n",
            "",
            "c.yaml:15:3 stages.library.train: expected train",
        ),
        ("{steps: 8,", "{steps: 8, epochs: 2,", "train: expected one of steps, epoch"),
        ("learn_from: docs", "learn_from: doc", "learn_from: expected a data set (do"),
        ("task: classify", "task: causal_lm", "expected a task that bert can learn"),
        (
            ", label: library",
            "",
            "library.dataset: expected a data set with a label colu",
        ),
        (
            "\n    export: {}",
            "",
            "library.push: expected export in a stage with push, got nothing; add exp",
        ),
        ("FnApiRunner", "DirectRunner", "the Prism program without a checksum or ti"),
        ("FnApiRunner", "PrismRunner", "run.beam.runner: expected FnApiRunner or a"),
        ('">= 0.60"', "0.6", "'>= 0.6' or '>= pushed - 0.01', got 0.6"),
        ('">= 0.60"', '"= 0.6"', "or '>= pushed - 0.01', got '= 0.6'"),
        ('">= 0.60"', '"> 0.6.1"', "expected a comparison such as '>= 0.6'"),
        ("init: pretrain", "init: library", "got 'library' (classify)"),
        ("init: pretrain", "embeddings: doc", "did you mean 'docs'?"),
        (
            "init: pretrain",
            "init: pretrain\n    embeddings: docs",
            "embeddings: expected either init, whose weights include embeddings, or",
        ),
        (
            "  library:\n",
            "  Lib:\n",
            "stages.Lib: expected a name of up to 100 small letters, di",
        ),
        ("{epochs: 4}", "{epochs: 4, epochs: 5}", "once, got it again (first in line"),
        ("{epochs: 4}", "&t {epochs: 4}", "expected plain YAML, got the anchor &t"),
        ("export: {}", "export: *t", "export: expected plain YAML, got the alias *t"),
        ("export: {}", "export: {<<: {}}", "got a merge key; write the keys out"),
        ("epochs: 4", "epochs: !!int 4", "got the tag tag:yaml.org,2002:int"),
        ("export: {}", "export: {a.b: 1}", "expected a key without a dot, got 'a.b'"),
        ("run: {", "---\nrun: {", "c.yaml:23:1 ---: expected one document, got anot"),
        ("by: module", "by: '${HOME}'", "expected ${env:NAME} as the only interpola"),
        ("name: quickstart", 'name: "\\ud800"', "a letter first, got '\ufffd'"),
        ("name: quickstart", "name: ../up", "name: expected up to 100 small letters"),
    ],
)
def test_each_mistake_gives_one_message(write, old, new, fault):
    lines = faults(write(swap(old, new)))
    assert len(lines) == 1
    assert fault in lines[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "c.yaml:1:1: expected a mapping, got nothing"),
        ("- 1", "c.yaml:1:1: expected a mapping, got a list"),
        ("a: 1\n  b: 2", "c.yaml:2:4: expected YAML, got mapping values are not"),
        ("a: >= 0.6", "c.yaml:1:5: expected YAML, got while scanning a block scalar"),
        ("a: 1\nb: \x07", "c.yaml:2:4: expected YAML, got a character that is not"),
        ("? [a]\n: 1", "c.yaml:1:3: expected a plain text as key"),
        ("[" * 99, f"expected at most {MAX_DEPTH} levels, got more"),
    ],
)
def test_invalid_yaml_gives_one_message(write, text, fault):
    [line] = faults(write(text))
    assert fault in line


def test_a_missing_or_binary_file_gives_one_message(tmp_path):
    assert "expected a YAML file, found none" in faults(tmp_path / "no.yaml")[0]
    assert "expected a YAML file, found none" in faults(tmp_path)[0]
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    assert "expected UTF-8, got other bytes" in faults(tmp_path / "latin.yaml")[0]


def test_a_mistake_neither_hides_nor_causes_others(write):
    text = swap("init: pretrain", "init: [pretrain]")
    text = swap("dataset: docs", "dataset: {}", text)
    text = swap("family: bert", "family: [bert]", text)
    text = swap("task: classify", "task: [classify]", text)
    lines = faults(write(text))
    assert lines[0] == "4 errors in c.yaml"
    assert faults(write(swap("datasets:", "datasets: 3\nx:"))) == [
        "2 errors in c.yaml",
        "c.yaml:2:1 datasets: expected a mapping, got 3",
        "c.yaml:3:1 x: expected one of name, datasets, vocabulary, model, stages, "
        "seed, run, got 'x'",
    ]


def test_a_cycle_of_stages_is_one_mistake(write):
    text = swap("task: classify", "task: masked_lm")
    text = swap('{accuracy: ">= 0.60"}', "{}", text)
    text = swap("    dataset: docs", "    dataset: docs\n    init: library", text)
    [line] = faults(write(text))
    assert line.endswith(
        "stages.pretrain.init: expected stages that start from earlier ones, "
        "got 'pretrain -> library -> pretrain'"
    )


FOLDER = (
    GOOD.replace("size: 800, learn_from: docs", "file: model/vocab.txt")
    .replace("kind: wordpiece, ", "")
    .replace("init: pretrain", "init: {huggingface: model}")
)


def test_a_pretrained_folder_is_relative_to_the_file(write):
    Path("below").mkdir()
    Path("below/c.yaml").write_text(FOLDER)
    config = load_config(Path("below/c.yaml")).config
    folder = str(Path("below/model").absolute())
    assert config.stages["library"].init == PretrainedConfig(huggingface=folder)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{huggingface: model}", "5", "init: expected a text or a mapping, got 5"),
        ("{huggingface:", "{hugingface:", "'hugingface'; did you mean 'huggingface'?"),
        ("{huggingface: model}", "{}", "expected either huggingface or keras_hub"),
        (
            "file: model/vocab.txt",
            "learn_from: docs",
            "by vocabulary.file, got 'vocabu",
        ),
        ("family: bert", "family: lstm", "expected model.family bert or gpt, got 'l"),
    ],
)
def test_a_pretrained_folder_that_cannot_be_is_refused(write, old, new, fault):
    assert fault in "\n".join(faults(write(swap(old, new, FOLDER))))


def test_packing_rows_of_a_classifier_is_refused(write):
    text = swap("{epochs: 4}", "{epochs: 4}\n    tokenize: {packing: concat}")
    [line] = faults(write(text))
    assert "tokenize.packing: expected pad or pair for task classify" in line


@pytest.mark.parametrize(
    ("formats", "fault"),
    [
        (
            "[saved_modle]",
            "a format (saved_model, huggingface), got 'saved_modle'; did you mean",
        ),
        ("[]", "export: expected one of formats or more, got none"),
        ("[toy]", "export.formats: expected saved_model in a stage with push, got 'to"),
    ],
)
def test_formats_of_an_export_that_cannot_be_are_refused(write, formats, fault):
    text = swap("export: {}", f"export: {{formats: {formats}}}")
    assert fault in "\n".join(faults(write(text)))


def test_samples_of_a_task_that_writes_no_text_are_refused(write):
    [line] = faults(write(swap("slices: [kind]", "samples: 3")))
    assert "evaluate.samples: expected task causal_lm with samples, got 'cla" in line


def test_set_replaces_adds_and_is_read_as_yaml(write):
    overrides = [
        "stages.library.train.epochs=1",
        "stages.library.evaluate.thresholds.loss=< 2",
        "stages.library.evaluate.slices=[kind, module]",
        "datasets.docs.source={txt: 'a b.txt'}",
        "stages.library.evaluate.slices.1=area",
        "run.workers=2",
    ]
    loaded = load_config(write(), overrides)
    library = loaded.config.stages["library"]
    assert library.train.epochs == 1.0
    assert library.evaluate.thresholds == {"accuracy": ">= 0.60", "loss": "< 2"}
    assert library.evaluate.slices == ("kind", "area")
    assert loaded.config.run.workers == 2
    assert (
        str(loaded.positions["stages.library.train.epochs"])
        == "--set stages.library.train.epochs=1"
    )


def test_mistakes_in_set_are_reported_like_those_in_the_file(write):
    assert faults(
        write(), "stages.library.train.epoch=1", "modl.width=3", "model.layers=x"
    ) == [
        "3 errors in c.yaml",
        "--set model.layers=x model.layers: expected a whole number, got 'x'",
        "--set modl.width=3 modl: expected a known key, got 'modl'; "
        "did you mean 'model'?",
        "--set stages.library.train.epoch=1 stages.library.train.epoch: expected a "
        "known key, got 'epoch'; did you mean 'epochs'?",
    ]
    assert faults(write(), "stages") == [
        "--set stages: expected a.b=value, got 'stages'"
    ]
    assert "the index of one of 1 items, got '7'" in "".join(
        faults(write(), "stages.library.evaluate.slices.7=x")
    )
    assert "expected YAML" in faults(write(), "model={width: 3")[0]


def test_set_can_correct_a_mistake_of_the_file(write):
    path = write(swap("{epochs: 4}", "{epochs: four}"))
    loaded = load_config(path, ["stages.library.train.epochs=4"])
    assert loaded.config.stages["library"].train.epochs == 4.0


def test_paths_are_relative_to_the_file_and_those_of_set_to_the_shell(write, tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    path = write().rename(folder / "c.yaml").relative_to(tmp_path)
    config = load_config(path, ["datasets.docs.source={txt: [../a, gs://b/c]}"]).config
    assert config.datasets["libraries"].source.jsonl == str(folder / "corpus/*.jsonl")
    assert config.stages["library"].push.to == str(folder / "serving/library")
    assert config.datasets["docs"].source.txt == (
        str(tmp_path.parent / "a"),
        "gs://b/c",
    )
    for source, paths in {
        "{jsonl: {train: a, test: [b, s3://b/c]}}": {
            "train": str(tmp_path / "a"),
            "test": (str(tmp_path / "b"), "s3://b/c"),
        },
        "{parquet: [a]}": (str(tmp_path / "a"),),
        "{tfrecord: 'a/{SPAN}.gz'}": str(tmp_path / "a/{SPAN}.gz"),
        "{folder: a}": str(tmp_path / "a"),
        "{tfds: a}": "a",
    }.items():
        config = load_config(path, [f"datasets.docs.source={source}"]).config
        source = config.datasets["docs"].source
        assert getattr(source, source.reader) == paths
    config = load_config(path, ["datasets.docs.source={tfds: a, data_dir: b}"]).config
    assert config.datasets["docs"].source.data_dir == str(tmp_path / "b")


def test_secrets_stay_references_until_they_are_resolved(write, monkeypatch):
    monkeypatch.setenv("TM_DATA", "/data")
    monkeypatch.setenv("TM_WORD", "open")
    path = write(swap("corpus/*.jsonl", "'${env:TM_DATA}/${env:TM_WORD}.jsonl'"))
    config = load_config(path).config
    written = "${env:TM_DATA}/${env:TM_WORD}.jsonl"
    assert config.datasets["libraries"].source.jsonl == written
    assert written in render_config(config)
    assert (
        canonical_config(config)["datasets"]["libraries"]["source"]["jsonl"] == written
    )
    assert resolve_secrets(config).datasets["libraries"].source.jsonl == (
        "/data/open.jsonl"
    )
    monkeypatch.delenv("TM_WORD")
    [line] = faults(path)
    assert line.endswith("expected the environment variable TM_WORD, which is not set")
    with pytest.raises(ConfigError, match="TM_WORD"):
        resolve_secrets(config)


def test_a_rendered_config_loads_as_the_same_config(write, tmp_path):
    config = load_config(write(), ["stages.library.evaluate.slices=['no', '1e-4']"])
    again = tmp_path / "again.yaml"
    again.write_text(render_config(config.config))
    assert load_config(again).config == config.config


def test_the_canonical_form_is_plain_sorted_and_blind_to_order_and_spelling(write):
    config = canonical_config(load_config(write()).config)
    assert list(config) == sorted(config)
    assert config["stages"]["library"]["evaluate"]["slices"] == ["kind"]
    text = swap("{epochs: 4}", "{epochs: 4.0}")
    text = swap("layers: 1, width: 16", "width: 0x10, layers: 1", text)
    assert canonical_config(load_config(write(text)).config) == config


def test_the_schema_describes_every_field(write):
    schema = config_schema()
    definitions = [schema, *schema["$defs"].values()]
    assert len(definitions) == 38
    for definition in definitions:
        assert definition["additionalProperties"] is False
        assert definition["description"]
        for field in definition["properties"].values():
            assert field["description"]
    split = schema["$defs"]["SplitConfig"]["properties"]["by"]
    assert "straddle splits; ``id``" in split["description"]
    assert load_config(write()), "asking for a schema changes no later load"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("no", "no"),
        ("off", "off"),
        ("True", True),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text, value):
    scalar = read_scalar(text)
    assert scalar == value
    assert type(scalar) is type(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner)
        ),
        max_leaves=8,
    )
)
def test_json_is_read_as_the_same_values(value):
    assert read_yaml(json.dumps(value), "x").value == value
