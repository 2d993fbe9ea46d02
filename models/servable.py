"""Loads the trained model of a stage, of any kind, as something that answers texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from textmill.models.calibrated.model import FAMILY

if TYPE_CHECKING:
    from textmill.models.tasks.server import Server, ServingOptions
    from textmill.models.tokenizers import Tokenizer


class Servable(Protocol):
    """A trained model that answers texts with its tokenizer."""

    def serve(self, tokenizer: Tokenizer, options: ServingOptions) -> Server:
        """Returns the graph that answers texts."""
        ...


def load_servable(
    weights: Path, tokenizer: Path, facts: dict[str, Any]
) -> tuple[Servable, Tokenizer]:
    """Rebuilds a trained model and its tokenizer from files and facts."""
    if facts["model"]["family"] == FAMILY:
        from textmill.models.calibrated.joint import load_joint

        return load_joint(weights, tokenizer, facts)
    from textmill.models.weights import load_task

    return load_task(weights, tokenizer, facts)
