"""Models that a Hugging Face folder can hold, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from textmill.models.config import ModelConfig
from textmill.models.errors import Violation, one_of

ARCHITECTURES = {
    "classify": "BertForSequenceClassification",
    "regress": "BertForSequenceClassification",
    "masked_lm": "BertForMaskedLM",
    "embed": "BertModel",
    "causal_lm": "GPT2LMHeadModel",
}
"""Hugging Face's class of a task's model."""


def check(
    stage: Mapping[str, Any], model: Mapping[str, Any], vocabulary: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yields the choices of a stage that ``transformers`` has no model for.

    Args:
        stage: the stage's section, as written.
        model: the file's ``model`` section.
        vocabulary: the file's ``vocabulary`` section.
    """
    task = str(stage.get("task"))
    if task not in ARCHITECTURES:
        yield _violation(f"a task that it holds ({one_of(list(ARCHITECTURES))})", task)
        return
    family = str(model.get("family", ModelConfig.family))
    wanted = "gpt" if task == "causal_lm" else "bert"
    if family != wanted:
        yield _violation(f"model.family {wanted} for task {task}", family)
        return
    yield from _check_blocks(model, family)
    yield from _check_head(task, model)
    if stage.get("folds") is not None:
        yield _violation("a stage without folds", stage["folds"])
    if vocabulary.get("normalization") == "fast":
        yield _violation("vocabulary.normalization bert", "fast")


def _check_blocks(model: Mapping[str, Any], family: str) -> Iterator[Violation]:
    if model.get("recipe", "classic") != "classic":
        yield _violation("model.recipe classic", model["recipe"])
    own = {"norm": "post" if family == "bert" else "pre", "positions": "learned"}
    own |= {"biases": True, "tied_embeddings": True, "qk_norm": False}
    for name, value in own.items():
        if model.get(name, value) not in (None, value):
            yield _violation(f"model.{name} {str(value).lower()}", model[name])
    if model.get("activation") == "geglu":
        yield _violation("model.activation gelu or gelu_exact", "geglu")


def _check_head(task: str, model: Mapping[str, Any]) -> Iterator[Violation]:
    if task in ("classify", "regress"):
        if model.get("ngrams", True) is not False:
            yield _violation("model.ngrams false", model.get("ngrams", True))
        if (pooling := model.get("pooling", "mean")) != "first":
            yield _violation("model.pooling first", pooling)
    if task == "embed" and model.get("pooling") == "mean_and_embeddings":
        yield _violation("model.pooling mean or first", "mean_and_embeddings")
    if task == "masked_lm" and model.get("activation") != "gelu_exact":
        got = model.get("activation") or "gelu"
        yield _violation("model.activation gelu_exact", got)


def _violation(expected: str, got: Any) -> Violation:
    return Violation("export.formats", f"{expected} with format huggingface", got)
