import sys
from pathlib import Path

import numpy as np
import pytest

from tests.models.training.runs import finish, make_run
from tests.plugins import install
from textmill.models.errors import ConfigError
from textmill.models.training.checkpoint import Checkpoints
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.load import parse_config

CONFIG = """\
name: tiny
datasets:
  lines: {source: {jsonl: lines.jsonl, id: id}}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 8}
stages:
  pretrain:
    task: masked_lm
    dataset: lines
    train: {steps: 24, methods: METHODS}
"""


def methods_from_yaml(text, tmp_path):
    config = parse_config(CONFIG.replace("METHODS", text), tmp_path / "tiny.yaml")
    return config.config.stages["pretrain"].train.methods


@pytest.fixture
def toy(tmp_path, monkeypatch):
    source = tmp_path / "source" / "plugged_method.py"
    source.parent.mkdir()
    source.write_text(Path(__file__).with_name("toy_method.py").read_text())
    install(tmp_path / "site", "textmill.methods", "pull", "plugged_method:ROW", source)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    sys.modules.pop("plugged_method", None)


@pytest.mark.slow
def test_a_plugged_in_method_trains_from_yaml_and_resumes_exactly(toy, tmp_path):
    methods = methods_from_yaml("{pull: {strength: 0.1}}", tmp_path)
    whole = make_run(tmp_path / "data", methods=methods)
    expected = finish(whole)
    assert whole._methods["pull"].count.numpy() == 24
    stopped = make_run(tmp_path / "data", methods=methods)
    with pytest.raises(Exception, match="stopped at step"):
        finish(stopped, Checkpoints(tmp_path / "c", key="x"), stop_after=10)
    resumed = make_run(tmp_path / "data", methods=methods)
    weights = finish(resumed, Checkpoints(tmp_path / "c", key="x"))
    assert resumed._methods["pull"].count.numpy() == 24
    for value, same in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(value, same)


def test_the_hooks_follow_their_formula(toy, tmp_path):
    """One step of plain gradient descent, with and without the method."""
    knobs = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    knobs |= {"steps": 1, "warmup": 0.0, "clip_norm": 0.0, "dropout": 0.0}
    knobs |= {"schedule": "constant", "learning_rate": 0.1, "eval_rows": False}
    run = make_run(tmp_path / "data", **knobs)
    start = [v.numpy() for v in run.task.tensors().values()]
    plain = finish(run)
    pulled = make_run(tmp_path / "data", methods={"pull": {"strength": 2.0}}, **knobs)
    first = pulled.task.model.trainable_variables[0].path
    names = {id(v): v.path for v in pulled.task.tensors().values()}
    for path, before, without, with_pull in zip(
        names.values(), start, plain, finish(pulled), strict=True
    ):
        # d/dw of 2 |w|^2 is 4 w; gradients are halved; then the first weight shrinks.
        expected = before + (without - before) / 2 - 0.1 * 4 * before / 2
        factor = 0.99 if path == first else 1.0
        np.testing.assert_allclose(with_pull, expected * factor, atol=1e-5)


def test_freeze_trains_the_head_alone(tmp_path):
    methods = methods_from_yaml("{freeze: {weights: [backbone/]}}", tmp_path)
    run = make_run(tmp_path / "data", methods=methods)
    start = {name: v.numpy() for name, v in run.task.tensors().items()}
    finish(run)
    for name, variable in run.task.tensors().items():
        is_same = np.array_equal(variable.numpy(), start[name])
        assert is_same == name.startswith("backbone/"), name


@pytest.mark.parametrize(
    ("weights", "message"),
    [("[embeding]", "got 'embeding'"), ("[/]", "expected weights left to train")],
)
def test_freeze_refuses_names_that_match_nothing_or_everything(
    weights, message, tmp_path
):
    methods = methods_from_yaml(f"{{freeze: {{weights: {weights}}}}}", tmp_path)
    with pytest.raises(ConfigError, match=message):
        make_run(tmp_path / "data", methods=methods)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{freez: {}}", r"a method \(freeze\), got 'freez'; did you mean 'freeze'"),
        ("{freeze: {weigths: [a]}}", "weights in methods.freeze, got 'weigths'"),
        ("{freeze: {}}", "weights in methods.freeze, got none"),
        ("{freeze: {weights: a}}", "a list of texts in methods.freeze.weights"),
    ],
)
def test_the_loader_refuses_unknown_methods_and_knobs(text, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        methods_from_yaml(text, tmp_path)


def test_a_run_without_methods_has_none():
    assert TrainingConfig(steps=1).methods == {}
