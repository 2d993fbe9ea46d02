"""OptimizerConfig: the update rule and its constants. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from textmill.models.checks import NOT_NEGATIVE, POSITIVE, Bounds, check_bounds

_Decay = Annotated[float, Bounds(at_least=0, below=1)]


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The update rule; the learning rate of every step comes from the schedule."""

    RENAMED: ClassVar[Mapping[str, str]] = {"no_decay": "weight_decay_exclude"}
    """Former keys, for hints."""

    optimizer: Literal["adamw", "lamb", "adafactor", "lion", "sgd", "muon"] = "adamw"
    """Update rule; muon uses adamw for embeddings, heads, norms and biases."""
    layer_decay: Annotated[float, Bounds(above=0, at_most=1)] = 1.0
    """Learning rate of a layer relative to the layer above it; below 1, lower layers
    learn more slowly."""
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.01
    """Decoupled weight decay."""
    weight_decay_exclude: tuple[str, ...] = (
        "bias",
        "beta",
        "gamma",
        "embedding",
        "norm",
    )
    """Weights excluded from weight decay (and from lamb's scaling), by parts of their
    paths."""
    beta_1: _Decay = 0.9
    """Decay of the first moment (adamw, lamb, lion, and adamw inside muon)."""
    beta_2: _Decay = 0.999
    """Decay of the second moment (adamw, lamb, and adamw inside muon); for lion, of
    the momentum."""
    momentum: _Decay = 0.95
    """Momentum of sgd and muon."""
    epsilon: Annotated[float, POSITIVE] = 1e-8
    """Added to AdamW's denominator. A larger value reduces the noise of tiny gradients,
    but slows attention, whose first gradients are tiny."""

    def __post_init__(self) -> None:
        check_bounds(self)
