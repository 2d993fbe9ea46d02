"""FAMILIES: the light table of backbones. Loading a row's module imports Keras."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from textmill.models.registry import Table


@dataclass(frozen=True, kw_only=True)
class Family:
    """A row of ``FAMILIES``: the module of a backbone and facts about it."""

    module: str
    """An encoder's defines ``build_backbone``, ``inputs``, ``sequence`` and
    ``pooled``, which an encoder-decoder has not."""
    is_encoder: bool = True
    """It has hidden states, and learns by gradient steps over token rows."""
    norm: Literal["post", "pre"] | None = None
    """Of the original's transformer blocks; None where there are no such blocks."""

    def load(self) -> ModuleType:
        """Imports the module."""
        return importlib.import_module(self.module)


FAMILIES = Table(
    "textmill.families",
    "family",
    {
        "bert": Family(module="textmill.models.backbones.bert", norm="post"),
        "gpt": Family(module="textmill.models.backbones.gpt", norm="pre"),
        "encoder_decoder": Family(
            module="textmill.models.backbones.encoder_decoder", norm="post"
        ),
        "lstm": Family(module="textmill.models.backbones.lstm"),
        "linear": Family(module="textmill.models.linear", is_encoder=False),
    },
)
