"""The verbs in a row, on tiny text: rows, model, evaluation, SavedModel, push."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from textmill.components.artifacts import (
    Evaluation,
    Predictions,
    PushedModel,
    PushedVersion,
    ServingModel,
    TokenRows,
    TrainedModel,
    TrainingLogs,
    Validation,
)
from textmill.components.base import Context
from textmill.components.calibrator import CalibratorConfig, calibrate
from textmill.components.evaluator import EvaluatorConfig, evaluate
from textmill.components.exporter import ExporterConfig, export
from textmill.components.infra_validator import InfraValidatorConfig, validate
from textmill.components.linear_trainer import LinearTrainerConfig, train_linear
from textmill.components.manifest import write_manifest
from textmill.components.predictor import PredictorConfig, predict
from textmill.components.predictor.saved_model import load_saved_model, predict_texts
from textmill.components.pusher import PusherConfig, push
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.trainer import TrainerConfig, train
from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.linear import LinearConfig
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.publish import seal

SHAPE = ModelConfig(layers=1, width=32, heads=2, sequence_length=24, dropout=0.0)


@pytest.fixture(scope="module")
def line(documents, vocabulary, tmp_path_factory):
    """Everything that is made of the sentences: pretraining, then a classifier."""
    root = tmp_path_factory.mktemp("line")
    made = {"documents": documents, "root": root}
    for name, target in (("pretrain", "none"), ("classify", "label")):
        rows = TokenRows(root / name / "rows")
        packing = "concat" if target == "none" else "pad"
        tokenize(
            documents=documents,
            vocabulary=vocabulary,
            rows=rows,
            config=RowLayout(sequence_length=24, packing=packing, target=target),
            context=Context(),
        )
        seal(rows)
        model, logs = TrainedModel(root / name / "m"), TrainingLogs(root / name / "l")
        steps = 20 if name == "pretrain" else 120
        train(
            rows=rows,
            vocabulary=vocabulary,
            base=made.get("pretrain"),
            model=model,
            logs=logs,
            config=TrainerConfig(
                task="masked_lm" if target == "none" else "classify",
                model=SHAPE,
                train=TrainingConfig(
                    steps=steps, learning_rate=5e-3, log_every=10, xla=False
                ),
            ),
            context=Context(),
        )
        seal(model)
        seal(logs)
        made |= {name: model, f"{name}.rows": rows, f"{name}.logs": logs}
    linear = TrainedModel(root / "linear")
    train_linear(
        documents=documents,
        vocabulary=vocabulary,
        model=linear,
        config=LinearTrainerConfig(
            # So few that the encoder knows more.
            task="classify",
            linear=LinearConfig(max_documents=12),
        ),
    )
    seal(linear)
    return made | {"linear": linear}


def predicted(line, folder: Path, *, name="classify", **knobs) -> Predictions:
    predictions = Predictions(folder)
    predict(
        documents=line["documents"],
        rows=line.get(f"{name}.rows"),
        model=line[name],
        predictions=predictions,
        config=PredictorConfig(**knobs),
    )
    seal(predictions)
    return predictions


def evaluated(line, folder: Path, **thresholds) -> Evaluation:
    evaluation = Evaluation(folder / "evaluation")
    if "predictions" not in line:
        line["predictions"] = predicted(line, line["root"] / "predictions")
    evaluate(
        predictions=line["predictions"],
        documents=line["documents"],
        model=line["classify"],
        evaluation=evaluation,
        config=EvaluatorConfig(thresholds=thresholds),
    )
    seal(evaluation)
    return evaluation


@pytest.fixture(scope="module")
def serving(line):
    made = ServingModel(line["root"] / "serving")
    export(
        documents=line["documents"],
        model=line["classify"],
        serving=made,
        config=ExporterConfig(),
    )
    seal(made)
    return made


@pytest.fixture(scope="module")
def validation(line, serving):
    made = Validation(line["root"] / "validation")
    validate(serving=serving, validation=made, config=InfraValidatorConfig())
    seal(made)
    return made


def test_the_classifier_learns_the_verb(line, tmp_path):
    found = evaluated(line, tmp_path, accuracy=">= 0.9").read()
    accuracy = found["metrics"]["accuracy"]
    assert found["blessed"] is True
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert np.sum(found["confusion"]) == found["rows"] == 20
    assert np.trace(found["confusion"]) / 20 == accuracy["value"]


def test_an_unmet_threshold_does_not_bless(line, tmp_path):
    evaluation = evaluated(line, tmp_path, loss="< 0")
    assert evaluation.blessed is False


def test_a_slice_by_an_unknown_column_names_the_columns(line, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'label'"):
        predicted(line, tmp_path, slices=("labels",))


def calibrated(line, folder: Path, *names: str) -> tuple[TrainedModel, Predictions]:
    """Returns the calibrated classifier of some models, and its predictions."""
    model, predictions = TrainedModel(folder / "model"), Predictions(folder / "p")
    parts = {"classify": "encoder", "linear": "linear"}
    inputs = {parts[name]: line[name] for name in names}
    for name in names:
        made = predicted(line, folder / name, name=name, held_out=True)
        inputs[f"{parts[name]}_predictions"] = made
    calibrate(**inputs, model=model, predictions=predictions, config=CalibratorConfig())
    seal(model)
    seal(predictions)
    return model, predictions


@pytest.mark.parametrize(
    "names", [("classify", "linear"), ("classify",), ("linear",)], ids="-".join
)
def test_the_export_of_a_calibrated_model_answers_as_its_predictions(
    line, names, tmp_path
):
    model, predictions = calibrated(line, tmp_path, *names)
    assert [n for n in ("encoder", "linear") if model.facts[n]] == [
        {"classify": "encoder"}.get(name, name) for name in names
    ]
    assert calibrated(line, tmp_path / "again", *names)[0].digest == model.digest
    serving = ServingModel(tmp_path / "serving")
    export(
        documents=line["documents"],
        model=model,
        serving=serving,
        config=ExporterConfig(),
    )
    seal(serving)
    served = load_saved_model(serving.path / serving.SAVED_MODEL)
    documents = list(line["documents"].read("test"))
    answers = served.answer([document["text"] for document in documents])
    [columns] = predictions.read_groups()
    assert columns["id"] == [document["id"] for document in documents]
    probabilities = np.array([answer["probabilities"] for answer in answers])
    np.testing.assert_allclose(probabilities, columns["probabilities"], atol=1e-5)
    assert [a["confident"] for a in answers] == columns["confident"].tolist()
    parity = json.loads((serving.path / serving.PARITY).read_text())
    reference = [answer["probabilities"] for answer in parity["answers"]]
    np.testing.assert_allclose(probabilities, reference, atol=1e-5)
    [alone] = served.answer([documents[3]["text"]])
    assert alone["probabilities"] == pytest.approx(
        answers[3]["probabilities"], abs=1e-6
    )
    assert served.answer(["", "\0 🙂 unknown"])[0]["label"] in served.labels
    if names == ("classify",):
        with pytest.raises(ConfigError, match="this model has none"):
            served.explain(["a text"])
        return
    # The terms of an answer are all of it.
    texts = [documents[3]["text"], "", documents[4]["text"]]
    for terms, answer in zip(served.explain(texts), served.answer(texts), strict=True):
        logits = terms.rest + terms.weights.sum(axis=0)
        expected = answer["probabilities"]
        assert softmax(logits).tolist() == pytest.approx(expected, abs=1e-5)
        assert len(terms.ngrams) == len(terms.weights)
    [explained] = predict_texts(served, [documents[3]["text"]], explain=True)
    [terms] = served.explain([documents[3]["text"]])
    label = served.labels.index(explained["label"])
    total = terms.rest[label] + terms.weights[:, label].sum()
    assert sum(explained["because"].values()) == pytest.approx(total, abs=1e-4)
    assert set(explained["because"]) == {"(rest)", *terms.ngrams}


def test_predictions_of_another_model_are_refused(line, tmp_path):
    with pytest.raises(IntegrityError, match="predictions of another model than"):
        calibrate(
            encoder=line["linear"],
            encoder_predictions=predicted(line, tmp_path / "p"),
            model=TrainedModel(tmp_path / "m"),
            predictions=Predictions(tmp_path / "q"),
            config=CalibratorConfig(),
        )


def test_the_pretrained_loss_falls(line):
    losses = [
        p["value"] for p in line["pretrain.logs"].read() if p["name"] == "train/loss"
    ]
    assert losses[-1] < losses[0]


def test_a_fresh_process_gives_the_trainers_answers(validation):
    assert validation.read()["largest_difference"] < 1e-4
    assert validation.read()["texts"] == 20


def test_a_changed_answer_is_an_integrity_fault(serving, tmp_path):
    altered = ServingModel(shutil.copytree(serving.path, tmp_path / "altered"))
    parity = json.loads((altered.path / altered.PARITY).read_text())
    parity["answers"][3]["probabilities"][0] += 0.25
    (altered.path / altered.PARITY).write_text(json.dumps(parity))
    with pytest.raises(IntegrityError, match=r"probabilities of .* differs by 0\.25"):
        validate(
            serving=altered,
            validation=Validation(tmp_path / "v"),
            config=InfraValidatorConfig(),
        )


def test_the_served_model_answers_with_label_and_probabilities(serving):
    model = load_saved_model(serving.path / serving.SAVED_MODEL)
    [answer] = predict_texts(model, ["the baker paints warm bread."])
    assert answer["label"] == "pa"
    assert next(iter(answer["probabilities"])) == "pa"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def pushed(line, serving, validation, folder: Path, **knobs) -> PushedModel:
    made = PushedModel(folder / "pushed")
    push(
        serving=serving,
        evaluation=evaluated(line, folder / "evaluation", **knobs),
        validation=validation,
        pushed=made,
        config=PusherConfig(destinations=(str(folder / "to"), str(folder / "too"))),
        context=Context(),
    )
    seal(made)
    return made


def test_versions_rise_and_every_destination_gets_them(
    line, serving, validation, tmp_path
):
    (tmp_path / "too" / "4").mkdir(parents=True)
    made = pushed(line, serving, validation, tmp_path)
    assert made.facts["version"] == 5
    for folder in ("to", "too"):
        assert (tmp_path / folder / "5" / "saved_model.pb").is_file()
        card = json.loads((tmp_path / folder / "5" / PushedVersion.CARD).read_text())
        assert card["model"] == line["classify"].digest
        assert card["documents"] == line["documents"].digest
        assert card["metrics"]["accuracy"]["value"] > 0.9
    assert made.missing_reason() is None
    shutil.rmtree(tmp_path / "to" / "5")
    assert "is gone" in made.missing_reason()


def test_a_push_records_the_version_of_another_model_before_it(
    line, serving, validation, tmp_path
):
    pushed(line, serving, validation, tmp_path)
    folder = tmp_path / "to" / "1"
    card = PushedVersion(folder).read_card() | {"model": "0" * 64}
    (folder / PushedVersion.CARD).write_text(json.dumps(card))
    write_manifest(folder, kind="PushedVersion", facts={"serving": "0" * 64})
    shutil.rmtree(tmp_path / "too")
    made = pushed(line, serving, validation, tmp_path)
    assert made.facts["version"] == 2
    assert made.facts["previous"] == {
        "version": 1,
        "model": "0" * 64,
        "metrics": {name: m["value"] for name, m in card["metrics"].items()},
        "same_documents": True,
    }
    (folder / PushedVersion.CARD).write_text("{}")
    assert pushed(line, serving, validation, tmp_path).facts["previous"] is None


def test_a_damaged_version_is_noticed_and_never_served(
    line, serving, validation, tmp_path
):
    made = pushed(line, serving, validation, tmp_path)
    path = tmp_path / "to" / "1" / "saved_model.pb"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert "expected sha256" in made.missing_reason()
    with pytest.raises(IntegrityError, match="expected sha256"):
        load_saved_model(path.parent)


def test_a_push_killed_between_two_destinations_is_completed(
    line, serving, validation, tmp_path
):
    pushed(line, serving, validation, tmp_path)
    shutil.rmtree(tmp_path / "too" / "1")
    (tmp_path / "too" / ".staging-1" / "variables").mkdir(parents=True)
    shutil.rmtree(tmp_path / "pushed")
    made = pushed(line, serving, validation, tmp_path)
    assert made.facts["version"] == 1
    for folder in ("to", "too"):
        names = sorted(path.name for path in (tmp_path / folder).iterdir())
        assert names == [".lock", "1", "current.json"]
        PushedVersion(tmp_path / folder / "1").verify()


def test_a_version_damaged_in_one_destination_is_pushed_again_to_all(
    line, serving, validation, tmp_path
):
    pushed(line, serving, validation, tmp_path)
    (tmp_path / "too" / "1" / "saved_model.pb").write_bytes(b"damaged")
    shutil.rmtree(tmp_path / "pushed")
    assert pushed(line, serving, validation, tmp_path).facts["version"] == 2
    for folder in ("to", "too"):
        PushedVersion(tmp_path / folder / "2").verify()


def test_a_model_without_a_manifest_needs_trust(serving, tmp_path):
    foreign = shutil.copytree(serving.path / serving.SAVED_MODEL, tmp_path / "foreign")
    with pytest.raises(ConfigError, match="--trust"):
        load_saved_model(foreign)
    assert load_saved_model(foreign, trust=True).labels


def test_bytes_that_no_fresh_process_loaded_are_not_pushed(
    line, serving, validation, tmp_path
):
    again = ServingModel(shutil.copytree(serving.path, tmp_path / "again"))
    (again.path / "saved_model" / "assets.extra").mkdir()
    (again.path / "saved_model" / "assets.extra" / "note").write_text("other bytes")
    seal(again)
    assert (again.digest, again.seal != serving.seal) == (serving.digest, True)
    with pytest.raises(IntegrityError, match="the validation is of"):
        pushed(line, again, validation, tmp_path)


def test_what_is_not_blessed_is_not_pushed(line, serving, validation, tmp_path):
    made = pushed(line, serving, validation, tmp_path, loss="< 0")
    nothing = {"pushed": False, "reason": "not blessed", "previous": None}
    assert made.facts == nothing
    assert not (tmp_path / "to").exists()


def test_an_evaluation_of_another_model_is_refused(line, serving, validation, tmp_path):
    other = Evaluation(tmp_path / "other")
    other.file(other.FILE).write_text("{}")
    other.facts = {"model": "0" * 64, "blessed": True}
    seal(other)
    with pytest.raises(IntegrityError, match="the evaluation is of 000000000000"):
        push(
            serving=serving,
            evaluation=other,
            validation=validation,
            pushed=PushedModel(tmp_path / "pushed"),
            config=PusherConfig(destinations=(str(tmp_path / "to"),)),
            context=Context(),
        )
