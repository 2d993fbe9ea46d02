"""How a model is trained: the knobs of the loop. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run. Give either ``steps`` or ``epochs``."""

    steps: int | None = None
    """Optimizer updates."""
    epochs: float | None = None
    """Passes over the training rows, in place of steps."""
    global_batch: int = 32
    """Rows an update, over all replicas."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after the warm-up."""
    warmup: float = 0.1
    """Share of the steps over which the rate rises from 0, if below 1; else steps."""
    final_learning_rate: float = 0.0
    """Where the schedule ends, as a share of the peak."""
    weight_decay: float = 0.01
    """Decoupled weight decay; biases, norms and embeddings are exempt."""
    beta_1: float = 0.9
    """AdamW's decay of the first moment."""
    beta_2: float = 0.999
    """AdamW's decay of the second moment."""
    epsilon: float = 1e-8
    """Added to AdamW's denominator. A larger one keeps the rounding of tiny gradients
    from deciding updates, but slows attention, whose first gradients are tiny."""
    clip_norm: float = 1.0
    """Largest global norm of the summed gradient; 0 does not clip."""
    dropout: float | None = None
    """Share of activations dropped in this stage; None is the model's."""
    mask_rate: float = 0.15
    """Share of the tokens that masked_lm predicts."""
    mask_whole_words: bool = False
    """Whether masked_lm masks all tokens of a word or none (tokenize.words says what a
    word is)."""
    mask_span: Literal["geometric", "ngram"] | None = None
    """Runs of tokens, or of whole words, that masked_lm masks: of a length with chances
    that fall by a fifth (SpanBERT) or as 1/n (ALBERT); None masks each by itself."""
    longest_span: int | None = None
    """The longest run; None is 10 for geometric and 3 for ngram."""
    dupe_factor: int | None = None
    """How many masks a row has, in turn by epoch, as if it stood so often in the files
    of the original script, which also counts special tokens in what mask_rate is of;
    None draws new masks in every epoch."""
    length_buckets: bool = False
    """Whether rows of like length share a batch, which is cut to their length: faster
    on padded rows; no model sees another token."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """Number format of the activations."""
    xla: bool = True
    """Whether the step is compiled by XLA."""
    eval_every: int | None = None
    """Steps between evaluations on the eval split; None evaluates at the end."""
    log_every: int = 50
    """Steps a call of the compiled loop, and between two points of the curves."""
    checkpoint_every: int = 200
    """Steps between checkpoints; a killed run loses at most these."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            got = "neither" if self.steps is None else "both"
            raise ValueError(f"either steps or epochs, got {got}")
        for name in ("steps", "epochs", "global_batch", "log_every"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} above 0, got {value}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout in [0, 1), got {self.dropout}")
        if not 0 < self.mask_rate < 1:
            raise ValueError(f"mask_rate in (0, 1), got {self.mask_rate}")
        if self.longest_span is not None and self.mask_span is None:
            raise ValueError("mask_span beside longest_span, got none")
        for name in ("longest_span", "dupe_factor"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} of 1 or more, got {value}")
