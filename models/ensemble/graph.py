"""The ensemble in one graph: a text is tokenized once and read by every member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.calibrated.fit import LOWEST_LOG_PROBABILITY
from textmill.models.calibrated.model import tensors_of
from textmill.models.ensemble import FAMILY, MeanName, member_prefix
from textmill.models.tasks.classify import label_answers
from textmill.models.tasks.server import Answers, Server, ServingOptions
from textmill.models.tasks.task import Rows, Task
from textmill.models.tokenizers import Tokenizer
from textmill.models.weights import rebuild_task


class Ensemble:
    """Trained classifiers of one shape, and the kind of their mean."""

    def __init__(self, members: Sequence[Task], mean: MeanName) -> None:
        self.members, self.mean = list(members), mean

    def serve(self, tokenizer: Tokenizer, options: ServingOptions) -> Server:
        """Returns the graph that answers texts."""
        return EnsembleServer(self, tokenizer, options)


class EnsembleServer(Server):
    """``label`` string ``[n]``; ``probabilities`` float32 ``[n, labels]``."""

    def __init__(
        self, ensemble: Ensemble, tokenizer: Tokenizer, options: ServingOptions
    ) -> None:
        tf.Module.__init__(self)
        self.options, self._mean = options, ensemble.mean
        self._members = [task.serve(tokenizer, options) for task in ensemble.members]

    @override
    def rows(self, *texts: tf.Tensor) -> Rows:
        return self._members[0].rows(*texts)

    @property
    @override
    def num_texts(self) -> int:
        return self._members[0].num_texts

    @override
    def reference_rows(self, texts: Sequence[str | Sequence[str]]) -> Rows:
        return self._members[0].reference_rows(texts)

    @override
    def answer(self, rows: Rows) -> Answers:
        answers = [member.answer(rows)["probabilities"] for member in self._members]
        probabilities = tf.stack(answers)  # [members, n, labels]
        if self._mean == "probabilities":
            probabilities = tf.reduce_mean(probabilities, axis=0)
        else:
            logs = bounded_log(probabilities)
            probabilities = tf.nn.softmax(tf.reduce_mean(logs, axis=0))
        return label_answers(probabilities, self.options.labels)


def bounded_log(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns logarithms as ``log_probabilities`` computes them for stored answers."""
    smallest = float(np.exp(LOWEST_LOG_PROBABILITY))
    return tf.math.log(tf.maximum(probabilities, smallest))


def rebuild_encoder(
    tensors: Mapping[str, np.ndarray],
    tokenizer: Tokenizer,
    facts: dict[str, Any],
    *,
    source: str,
) -> Task | Ensemble:
    """Rebuilds an encoder, or an ensemble of them, from its tensors and facts."""
    if facts["model"]["family"] != FAMILY:
        return rebuild_task(tensors, tokenizer, facts, source=source)
    members = []
    for number, member in enumerate(facts["members"], 1):
        own = tensors_of(tensors, member_prefix(number))
        members.append(rebuild_task(own, tokenizer, {**facts, **member}, source=source))
    return Ensemble(members, facts["model"]["mean"])
