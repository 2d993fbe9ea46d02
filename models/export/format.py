"""Base classes of export formats: a writer, and the loaded model that answers texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textmill.models.servable import Servable
    from textmill.models.tasks.server import ServingOptions
    from textmill.models.tokenizers import Tokenizer


class Runtime:
    """Base class of a loaded export.

    Attributes:
        labels: names of a classifier's labels; empty for other models.
    """

    labels: Sequence[str] = ()

    def answer(self, texts: Sequence[str | bytes]) -> list[dict[str, Any]]:
        """Answers texts, which may be any bytes: one dict a text."""
        raise NotImplementedError


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
