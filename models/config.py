"""ModelConfig: the dimensions of a model and the parts of its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar, Literal

from textmill.models.checks import Bounds, check_bounds
from textmill.models.errors import one_of
from textmill.models.families import FAMILIES
from textmill.models.registry import NameIn

FamilyName = Annotated[str, NameIn(FAMILIES)]

_MULTIPLE = 32


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """The parts of a transformer's blocks, in full: see ``ModelConfig``."""

    norm: Literal["post", "pre"]
    """Normalizes a block's output or its input."""
    positions: Literal["learned", "rotary"] = "learned"
    """Learned vectors, or rotated queries and keys."""
    activation: Literal["gelu", "gelu_exact", "geglu"] = "gelu"
    """Activation of the feed-forward layers."""
    biases: bool = True
    """Layers add biases."""
    tied_embeddings: bool = True
    """The output layer is the token embedding."""
    zero_outputs: bool = False
    """Blocks begin as the identity."""
    qk_norm: bool = False
    """Normalizes queries and keys in every head."""


_MODERN = BlockConfig(
    norm="pre",
    positions="rotary",
    activation="geglu",
    biases=False,
    zero_outputs=True,
    qk_norm=True,
)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The dimensions of a model and the parts of its blocks."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "recompute": "activation_checkpointing",
        "loss_chunk": "stages.NAME.train.loss_chunk",
    }
    """Former keys, for hints."""

    family: FamilyName = "bert"
    """``bert`` is bidirectional (masked_lm, classify), ``gpt`` causal (causal_lm,
    classify), ``lstm`` a cheap encoder (classify), ``encoder_decoder`` writes a text
    for a text (seq2seq); ``linear`` has token n-grams of the whole text and no encoder
    (classify): it learns in seconds."""
    layers: Annotated[int, Bounds(at_least=1, at_most=1_000)] = 2
    """Transformer blocks (of the encoder and of the decoder each), or LSTM layers."""
    width: Annotated[int, Bounds(at_least=1, at_most=100_000)] = 128
    """Size of a token's hidden state."""
    heads: Annotated[int, Bounds(at_least=1, at_most=1_000)] = 2
    """Attention heads; must divide the width. lstm ignores it."""
    sequence_length: Annotated[int, Bounds(at_least=3, at_most=1_000_000)] = 128
    """The longest input in tokens, special tokens included."""
    target_length: Annotated[int, Bounds(at_least=3, at_most=1_000_000)] | None = None
    """encoder_decoder: the longest output in tokens, special tokens included. Not set:
    sequence_length."""
    feed_forward: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] | None = None
    """Hidden size of the feed-forward layers. Not set: 4 x width, or with geglu 8/3 x
    width (as many weights), rounded up to a multiple of 32."""
    dropout: Annotated[float, Bounds(at_least=0, below=1)] = 0.1
    """Share of activations to drop in training."""
    pooling: Literal["mean", "first", "mean_and_embeddings"] = "mean"
    """bert: a classifier reads the mean of the token states; or the first one through a
    tanh layer, as in the original; or the mean of the states and that of the token
    embeddings below all layers. gpt always reads the last token, lstm the mean."""
    recipe: Literal["classic", "modern"] = "classic"
    """Defaults of the fields below. classic is KerasHub's original: norm post for BERT
    and pre for GPT-2, learned positions, gelu, biases, tied embeddings, neither zero
    outputs nor qk_norm. modern is norm pre, rotary positions, geglu, no biases, tied
    embeddings, zero outputs and qk_norm."""
    norm: Literal["post", "pre"] | None = None
    """Normalize a block's output (post) or its input (pre), which trains faster."""
    positions: Literal["learned", "rotary"] | None = None
    """Learned position embeddings, or rotary ones in queries and keys (Su et al.,
    2021)."""
    activation: Literal["gelu", "gelu_exact", "geglu"] | None = None
    """Activation of the feed-forward layers: gelu approximated by tanh, exact gelu (as
    in Hugging Face's BERT), or a gelu-gated linear layer (Shazeer, 2020)."""
    biases: bool | None = None
    """Biases in the layers of blocks, and shifts in norms."""
    tied_embeddings: bool | None = None
    """Use the token embedding as a language model's output layer."""
    zero_outputs: bool | None = None
    """Initialize the last matrix of every attention and feed-forward layer to zero, so
    that blocks start as the identity; also causal_lm's output layer, if not tied."""
    qk_norm: bool | None = None
    """Normalize queries and keys in every head (Henry et al., 2020)."""
    activation_checkpointing: bool = False
    """Store only the inputs of blocks and recompute the rest for the gradients: much
    less memory, a third more time, the same update."""

    @property
    def is_classic(self) -> bool:
        """True if the blocks are those of the family's original, built by KerasHub."""
        own = replace(self.blocks, tied_embeddings=True)
        if own.activation == "gelu_exact":
            own = replace(own, activation="gelu")
        return own == self._original

    @property
    def blocks(self) -> BlockConfig:
        """The blocks of the recipe, with the config's own choices."""
        base = _MODERN if self.recipe == "modern" else self._original
        own = {f.name: getattr(self, f.name) for f in fields(BlockConfig)}
        return replace(base, **{k: v for k, v in own.items() if v is not None})

    @property
    def _original(self) -> BlockConfig:
        norm = FAMILIES[self.family].norm
        assert norm is not None, f"{self.family} has no transformer blocks"
        return BlockConfig(norm=norm)

    @property
    def longest_target(self) -> int:
        """The longest output of a decoder in tokens, special tokens included."""
        return self.target_length or self.sequence_length

    @property
    def feed_forward_size(self) -> int:
        """Hidden size of the feed-forward layers."""
        if self.feed_forward is not None:
            return self.feed_forward
        if self.blocks.activation == "geglu":
            return -(-8 * self.width // (3 * _MULTIPLE)) * _MULTIPLE
        return 4 * self.width

    def __post_init__(self) -> None:
        check_bounds(self)
        self._check_blocks()

    def _check_blocks(self) -> None:
        if self.target_length is not None and self.family != "encoder_decoder":
            raise ValueError(
                f"family encoder_decoder with target_length, got {self.family}"
            )
        if FAMILIES[self.family].norm is None:
            for name in (
                "recipe",
                "activation_checkpointing",
                *(f.name for f in fields(BlockConfig)),
            ):
                if getattr(self, name) not in (None, False, "classic"):
                    families = one_of([n for n, f in FAMILIES.items() if f.norm])
                    raise ValueError(f"a transformer ({families}) with {name}")
            return
        if self.width % self.heads:
            raise ValueError(f"heads that divide width {self.width}, got {self.heads}")
        if self.blocks.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(
                f"an even width per head for rotary positions, got {self.width} / "
                f"{self.heads}"
            )
