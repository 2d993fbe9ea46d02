"""Causal language modeling: predicts every token from the previous ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones.transformer import output_initializer
from textmill.models.generation.decoder import Rules, State
from textmill.models.generation.generate import generate
from textmill.models.generation.sampling import GREEDY, Sampling, prompt_keys
from textmill.models.generation.writing import Beginning, seen_tokens
from textmill.models.tasks.chunked_loss import chunked_cross_entropy
from textmill.models.tasks.config import CausalLMConfig
from textmill.models.tasks.markdown import escape_markdown
from textmill.models.tasks.server import Answers, padded_rows
from textmill.models.tasks.task import Features, Rows, Task
from textmill.models.tasks.write_server import WriteServer
from textmill.models.texts import text_columns
from textmill.models.tokenizers import Tokenizer

_SAMPLE_TOKENS = 24
_TEMPERATURE = 0.8


class CausalServer(WriteServer):
    """``continuation`` string ``[n]``; ``loss`` float32 ``[n]``: nats a token of text.

    A text longer than the window loses its beginning.
    """

    _task: CausalLM
    output = "continuation"

    @override
    def rows(self, *texts: tf.Tensor) -> Rows:
        [text] = texts
        s = self._tokenizer.specials
        tokens = self._tokenizer.tokenize_untrusted(text)[:, -self._length :]
        row = tf.concat([tf.fill([tokens.nrows(), 1], s.end), tokens], axis=1)
        length = tf.cast(row.row_lengths(), tf.int32)
        ids = row.to_tensor(s.pad)
        # A row has a token to read and a next one.
        room = tf.maximum(0, 2 - tf.shape(ids)[1])
        ids = tf.pad(ids, [[0, 0], [0, room]], constant_values=s.pad)
        return {"ids": ids, "length": length}

    @override
    def reference_rows(self, texts: Sequence[str | Sequence[str]]) -> Rows:
        s = self._tokenizer.specials
        [column] = text_columns(texts, self.num_texts)
        tokens = [self._tokens(text) for text in column]
        rows = [[s.end, *ids[-self._length :]] for ids in tokens]
        return padded_rows(rows, length=max([2, *map(len, rows)]), pad=s.pad)

    @override
    def scored_rows(self, text: tf.Tensor) -> Rows:
        return self.rows(text)

    @override
    def begin(self, rows: Rows, num_tokens: Any) -> Beginning:
        # A row that fills the window, and the next token, goes on without its first.
        ids, length = rows["ids"], rows["length"]
        is_full = length[:, None] > self._length
        ids = tf.where(is_full, tf.roll(ids, -1, axis=1), ids)[:, : self._length]
        length = tf.minimum(length, self._length)
        logits, state = self._task.start(ids, length, num_tokens=num_tokens)
        return Beginning(
            logits=logits,
            state=state,
            keys=prompt_keys(ids, length),
            seen=seen_tokens(ids, length, self._task.vocabulary_size),
        )

    @override
    def answer(self, rows: Rows) -> Answers:
        sums = self._task.loss_sums(self._task.features(rows), training=False)
        return {
            self.output: self.write(rows),
            "loss": sums["loss"] / tf.maximum(sums["weight"], 1.0),
        }


class CausalLM(Task):
    """Predicts every next token; the output layer is the token embedding.

    In rows of prompt and response, only the response has a loss.
    """

    task_config: CausalLMConfig = CausalLMConfig()
    server_class = CausalServer

    def _build(self) -> keras.Model:
        hidden = self.family.sequence(self._hidden)
        self._states = keras.Model(self._inputs, hidden)
        if self.config.blocks.tied_embeddings:
            self._output = self.backbone.token_embedding
            return keras.Model(self._inputs, self._output(hidden, reverse=True))
        self._output = keras.layers.Dense(
            self.vocabulary_size,
            use_bias=False,
            kernel_initializer=output_initializer(self.config),
            name="token_logits",
        )
        return keras.Model(self._inputs, self._output(hidden))

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        if self.task_config.loss_chunk is None:
            return super().loss_sums(features, training=training)
        inputs = {name: features[name] for name in self._inputs}
        return chunked_cross_entropy(
            self._states(inputs, training=training),
            self._matrix(),
            features["targets"],
            features["weights"],
            chunk=self.task_config.loss_chunk,
        )

    def _matrix(self) -> tf.Tensor:
        if self.config.blocks.tied_embeddings:
            return tf.convert_to_tensor(self._output.embeddings)
        return tf.transpose(self._output.kernel)

    @override
    def head_flops(self, length: int) -> int:
        return length * 2 * self.config.width * self.vocabulary_size

    @override
    def features(self, rows: Rows) -> Features:
        ids, length = rows["ids"], rows["length"]
        width = tf.shape(ids)[1] - 1
        positions = tf.range(width)[None, :]
        counts = positions + 1 < length[:, None]
        if "answer" in rows:
            counts &= rows["answer"][:, 1:] > 0
        return {
            "ids": ids[:, :-1],
            "mask": self._mask(rows, width),
            "targets": ids[:, 1:],
            "weights": tf.cast(counts, tf.float32),
        }

    def start(
        self, ids: tf.Tensor, length: tf.Tensor, *, num_tokens: int | tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        """Reads prompts; returns the logits of their next token, and the state.

        Args:
            ids: int32 ``[b, l]``, padded on the right.
            length: int32 ``[b]``, at least 1.
            num_tokens: the steps that will follow at most.
        """
        states, state = self.family.start(
            self.backbone, self.config, ids, length, num_tokens=num_tokens
        )
        return self._token_logits(states), state

    def step(self, tokens: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Reads tokens int32 ``[b]``; returns the next logits, and the state."""
        states, state = self.family.step(self.backbone, self.config, tokens, state)
        return self._token_logits(states), state

    def _token_logits(self, states: tf.Tensor) -> tf.Tensor:
        if self.config.blocks.tied_embeddings:
            return tf.cast(self._output(states, reverse=True), tf.float32)
        return tf.cast(self._output(states), tf.float32)

    @property
    def rules(self) -> Rules:
        """The tokens that generation treats specially."""
        return Rules.of(self.specials, self.vocabulary_size)

    def generate(
        self,
        ids: tf.Tensor,
        length: tf.Tensor,
        *,
        num_tokens: int,
        sampling: Sampling = GREEDY,
        keys: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Continues prompts, int32 ``[b, num_tokens]``; after an end, end tokens.

        Args:
            ids: int32 ``[b, l]``, padded on the right.
            length: int32 ``[b]``, at least 1.
            num_tokens: number of tokens to write.
            sampling: the choice of a token.
            keys: int32 ``[b]``, of the samples; None takes those of the prompts.
        """
        logits, state = self.start(ids, length, num_tokens=num_tokens)
        return generate(
            self.step,
            logits,
            state,
            rules=self.rules,
            num_tokens=num_tokens,
            sampling=sampling,
            keys=prompt_keys(ids, length) if keys is None else keys,
        )

    @override
    def sample(self, rows: Rows, tokenizer: Tokenizer) -> list[str]:
        """Returns the first half of each row, then its continuation in bold."""
        window = self.config.sequence_length
        ids, length = rows["ids"][:, :window], tf.minimum(rows["length"], window)
        prompt_length = tf.maximum(1, length // 2)
        return self._continued(ids, prompt_length, tokenizer)

    def _continued(
        self, ids: tf.Tensor, prompt_length: tf.Tensor, tokenizer: Tokenizer
    ) -> list[str]:
        """Returns prompts as Markdown, each with its continuation in bold."""
        written = self.generate(ids, prompt_length, num_tokens=_SAMPLE_TOKENS)
        prompts = tf.RaggedTensor.from_tensor(ids, lengths=prompt_length)
        pairs = zip(_texts(prompts, tokenizer), _texts(written, tokenizer), strict=True)
        return [
            f"{escape_markdown(prompt)} **{escape_markdown(continuation)}**"
            for prompt, continuation in pairs
        ]

    @override
    def write(
        self, tokenizer: Tokenizer, *, count: int, num_tokens: int, seed: int
    ) -> list[str]:
        """Returns texts that follow an end token."""
        ids = tf.function(self.generate, autograph=False)(
            tf.fill([count, 1], tokenizer.specials.end),
            tf.ones([count], tf.int32),
            num_tokens=num_tokens,
            sampling=Sampling(temperature=_TEMPERATURE, seed=seed),
            keys=tf.range(count),
        )
        return _texts(ids, tokenizer)


def _texts(ids: tf.Tensor | tf.RaggedTensor, tokenizer: Tokenizer) -> list[str]:
    if not isinstance(ids, tf.RaggedTensor):
        ids = tf.RaggedTensor.from_tensor(ids)
    texts = tokenizer.detokenize(ids).numpy()
    return [text.decode(errors="replace") for text in texts]
