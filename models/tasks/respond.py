"""Respond: writes a response to a prompt, by one decoder that reads both.

A row is prompt and response, each tokenized separately, between end tokens; only the
response has a loss. A prompt is served as it was trained: it loses its beginning where
the longest response would not fit after it, but never more than half of the row.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from typing_extensions import override

from textmill.models.tasks.causal_lm import CausalLM, CausalServer
from textmill.models.tasks.server import Answers, padded_rows
from textmill.models.tasks.task import Rows
from textmill.models.texts import text_columns
from textmill.models.tokenizers import Tokenizer


class RespondServer(CausalServer):
    """``text`` string ``[n]``: the response."""

    output = "text"
    scored = ("text", "response")

    @property
    def _room(self) -> int:
        """Number of tokens that a prompt may have."""
        longest = self.options.generate.max_tokens
        return max(self._length - longest, self._length // 2)

    @override
    def rows(self, *texts: tf.Tensor) -> Rows:
        [text] = texts
        s = self._tokenizer.specials
        tokens = self._tokenizer.tokenize_untrusted(text)[:, -self._room :]
        row = tf.concat([tf.fill([tokens.nrows(), 1], s.end), tokens], axis=1)
        length = tf.cast(row.row_lengths(), tf.int32)
        return {"ids": row.to_tensor(s.pad), "length": length}

    @override
    def reference_rows(self, texts: Sequence[str | Sequence[str]]) -> Rows:
        s = self._tokenizer.specials
        [column] = text_columns(texts, self.num_texts)
        tokens = [self._tokens(text) for text in column]
        rows = [[s.end, *ids[-self._room :]] for ids in tokens]
        return padded_rows(rows, length=max(map(len, rows), default=1), pad=s.pad)

    @override
    def answer(self, rows: Rows) -> Answers:
        return {self.output: self.write(rows)}

    @override
    def scored_rows(self, text: tf.Tensor, response: tf.Tensor) -> Rows:
        return response_rows(self._tokenizer, text, response, length=self._length + 1)


def response_rows(
    tokenizer: Tokenizer, prompts: tf.Tensor, responses: tf.Tensor, *, length: int
) -> Rows:
    """Packs prompts and responses, string ``[n]``, as the packing ``response`` does.

    Returns:
        int32 ``ids`` ``[n, length]``, ``length`` ``[n]``, and ``answer``
        ``[n, length]``, 1 in the response.
    """
    end, room = tokenizer.specials.end, length - 1
    prompt = tokenizer.tokenize_untrusted(prompts)
    ends = tf.fill([prompt.nrows(), 1], end)
    response = tf.concat([tokenizer.tokenize_untrusted(responses), ends], axis=1)
    sizes = response.row_lengths()
    prompt_size = tf.minimum(prompt.row_lengths(), tf.maximum(room - sizes, room // 2))
    size = tf.minimum(sizes, room - prompt_size)
    skipped = prompt.row_lengths() - prompt_size
    prompt = tf.ragged.boolean_mask(
        prompt, tf.ragged.range(prompt.row_lengths()) >= skipped[:, None]
    )
    response = tf.ragged.boolean_mask(response, tf.ragged.range(sizes) < size[:, None])
    row = tf.concat([ends, prompt, response], axis=1)
    total = tf.cast(row.row_lengths(), tf.int32)
    positions = tf.range(length)[None, :]
    first = 1 + tf.cast(prompt_size, tf.int32)[:, None]
    is_answer = (positions >= first) & (positions < total[:, None])
    return {
        "ids": row.to_tensor(tokenizer.specials.pad, shape=[None, length]),
        "length": total,
        "answer": tf.cast(is_answer, tf.int32),
    }


class Respond(CausalLM):
    """Predicts every token of a response from the prompt and the tokens before it."""

    server_class = RespondServer

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        rows = response_rows(
            tokenizer,
            tf.constant(list(texts)),
            tf.constant(list(texts)[::-1]),
            length=self.config.sequence_length + 1,
        )
        return {**rows, "keys": tf.range(len(texts))}

    @override
    def sample(self, rows: Rows, tokenizer: Tokenizer) -> list[str]:
        """Returns each prompt, then the response to it in bold."""
        ids = rows["ids"][:, : self.config.sequence_length]
        prompt_length = tf.argmax(rows["answer"], axis=1, output_type=tf.int32)
        return self._continued(ids, prompt_length, tokenizer)

    @override
    def write(
        self, tokenizer: Tokenizer, *, count: int, num_tokens: int, seed: int
    ) -> list[str]:
        """Returns none: a response needs a prompt."""
        return []
