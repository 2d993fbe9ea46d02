"""Texts from a decoder, by any of the ways to choose their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

from textmill.models.generation.beam import beam_search
from textmill.models.generation.config import GenerateConfig
from textmill.models.generation.decoder import Rules, State
from textmill.models.generation.generate import generate
from textmill.models.generation.sampling import Sampling
from textmill.models.generation.stop import cut_at, stop_check
from textmill.models.tokenizers import Tokenizer


class Decoder(Protocol):
    """A task that writes token by token."""

    @property
    def rules(self) -> Rules:
        """The tokens that generation treats specially."""
        ...

    def step(self, tokens: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Reads tokens int32 ``[b]``; returns the next logits, and the state."""
        ...


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The knobs of ``GenerateConfig``, each a number or a scalar tensor, and a seed."""

    num_tokens: Any
    sampling: Sampling
    beams: Any
    length_penalty: Any
    stop: tuple[str, ...]

    @classmethod
    def of(cls, config: GenerateConfig, *, seed: Any, **others: Any) -> Choices:
        """Returns the knobs of a config, with others in their place."""
        knobs = {**vars(config), "seed": seed, **others}
        names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")
        return cls(
            num_tokens=knobs["max_tokens"],
            sampling=Sampling(**{name: knobs[name] for name in names}),
            beams=knobs["beams"],
            length_penalty=knobs["length_penalty"],
            stop=config.stop,
        )


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A decoder that has read its prompts."""

    logits: tf.Tensor
    """Of the first token, float32 ``[b, vocabulary]``."""
    state: State
    keys: tf.Tensor
    """int32 ``[b]``, of the samples: see ``prompt_keys``."""
    seen: tf.Tensor
    """bool ``[b, vocabulary]``: tokens of the prompts."""


def write_texts(
    decoder: Decoder, tokenizer: Tokenizer, beginning: Beginning, choices: Choices
) -> tf.Tensor:
    """Returns the written texts, string ``[b]``, up to the first stop string."""
    tokens = _tokens(decoder, tokenizer, beginning, choices)
    texts = tokenizer.detokenize(tf.RaggedTensor.from_tensor(tokens))
    return cut_at(texts, choices.stop)


def _tokens(
    decoder: Decoder, tokenizer: Tokenizer, beginning: Beginning, choices: Choices
) -> tf.Tensor:
    """Returns int32 ``[b, num_tokens]``; end tokens after an end."""

    def draw() -> tf.Tensor:
        ends, tail = stop_check(tokenizer, choices.stop)
        return generate(
            decoder.step,
            beginning.logits,
            beginning.state,
            rules=decoder.rules,
            num_tokens=choices.num_tokens,
            sampling=choices.sampling,
            keys=beginning.keys,
            seen=beginning.seen,
            ends=ends,
            tail=tail,
        )

    def search() -> tf.Tensor:
        texts, _ = beam_search(
            decoder.step,
            beginning.logits,
            beginning.state,
            rules=decoder.rules,
            num_tokens=choices.num_tokens,
            beams=choices.beams,
            alpha=choices.length_penalty,
        )
        return texts

    if isinstance(choices.beams, int):
        return search() if choices.beams > 1 else draw()
    return tf.cond(choices.beams > 1, search, draw)


def seen_tokens(ids: tf.Tensor, length: tf.Tensor, vocabulary_size: int) -> tf.Tensor:
    """Returns bool ``[b, vocabulary]``: the tokens of prompts, without padding."""
    batch, width = tf.shape(ids)[0], tf.shape(ids)[1]
    rows = tf.broadcast_to(tf.range(batch)[:, None], [batch, width])
    is_token = tf.cast(tf.range(width)[None] < length[:, None], tf.int32)
    counts = tf.scatter_nd(
        tf.stack([rows, ids], axis=2), is_token, [batch, vocabulary_size]
    )
    return counts > 0
