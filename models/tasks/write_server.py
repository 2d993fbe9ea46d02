"""Base class of servers that write texts: one graph for every way to call it.

``serving_default`` writes as the stage's ``generate`` section says. An export also has
the signatures ``generate``, whose inputs are the knobs of that section with its values
as defaults; ``score``, the loss of given texts; and ``start`` and ``continue`` for
texts that are shown while they grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import tensorflow as tf
from typing_extensions import override

from textmill.models.generation.decoder import State
from textmill.models.generation.sampling import Sampling
from textmill.models.generation.stop import cut_at
from textmill.models.generation.stream import begin, go_on
from textmill.models.generation.writing import Beginning, Choices, write_texts
from textmill.models.named_graph import named_graph
from textmill.models.tasks.server import Answers, Columns, Document, Server
from textmill.models.tasks.task import Rows

_TEXTS = tf.TensorSpec([None], tf.string)
_OF_STREAMS = ("temperature", "top_k", "top_p", "min_p", "seed")


class WriteServer(Server):
    """Base class: a text, or a continuation, for each text.

    Attributes:
        output: the name of what it writes.
        scored: the names of the texts that ``score`` takes.
    """

    output: ClassVar[str] = "text"
    scored: ClassVar[tuple[str, ...]] = ("text",)

    def begin(self, rows: Rows, num_tokens: Any) -> Beginning:
        """Reads prompts, before ``num_tokens`` steps at most."""
        raise NotImplementedError

    def scored_rows(self, **texts: tf.Tensor) -> Rows:
        """Packs the texts of ``score`` to rows with a loss."""
        raise NotImplementedError

    def write(self, rows: Rows, choices: Choices | None = None) -> tf.Tensor:
        """Returns the written texts, string ``[n]``."""
        options = self.options
        choices = choices or Choices.of(options.generate, seed=options.seed)
        beginning = self.begin(rows, choices.num_tokens)
        return write_texts(self._task, self._tokenizer.of_targets, beginning, choices)

    @override
    def document_outputs(self, documents: Sequence[Document]) -> Columns:
        """Returns the served texts, and the loss sums of the references."""
        texts = [[d[field] for d in documents] for field in ("text", "target_text")]
        written = self.call(texts[0])[self.output].numpy().tolist()
        scored = dict(zip(self.scored, map(tf.constant, texts), strict=True))
        sums = self._task.predictions(self._task.features(self.scored_rows(**scored)))
        return {
            "text": [text.decode(errors="replace") for text in written],
            **{name: value.numpy() for name, value in sums.items()},
        }

    def score(self, **texts: tf.Tensor) -> Answers:
        """Returns ``loss``, nats a token, ``total``, nats, and ``tokens`` ``[n]``."""
        features = self._task.features(self.scored_rows(**texts))
        sums = self._task.loss_sums(features, training=False)
        return {
            "loss": sums["loss"] / tf.maximum(sums["weight"], 1.0),
            "total": sums["loss"],
            "tokens": tf.cast(sums["weight"], tf.int32),
        }

    @override
    def graphs(self) -> dict[str, Any]:
        start = named_graph(self._start, {"text": _TEXTS})
        knobs = self._knobs()
        numbers = {name: _scalar(value) for name, value in knobs.items()}
        state = start.get_concrete_function().structured_outputs
        inputs = {name: _loose(value) for name, value in state.items()}
        streamed = {name: numbers[name] for name in ("max_tokens", *_OF_STREAMS)}
        return {
            "generate": named_graph(self._generate, {"text": _TEXTS, **numbers}, knobs),
            "score": named_graph(self.score, dict.fromkeys(self.scored, _TEXTS)),
            "start": start,
            "continue": named_graph(
                self._continue, inputs | streamed, {n: knobs[n] for n in streamed}
            ),
        }

    def _knobs(self) -> dict[str, Any]:
        """Returns the knobs that a call may set, with the values of the stage."""
        knobs = {**vars(self.options.generate), "seed": self.options.seed}
        del knobs["stop"]
        return knobs

    def _generate(self, text: tf.Tensor, **knobs: tf.Tensor) -> Answers:
        choices = Choices.of(self.options.generate, **knobs)
        return {self.output: self.write(self.rows(text), choices)}

    def _start(self, text: tf.Tensor) -> State:
        return begin(self.begin(self.rows(text), self._length))

    def _continue(self, max_tokens: tf.Tensor, **inputs: tf.Tensor) -> Answers:
        """Returns the texts so far, and the next state by the names of the inputs."""
        sampling = Sampling(**{name: inputs.pop(name) for name in _OF_STREAMS})
        state = go_on(self._task, inputs, num_tokens=max_tokens, sampling=sampling)
        ragged = tf.RaggedTensor.from_tensor(state["tokens"])
        texts = self._tokenizer.of_targets.detokenize(ragged)
        return {**state, self.output: cut_at(texts, self.options.generate.stop)}


def _scalar(value: Any) -> tf.TensorSpec:
    return tf.TensorSpec([], tf.int32 if isinstance(value, int) else tf.float32)


def _loose(value: tf.Tensor) -> tf.TensorSpec:
    """Returns a spec of any batch; texts so far have any length."""
    shape = value.shape.as_list()
    if value.dtype == tf.int32 and len(shape) == 2:
        shape[1] = None
    return tf.TensorSpec([None, *shape[1:]], value.dtype)
