"""Combines the models of folds, and their predictions without a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from textmill.components.artifacts import (
    OUT_OF_FOLD,
    Predictions,
    TrainedModel,
    write_json,
)
from textmill.components.ensembler import EnsemblerConfig
from textmill.components.prediction_files import (
    aligned_groups,
    text_columns,
    write_rows,
)
from textmill.models.calibrated.model import join_tensors, part_facts
from textmill.models.ensemble import FAMILY, MeanName, member_prefix
from textmill.models.ensemble.mean import mean_answers
from textmill.models.linear.model import LinearModel, average_models
from textmill.models.weights import save_tensors


def combine(
    members: Mapping[str, TrainedModel],
    member_predictions: Mapping[str, Predictions],
    model: TrainedModel,
    predictions: Predictions,
    config: EnsemblerConfig,
) -> None:
    """Writes the model of all members and its predictions.

    Raises:
        IntegrityError: predictions are of other rows, or of another model.
    """
    folds, mean = sorted(members, key=int), config.mean
    models = [members[fold] for fold in folds]
    parts = {int(fold): member_predictions[fold] for fold in folds}
    for part, member in zip(parts.values(), models, strict=True):
        part.check_model(member)
    if models[0].facts["model"]["family"] == "linear":
        mean = "logits"
        tensors, facts = _average(models)
    else:
        tensors, facts = _join(models, mean)
    first = models[0].facts
    facts |= {name: first[name] for name in ("task", "labels", "vocabulary")}
    digest = save_tensors(tensors, model.file(model.WEIGHTS))
    first = models[0]
    tokenizer = first.files(f"{first.TOKENIZER}/")
    model.copy_tokenizer(first.path / first.TOKENIZER, tokenizer)
    model.facts, model.identity = facts, {"tensors": digest, **facts}
    write_json(model.file("model.json"), facts)
    _write_predictions(parts, predictions, mean, held_out=config.held_out)


def _average(
    models: list[TrainedModel],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns tensors and facts of the linear model with the mean logits."""
    linear = [LinearModel.load(m.path / m.WEIGHTS, m.facts["model"]) for m in models]
    average = average_models([_at_temperature_1(model) for model in linear])
    return average.tensors, {
        "model": {"family": "linear", **average.facts},
        "parameters": int(average.weights.size + average.bias.size),
    }


def _at_temperature_1(model: LinearModel) -> LinearModel:
    """Returns a model with the same probabilities whose logits need no division."""
    scale = np.float32(1 / model.temperature)
    return replace(
        model, weights=model.weights * scale, bias=model.bias * scale, temperature=1.0
    )


def _join(
    models: list[TrainedModel], mean: MeanName
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns tensors and facts of an ensemble of encoders."""
    weights = {
        member_prefix(number): model.path / model.WEIGHTS
        for number, model in enumerate(models, 1)
    }
    return join_tensors(weights), {
        "model": {"family": FAMILY, "members": len(models), "mean": mean},
        "members": [part_facts(model.facts) for model in models],
        "parameters": sum(model.facts["parameters"] for model in models),
    }


def _write_predictions(
    parts: Mapping[int, Predictions],
    predictions: Predictions,
    mean: MeanName,
    *,
    held_out: int | None = None,
) -> None:
    split, answered = OUT_OF_FOLD, parts
    if held_out is not None:
        answered = {held_out: parts[held_out]}
        split = parts[held_out].held_out_split
    facts = {"held_out": split, **({} if held_out else {"folds": len(parts)})}
    write_rows(
        predictions,
        split,
        outputs=_out_of_fold(answered),
        columns=_fold_columns(answered),
    )
    first = next(iter(parts.values()))
    if first.facts["split"] == "test":
        split = "test"
        write_rows(
            predictions,
            split,
            outputs=_mean(parts, split, mean),
            columns=text_columns(first, split),
        )
    predictions.facts = {
        **{name: value for name, value in first.facts.items() if name != "model"},
        "split": split,
        "rows": predictions.records[predictions.file_name(split)],
        **facts,
    }


def _out_of_fold(parts: Mapping[int, Predictions]) -> Iterator[dict[str, np.ndarray]]:
    """Yields the outputs of each fold's held-out rows, with the number of the fold."""
    for fold, part in parts.items():
        for group in part.read_groups(part.held_out_split):
            outputs = {k: v for k, v in group.items() if not isinstance(v, list)}
            size = len(group["id"])
            yield outputs | {"fold": np.full(size, fold, np.int32)}


def _fold_columns(parts: Mapping[int, Predictions]) -> Iterator[dict[str, str]]:
    for part in parts.values():
        yield from text_columns(part, part.held_out_split)


def _mean(
    parts: Mapping[int, Predictions], split: str, mean: MeanName
) -> Iterator[dict[str, np.ndarray]]:
    for groups in aligned_groups(list(parts.values()), split):
        answers = mean_answers([group["probabilities"] for group in groups], mean)
        yield {"target": groups[0]["target"], "probabilities": answers}
