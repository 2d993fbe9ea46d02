"""Answers of an exported SavedModel to texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import PushedVersion
from textmill.components.native_logs import silence_native_logs
from textmill.components.provenance import verify_saved_model
from textmill.models.errors import ConfigError

if TYPE_CHECKING:
    from textmill.models.export.format import Explanation, Runtime, Texts

REST = "(rest)"
"""The term of an answer that no n-gram has: of the encoder, and the bias."""
BETWEEN = "(between texts)"
"""The n-gram of the end token between the texts of a pair."""
_BATCH = 64
_FIRST = ("label", "labels", "probabilities", "scores")
_BY_LABEL = ("probabilities", "scores")
"""Answers that are a number for each label."""


def load_saved_model(folder: Path, *, trust: bool = False) -> Runtime:
    """Loads an exported SavedModel, without TensorFlow's messages.

    Args:
        folder: a pushed version, or ``saved_model`` of a serving model.
        trust: whether to load a SavedModel without a manifest, or with any ops.

    Raises:
        ConfigError: the folder has no SavedModel exported by Textmill.
        IntegrityError: a file differs from the manifest, a version in a root lacks its
            signature, or the graph holds an op that the exporter does not write.
    """
    if not (folder / PushedVersion.MODEL).is_file():
        raise ConfigError(f"{folder}: expected a SavedModel, got none")
    if not trust:
        verify_saved_model(folder)
    with silence_native_logs():
        from textmill.models.export.saved_model import SavedModelRuntime
    try:
        return SavedModelRuntime(folder, trust=trust)
    except KeyError as missing:
        raise ConfigError(
            f"{folder}: expected a SavedModel that Textmill exported, "
            f"it has no signature {missing}"
        ) from None


def predict_texts(
    model: Runtime, texts: Sequence[Texts], *, explain: bool = False
) -> list[dict[str, Any]]:
    """Returns an answer for each text; numbers by label are sorted, highest first.

    Fields are in one order: label or labels, their numbers, then others by name. A
    SavedModel has its outputs in any order, another one in every process.

    Args:
        model: the loaded export.
        texts: the texts, or for a model of pairs, lists of two.
        explain: adds ``because``: the terms of the label's logit by n-gram, the
            largest first, and ``(rest)``, that of the encoder and the bias.

    Raises:
        ConfigError: an explanation of a model without n-grams.
    """
    answers: list[dict[str, Any]] = []
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        answers += model.answer(batch)
        if explain:
            for answer, terms in zip(
                answers[start:], model.explain(batch), strict=True
            ):
                answer["because"] = _because(terms, model.labels.index(answer["label"]))
    for answer in answers:
        for name in _BY_LABEL:
            if name in answer:
                pairs = zip(model.labels, answer[name], strict=True)
                answer[name] = dict(sorted(pairs, key=lambda pair: -pair[1]))
    return [{name: answer[name] for name in _in_order(answer)} for answer in answers]


def _because(terms: Explanation, label: int) -> dict[str, float]:
    """Returns the terms of one label's logit by n-gram, the largest first."""
    because = {REST: float(terms.rest[label])}
    for ngram, weight in zip(terms.ngrams, terms.weights[:, label], strict=True):
        # Tokens that are written alike share a line.
        name = ngram or BETWEEN
        because[name] = because.get(name, 0.0) + float(weight)
    ranked = sorted(because.items(), key=lambda term: (-abs(term[1]), term[0]))
    return dict(ranked)


def _in_order(names: Iterable[str]) -> list[str]:
    order = {name: index for index, name in enumerate(_FIRST)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))
