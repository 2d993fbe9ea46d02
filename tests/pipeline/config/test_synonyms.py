"""Keys and values of other libraries, or of another section, lead to the right key."""

from pathlib import Path

import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import load_config, parse_config
from textmill.pipeline.config.schema import config_schema
from textmill.pipeline.config.synonyms import KEYS
from textmill.pipeline.config.yaml import MAX_BYTES

GOOD = """\
name: quickstart
datasets: {docs: {source: {jsonl: docs.jsonl, label: kind}}}
vocabulary: {size: 800, learn_from: docs}
model: {layers: 1, width: 16, heads: 2}
stages: {kinds: {task: classify, dataset: docs, train: {steps: 8}}}
"""
TRAIN, MODEL, STAGE = "stages.kinds.train", "model", "stages.kinds"


def message(*overrides, text=GOOD):
    with pytest.raises(ConfigError) as raised:
        parse_config(text, Path("c.yaml"), overrides)
    return str(raised.value)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (f"{TRAIN}.lr", "'learning_rate'"),
        (f"{TRAIN}.batch_size", "'global_batch'"),
        (f"{TRAIN}.num_epochs", "'epochs'"),
        (f"{TRAIN}.warmup_ratio", "'warmup'"),
        (f"{TRAIN}.early_stopping", "'patience'"),
        (f"{TRAIN}.fp16", "'precision: mixed_float16'"),
        (f"{TRAIN}.bf16", "'precision: mixed_bfloat16'"),
        (f"{TRAIN}.max_length", "model.sequence_length"),
        (f"{MODEL}.max_length", "'sequence_length'"),
        (f"{MODEL}.hidden_size", "'width'"),
        (f"{MODEL}.num_layers", "'layers'"),
        (f"{MODEL}.lr", "stages.NAME.train.learning_rate"),
        (f"{MODEL}.model_name", "stages.NAME.init: {huggingface: DIR}"),
        (f"{STAGE}.pretrained", "'init: {huggingface: DIR}'"),
        ("vocabulary.vocab_size", "'size'"),
        ("run.gpu", "run.strategy (auto uses every GPU that TensorFlow sees)"),
        (f"{STAGE}.epochs", "stages.NAME.train.epochs"),
        (f"{STAGE}.thresholds", "stages.NAME.evaluate.thresholds"),
        ("datasets.docs.text", "datasets.NAME.source.text"),
    ],
)
def test_a_key_of_another_library_or_section_leads_to_the_right_one(path, hint):
    assert message(f"{path}=1").endswith(f"; did you mean {hint}?")


def test_a_key_of_the_whole_file_is_named_as_such():
    assert message(f"{STAGE}.seed=1").endswith("; seed is a key at the top of the file")


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("model.family=roberta", "'bert'"),
        (f"{TRAIN}.precision=fp16", "'mixed_float16'"),
        (f"{STAGE}.task=classification", "'classify'"),
        (f"{STAGE}.evaluate.thresholds.f1=>= 0.5", "'macro_f1'"),
    ],
)
def test_a_value_of_another_library_leads_to_the_right_one(override, hint):
    assert message(override).endswith(f"; did you mean {hint}?")


def test_the_name_of_a_pretrained_model_leads_to_a_folder():
    assert "{huggingface: DIR}" in message(f"{STAGE}.init=bert-base-uncased")


def test_every_synonym_names_a_key_that_exists():
    definitions = config_schema()["$defs"]
    sections = {
        "datasets.NAME": "DatasetConfig",
        "datasets.NAME.source": "SourceConfig",
        "datasets.NAME.split": "SplitConfig",
        "stages.NAME": "StageConfig",
        "stages.NAME.evaluate": "EvaluateConfig",
        "stages.NAME.train": "TrainingConfig",
        "model": "ModelConfig",
        "vocabulary": "VocabularyConfig",
        "run": "RunConfig",
    }
    for target in KEYS.values():
        owner, _, key = target.partition(":")[0].partition(" ")[0].rpartition(".")
        known = definitions[sections[owner]] if owner else config_schema()
        assert key in known["properties"], target


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.layers=1000000000", "model.layers: expected a number of 1,000 or less"),
        (f"{TRAIN}.steps=1000000000000000000", "train.steps: expected a number of 1,0"),
        ("run.workers=100000000", "run.workers: expected a number of 1,000 or less"),
        ("datasets.docs.num_shards=0", "num_shards: expected a number of 1 or more"),
        ("model.dropout=1.0", "model.dropout: expected a number below 1, got 1.0"),
        (f"{TRAIN}.epsilon=0.0", "train.epsilon: expected a number above 0, got 0.0"),
    ],
)
def test_a_number_out_of_bounds_is_refused_at_its_place(override, words):
    assert words in message(override)


def test_a_name_that_no_folder_can_have_is_refused():
    long = "x" * 300
    assert "name: expected up to 100 small letters" in message(f"name={long}")
    override = f"datasets.{long}={{source: {{jsonl: a}}}}"
    assert "expected a name of up to 100 small letters" in message(override)


def test_thousands_of_mistakes_are_summed_up():
    text = GOOD + "".join(f"key{number}: 1\n" for number in range(1000))
    lines = message(text=text).splitlines()
    assert lines[0] == "1000 errors in c.yaml"
    assert len(lines) == 52
    assert lines[-1] == "and 950 more"


def test_a_file_of_the_size_of_data_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="at most 1,000,000 bytes, got more"):
        load_config(path)
    with pytest.raises(ConfigError, match=r"File name too long"):
        load_config(tmp_path / ("x" * 300))
    with pytest.raises(ConfigError, match="none that can be read"):
        load_config(Path("/proc/self/mem"))


def test_a_path_of_thousands_of_keys_is_refused():
    override = "a." * 5000 + "b=1"
    assert message(override).endswith("expected at most 32 keys, got 5,001")
