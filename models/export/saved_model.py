"""SavedModel: takes raw strings, with the tokenizer inside.

``serving_default`` maps ``text`` (string ``[n]``) to the answers of the task's server;
a model of pairs also takes ``text_2``.
Loading needs ``import tensorflow_text`` for the tokenizer's ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizers' ops)
from typing_extensions import override

from textmill.models.errors import ConfigError, IntegrityError, one_of
from textmill.models.export.format import Explanation, Format, Runtime, Texts
from textmill.models.export.graph_ops import default_inputs, foreign_ops
from textmill.models.tasks.server import to_python
from textmill.models.texts import TEXT_FIELDS, text_columns

if TYPE_CHECKING:
    from textmill.models.servable import Servable
    from textmill.models.tasks.server import ServingOptions
    from textmill.models.tokenizers import Tokenizer


class SavedModel(Format):
    """TensorFlow's SavedModel with signatures ``serving_default`` and ``labels``.

    The server may add others: a classifier with n-grams has ``explain``.
    """

    @override
    def write(
        self,
        model: Servable,
        tokenizer: Tokenizer,
        folder: Path,
        options: ServingOptions,
    ) -> None:
        server = model.serve(tokenizer, options)
        texts = [
            tf.TensorSpec([None], tf.string, name=name)
            for name in TEXT_FIELDS[: server.num_texts]
        ]
        serve = tf.function(
            lambda *texts: server.answer(server.rows(*texts)),
            input_signature=texts,
            autograph=False,
        )
        labels = tf.function(
            lambda: {"labels": tf.constant(options.labels, tf.string)},
            input_signature=[],
            autograph=False,
        )
        signatures = {"serving_default": serve, "labels": labels}
        for name, function in server.signatures().items():
            signatures[name] = tf.function(function, input_signature=texts)
        signatures |= server.graphs()
        tf.saved_model.save(server, str(folder), signatures=signatures)
        if foreign := foreign_ops(folder):
            raise ConfigError(
                f"{type(model).__name__}: its graph holds {', '.join(foreign)}, which "
                "an exported model may not hold; express the task with the ops listed "
                "in models/export/graph_ops.py"
            )

    @override
    def load(self, folder: Path) -> Runtime:
        return SavedModelRuntime(folder)


class SavedModelRuntime(Runtime):
    """A SavedModel that Textmill exported, in this process.

    Args:
        folder: the SavedModel.
        trust: whether its graph may hold any op.

    Raises:
        IntegrityError: the graph holds an op that the exporter does not write.
    """

    def __init__(self, folder: Path, *, trust: bool = False) -> None:
        if not trust:
            check_ops(folder)
        # The signatures hold no reference to the model.
        self._model = tf.saved_model.load(str(folder))
        self._folder = folder
        self._serve = self._model.signatures["serving_default"]
        labels = self._model.signatures["labels"]()["labels"].numpy()
        self.labels = [label.decode() for label in labels]
        _, inputs = self._serve.structured_input_signature
        self.num_texts = len(inputs)

    def _inputs(self, texts: Sequence[Texts]) -> dict[str, tf.Tensor]:
        columns = text_columns(texts, self.num_texts)
        return {
            name: tf.constant(column, tf.string)
            for name, column in zip(TEXT_FIELDS, columns, strict=False)
        }

    @override
    def answer(self, texts: Sequence[Texts]) -> list[dict[str, Any]]:
        return to_python(self._serve(**self._inputs(texts)), len(texts))

    @cached_property
    def _defaults(self) -> dict[str, dict[str, Any]]:
        return default_inputs(self._folder)

    def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature by name, as arrays.

        Args:
            signature: its name, such as ``generate``.
            inputs: its inputs; those left out have the values that the export wrote.

        Raises:
            ConfigError: the model has no such signature.
        """
        if signature not in self._model.signatures:
            known = one_of(list(self._model.signatures))
            raise ConfigError(f"expected a signature ({known}), got {signature!r}")
        function = self._model.signatures[signature]
        _, specs = function.structured_input_signature
        given = self._defaults.get(signature, {}) | inputs
        tensors = {
            name: tf.convert_to_tensor(value, specs[name].dtype)
            for name, value in given.items()
        }
        return {name: value.numpy() for name, value in function(**tensors).items()}

    @override
    def explain(self, texts: Sequence[Texts]) -> list[Explanation]:
        if (explain := self._model.signatures.get("explain")) is None:
            return super().explain(texts)
        outputs = explain(**self._inputs(texts))
        values = {name: value.numpy() for name, value in outputs.items()}
        bounds = np.searchsorted(values["row"], np.arange(len(texts) + 1))
        return [
            Explanation(
                ngrams=[
                    ngram.decode(errors="replace")
                    for ngram in values["ngram"][start:end].tolist()
                ],
                weights=values["weights"][start:end],
                rest=values["rest"][number],
            )
            for number, (start, end) in enumerate(pairwise(bounds))
        ]


def check_ops(folder: Path) -> None:
    """Compares the ops of a SavedModel, unloaded, with those that exports hold.

    Raises:
        IntegrityError: it holds another one, or is not a SavedModel.
    """
    try:
        foreign = foreign_ops(folder)
    except ValueError as error:
        raise IntegrityError(
            f"{folder}: not a SavedModel of Textmill: {error}; export it again"
        ) from None
    if foreign:
        raise IntegrityError(
            f"{folder}: its graph holds {', '.join(foreign)}, which no export of "
            "Textmill holds and which may read or write files; load it with --trust "
            "(trust=True) only if you know who made it"
        )
