"""The JSON schema of configs, and the parts of a config that ``config show`` prints."""

import json
from pathlib import Path

import pytest

from textmill.pipeline.config.load import load_config, parse_config
from textmill.pipeline.config.schema import config_schema
from textmill.pipeline.config.show import _READ_WHEN, render_part

CONFIGS = Path(__file__).parents[3] / "configs"
MODELINE = "# yaml-language-server: $schema=schema.json\n"


def test_the_schema_of_the_repository_is_that_of_the_config_classes():
    written = json.loads((CONFIGS / "schema.json").read_text())
    assert written == config_schema(), "textmill config schema > configs/schema.json"


def test_the_schema_has_bounds_defaults_and_known_names():
    definitions = config_schema()["$defs"]
    layers = definitions["ModelConfig"]["properties"]["layers"]
    assert (layers["minimum"], layers["maximum"], layers["default"]) == (1, 1000, 2)
    steps = definitions["TrainingConfig"]["properties"]["steps"]["anyOf"][0]
    assert steps == {"type": "integer", "minimum": 1, "maximum": 10**12}
    dropout = definitions["ModelConfig"]["properties"]["dropout"]
    assert (dropout["minimum"], dropout["exclusiveMaximum"]) == (0, 1)
    family = definitions["ModelConfig"]["properties"]["family"]
    names = ["bert", "gpt", "encoder_decoder", "lstm", "linear"]
    assert family["enum"] == names


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_config_names_the_schema_and_its_parts_load_as_the_whole(path):
    assert path.read_text().startswith(MODELINE)
    config = load_config(path).config
    assert parse_config(render_part(config, "changed"), path).config == config
    parse_config(render_part(config, "used"), path)


CLASSIFIER = """\
name: kinds
datasets: {docs: {source: {jsonl: /docs.jsonl, label: kind}, num_shards: 4}}
vocabulary: {learn_from: docs}
model: {family: lstm}
stages: {kinds: {task: classify, dataset: docs, train: {steps: 8}, export: {}}}
"""


def test_the_changed_part_has_required_keys_and_those_that_differ():
    config = parse_config(CLASSIFIER, Path("c.yaml"), ["model.width=64"]).config
    assert render_part(config, "changed").splitlines() == [
        "name: kinds",
        "datasets:",
        "  docs:",
        "    source:",
        "      jsonl: /docs.jsonl",
        "      label: kind",
        "vocabulary:",
        "  learn_from: docs",
        "model:",
        "  family: lstm",
        "  width: 64",
        "stages:",
        "  kinds:",
        "    task: classify",
        "    dataset: docs",
        "    train:",
        "      steps: 8",
        "    export: {}",
    ]


def test_every_key_with_a_condition_exists():
    definitions = config_schema()["$defs"]
    for name in _READ_WHEN:
        section, _, key = name.partition(".")
        assert key in definitions[section]["properties"], name


def test_the_used_part_leaves_out_unset_keys_and_those_without_effect():
    def lines(*overrides):
        config = parse_config(CLASSIFIER, Path("c.yaml"), overrides).config
        return {line.strip() for line in render_part(config, "used").splitlines()}

    assert {"width: 128", "learning_rate: 0.001"} < lines()
    for key in ("heads: 2", "momentum: 0.95", "max_tokens: 64", "near:", "csv:"):
        assert key not in lines()
    assert "momentum: 0.95" in lines("stages.kinds.train.optimizer=sgd")
    assert {"heads: 2", "pooling: mean"} < lines("model.family=bert")
    assert "near:" in lines("datasets.docs.clean.dedup=near")
