"""Base classes of export formats: a writer, and the loaded model that answers texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from textmill.models.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from textmill.models.servable import Servable
    from textmill.models.tasks.server import ServingOptions
    from textmill.models.tokenizers import Tokenizer


Texts = str | bytes | Sequence[str | bytes]
"""The texts for an answer: one, or several as a tuple or list."""


class Explanation(NamedTuple):
    """The terms of the logits of an answer; the softmax of their sum is the answer.

    Attributes:
        ngrams: the n-grams of the text that the linear model knows, in their order.
        weights: float32 ``[ngrams, labels]``: their terms, with mean 0 over labels.
        rest: float32 ``[labels]``: the term of the encoder and of the bias.
    """

    ngrams: list[str]
    weights: np.ndarray
    rest: np.ndarray


class Runtime:
    """Base class of a loaded export.

    Attributes:
        labels: names of a classifier's labels; empty for other models.
        num_texts: number of texts for an answer.
    """

    labels: Sequence[str] = ()
    num_texts: int = 1

    def answer(self, texts: Sequence[Texts]) -> list[dict[str, Any]]:
        """Answers texts, which may be any bytes: one dict a text, or a pair of texts.

        Raises:
            ConfigError: the model takes another number of texts.
        """
        raise NotImplementedError

    def explain(self, texts: Sequence[Texts]) -> list[Explanation]:
        """Explains the answers to texts by their n-grams.

        Raises:
            ConfigError: the model has no n-grams.
        """
        raise ConfigError(
            "explain: expected a classifier with n-grams, this model has none; train "
            "it with model.ngrams: true"
        )


class Format:
    """Base class of an export format.

    A fresh process loads the folder, and must give the answers of the trained model
    and answer hostile texts.
    """

    def write(
        self,
        model: Servable,
        tokenizer: Tokenizer,
        folder: Path,
        options: ServingOptions,
    ) -> None:
        """Writes a trained model and its tokenizer to a folder, which may not exist."""
        raise NotImplementedError

    def load(self, folder: Path) -> Runtime:
        """Loads a folder that ``write`` wrote."""
        raise NotImplementedError
