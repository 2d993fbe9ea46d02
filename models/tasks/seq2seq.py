"""Sequence to sequence: writes a text for a text, as in translation and summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones import encoder_decoder
from textmill.models.backbones.transformer import output_initializer
from textmill.models.generation.beam import beam_search
from textmill.models.generation.decoder import Rules, State
from textmill.models.generation.generate import generate
from textmill.models.generation.sampling import prompt_keys
from textmill.models.generation.writing import Beginning, seen_tokens
from textmill.models.tasks.config import Seq2SeqConfig
from textmill.models.tasks.markdown import escape_markdown
from textmill.models.tasks.server import Answers
from textmill.models.tasks.task import Features, Rows, Task, cross_entropy
from textmill.models.tasks.write_server import WriteServer
from textmill.models.tokenizers import Tokenizer


class Seq2SeqServer(WriteServer):
    """``text`` string ``[n]``: the text that the model writes.

    A source longer than the window loses its end.
    """

    _task: Seq2Seq
    scored = ("text", "target")

    @override
    def begin(self, rows: Rows, num_tokens: Any) -> Beginning:
        ids, length = rows["ids"], rows["length"]
        logits, state = self._task.start(self._features(rows))
        return Beginning(
            logits=logits,
            state=state,
            keys=prompt_keys(ids, length),
            seen=self._seen(ids, length),
        )

    def _seen(self, ids: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """Returns the source's tokens; a target's own vocabulary has none of them."""
        size = self._task.target_ids.size
        if self._tokenizer.target is not None:
            return tf.zeros([tf.shape(ids)[0], size], tf.bool)
        return seen_tokens(ids, length, size)

    @override
    def answer(self, rows: Rows) -> Answers:
        return {self.output: self.write(rows)}

    @override
    def scored_rows(self, text: tf.Tensor, target: tf.Tensor) -> Rows:
        length = self._task.config.longest_target
        return self.rows(text) | target_rows(
            self._tokenizer.of_targets, target, length=length
        )


def target_rows(tokenizer: Tokenizer, targets: tf.Tensor, *, length: int) -> Rows:
    """Returns ``target_ids`` ``[n, length]`` and ``target_length`` as rows hold them.

    A target begins with the start token, and ends with the end token if it fits.
    """
    s = tokenizer.specials
    tokens = tokenizer.tokenize_untrusted(targets)
    starts, ends = (tf.fill([tokens.nrows(), 1], token) for token in (s.start, s.end))
    row = tf.concat([starts, tokens, ends], axis=1)[:, :length]
    return {
        "target_ids": row.to_tensor(s.pad, shape=[None, length]),
        "target_length": tf.cast(row.row_lengths(), tf.int32),
    }


class Seq2Seq(Task):
    """Predicts every token of the target from the source and the tokens before it."""

    task_config: Seq2SeqConfig = Seq2SeqConfig()
    server_class = Seq2SeqServer

    @override
    def _input_names(self) -> tuple[str, ...]:
        return ("ids", "mask", "target_ids")

    def _build(self) -> keras.Model:
        hidden = self.family.sequence(self._hidden)
        self._output = None
        if not self.config.blocks.tied_embeddings:
            self._output = keras.layers.Dense(
                self.target_ids.size,
                use_bias=False,
                kernel_initializer=output_initializer(self.config),
                name="token_logits",
            )
        return keras.Model(self._inputs, self._token_logits(hidden))

    def _token_logits(self, hidden: Any) -> Any:
        if self._output is None:
            return self.backbone.target_embedding(hidden, reverse=True)
        return self._output(hidden)

    @override
    def head_flops(self, length: int) -> int:
        target = min(length, self.config.longest_target)
        return target * 2 * self.config.width * self.target_ids.size

    @override
    def features(self, rows: Rows) -> Features:
        ids, target_ids = rows["ids"], rows["target_ids"]
        positions = tf.range(tf.shape(target_ids)[1] - 1)[None, :]
        counts = positions + 1 < rows["target_length"][:, None]
        return {
            "ids": ids,
            "mask": self._mask(rows, tf.shape(ids)[1]),
            "target_ids": target_ids[:, :-1],
            "targets": target_ids[:, 1:],
            "weights": tf.cast(counts, tf.float32),
        }

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        return cross_entropy(
            self.logits(features, training=training),
            features["targets"],
            features["weights"],
            smoothing=self.task_config.label_smoothing if training else 0.0,
        )

    def start(self, features: Features) -> tuple[tf.Tensor, State]:
        """Returns the logits of the first token ``[b, vocabulary]``, and the state."""
        state = encoder_decoder.start(
            self.backbone, self.config, features["ids"], features["mask"]
        )
        first = tf.fill([tf.shape(features["ids"])[0]], self.target_ids.specials.start)
        return self.step(first, state)

    def step(self, tokens: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Reads the tokens ``[b]``; returns the next logits ``[b, vocabulary]``.

        After the longest target, only an end follows.
        """
        is_full = state["position"] >= self.config.longest_target - 1
        hidden, state = encoder_decoder.step(self.backbone, self.config, tokens, state)
        logits = tf.cast(self._token_logits(hidden), tf.float32)
        size, specials = self.target_ids
        is_end = tf.range(size) == specials.end
        end = tf.where(is_end, 0.0, -1e9)
        return tf.where(is_full[:, None], end, logits), state

    @property
    def rules(self) -> Rules:
        """The tokens that generation treats specially."""
        return Rules.of(self.target_ids.specials, self.target_ids.size)

    def generate(
        self, features: Features, *, beams: int = 1, alpha: float = 0.6
    ) -> tf.Tensor:
        """Returns tokens int32 ``[b, target]``; end tokens after an end.

        Args:
            features: the sources.
            beams: hypotheses of beam search; 1 takes the likeliest token at each step.
            alpha: strength of beam search's length penalty.
        """
        logits, state = self.start(features)
        rules = self.rules
        num_tokens = self.config.longest_target - 1
        if beams == 1:
            return generate(
                self.step, logits, state, rules=rules, num_tokens=num_tokens
            )
        tokens, _ = beam_search(
            self.step,
            logits,
            state,
            rules=rules,
            num_tokens=num_tokens,
            beams=beams,
            alpha=alpha,
        )
        return tokens

    @override
    def sample(self, rows: Rows, tokenizer: Tokenizer) -> list[str]:
        """Returns each source, and the written text in bold."""
        features = self.features(rows)
        ragged = tf.RaggedTensor.from_tensor
        sources = ragged(rows["ids"], lengths=rows["length"])
        texts = [
            tokenizer.detokenize(sources).numpy(),
            tokenizer.of_targets.detokenize(ragged(self.generate(features))).numpy(),
        ]
        return [
            f"{escape_markdown(source.decode(errors='replace'))} "
            f"**{escape_markdown(written.decode(errors='replace'))}**"
            for source, written in zip(*texts, strict=True)
        ]

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        length = self.config.longest_target
        others = tf.constant(list(texts)[::-1], tf.string)
        targets = target_rows(tokenizer.of_targets, others, length=length)
        return {**super().example_rows(tokenizer, texts), **targets}
