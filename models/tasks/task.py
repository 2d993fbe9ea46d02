"""Base class of tasks: features, the model, sums by row, the served graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.families import FAMILIES
from textmill.models.tasks.config import NoTaskConfig
from textmill.models.tokenizers import SpecialTokens, TokenIds, Tokenizer

if TYPE_CHECKING:
    from textmill.models.rows import RowReader
    from textmill.models.tasks.server import Server, ServingOptions

Rows = dict[str, tf.Tensor]
Features = dict[str, tf.Tensor]


def cross_entropy(
    logits: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    *,
    smoothing: float = 0.0,
) -> dict[str, tf.Tensor]:
    """Sums loss in nats, weights and weighted hits of each row: float32 ``[batch]``."""
    losses, hits = token_losses(logits, targets, smoothing=smoothing)
    sums = {"loss": losses * weights, "weight": weights, "correct": hits * weights}
    inner = list(range(1, len(weights.shape)))
    return {name: tf.reduce_sum(value, inner) for name, value in sums.items()}


def token_losses(
    logits: tf.Tensor, targets: tf.Tensor, *, smoothing: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns loss in nats and hits, float32, of logits ``[..., vocabulary]``.

    A hit is a target with the single highest logit; a tie is a miss. With label
    smoothing (Szegedy et al., 2016) a share of the target's probability is spread
    evenly over the vocabulary.
    """
    logits = tf.cast(logits, tf.float32)
    highest = tf.stop_gradient(tf.reduce_max(logits, -1, keepdims=True))
    logits = logits - highest
    # A masked sum fuses with the other sums; a gather or an argmax does not.
    is_target = tf.range(tf.shape(logits)[-1]) == targets[..., None]
    target = tf.reduce_sum(tf.where(is_target, logits, 0.0), -1)
    wanted = target
    if smoothing:
        evenly = tf.reduce_mean(logits, -1)
        wanted = (1.0 - smoothing) * target + smoothing * evenly
    losses = tf.math.log(tf.reduce_sum(tf.exp(logits), -1)) - wanted
    num_highest = tf.reduce_sum(tf.cast(logits >= 0.0, tf.float32), -1)
    return losses, tf.cast((target >= 0.0) & (num_highest == 1.0), tf.float32)


class Task:
    """Base class of a task, over one family's backbone.

    Attributes:
        model: the Keras model, from features to logits.
        backbone: its part that other stages can start from.
        init: the names of its tensors that are ``new`` and of the other model's that
            are ``unused``, once it started from one; None from scratch.
        task_config: its own knobs, an instance of its row's config class.
        server_class: the graph that answers texts.
        constants: further tensors of the trained model, by name, which no gradient
            changes: ``prepare`` and ``tune`` set them from rows.
    """

    init: dict[str, list[str]] | None = None
    task_config: Any = NoTaskConfig()
    server_class: ClassVar[type[Server]]

    def __init__(
        self,
        config: ModelConfig,
        *,
        vocabulary_size: int,
        specials: SpecialTokens,
        seed: int = 0,
        num_labels: int = 0,
        task_config: Any = None,
        attention: Literal["document", "row"] = "row",
        next_sentence: bool = False,
        pair: bool = False,
        target_ids: TokenIds | None = None,
    ) -> None:
        """Builds the model.

        Args:
            config: its dimensions.
            vocabulary_size: number of tokens.
            specials: ids of the control tokens.
            seed: seed of weights and dropout.
            num_labels: classify: number of labels.
            task_config: the task's own knobs; None is their defaults.
            attention: tokens attend to the whole row or, in rows of several documents,
                to their own document. The weights are the same.
            next_sentence: masked_lm: also predict if the second sentence follows.
            pair: rows hold two texts; family bert also reads their types.
            target_ids: encoder_decoder: ids of the targets' own vocabulary.
        """
        keras.utils.set_random_seed(seed)
        self.config, self.specials = config, specials
        self.vocabulary_size, self.num_labels = vocabulary_size, num_labels
        self.task_config = task_config or self.task_config
        self.attention, self.next_sentence = attention, next_sentence
        self.pair = pair
        self.target_ids = target_ids or TokenIds(vocabulary_size, specials)
        self.constants: dict[str, keras.Variable] = {}
        self.family: Any = FAMILIES[config.family].load()
        sizes = {"vocabulary_size": vocabulary_size}
        if target_ids is not None:
            sizes["target_size"] = target_ids.size
        self.backbone = self.family.build_backbone(config, **sizes)
        self._inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in self._input_names()
        }
        self._hidden = self._encode(**self._inputs)
        self.model = self._build()

    def _input_names(self) -> tuple[str, ...]:
        """Returns the model's inputs, each int32 ``[batch, length]``."""
        has_types = self.next_sentence or (self.pair and self.config.family == "bert")
        return ("ids", "mask", *(("types",) if has_types else ()))

    def _encode(self, ids: Any, mask: Any, **types: Any) -> Any:
        if self.attention == "document":
            return self.family.with_document_mask(self.backbone)(
                {"ids": ids, "segments": mask}
            )
        return self.backbone(self.family.inputs(ids, mask, **types))

    def _build(self) -> keras.Model:
        raise NotImplementedError

    def add_constant(self, name: str, value: np.ndarray) -> keras.Variable:
        """Returns a new tensor of ``constants``, float32, with its first value."""
        variable = keras.Variable(value, trainable=False, dtype="float32", name=name)
        self.constants[name] = variable
        return variable

    def prepare(self, rows: RowReader) -> None:
        """Sets constants from the rows to train on, before the first step."""

    def tune(self, rows: RowReader, *, seed: int) -> None:
        """Sets constants of the answers from held-out rows, after the last step."""

    def features(self, rows: Rows) -> Features:
        """Turns ids ``[b, l]``, length ``[b]`` and keys ``[b]`` into model inputs."""
        raise NotImplementedError

    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        """Returns rows of texts as ``features`` reads them, with made-up targets."""
        from textmill.models.tasks.server import ServingOptions

        rows = self.serve(tokenizer, ServingOptions()).reference_rows(texts)
        return {**rows, "keys": tf.range(len(texts))}

    def _mask(self, rows: Rows, width: tf.Tensor) -> tf.Tensor:
        """Returns int32 ``[b, width]``: 0 for padding, else the segment's number."""
        if self.attention == "document" and "segments" in rows:
            return rows["segments"][:, :width]
        return tf.cast(tf.range(width)[None, :] < rows["length"][:, None], tf.int32)

    @property
    def group_size(self) -> int:
        """Rows of a batch, one after the other, that share a loss; here none do."""
        return 1

    @property
    def key_epochs(self) -> int | None:
        """Period of a row's keys in epochs, if they repeat."""
        return None

    def head_flops(self, length: int) -> int:
        """Returns the operations of the head's forward pass on a row of tokens."""
        raise NotImplementedError

    @property
    def sum_names(self) -> tuple[str, ...]:
        """The names of ``loss_sums``, in their order."""
        return ("loss", "weight", "correct")

    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Runs the model; sums loss, weight and hits of each row (float32 [b])."""
        logits = self.logits(features, training=training)
        return cross_entropy(logits, features["targets"], features["weights"])

    def loss(self, sums: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the loss to differentiate, a sum that the step divides by weight."""
        return sums["loss"]

    def means(self, sums: dict[str, float]) -> dict[str, float]:
        """Returns the values of training curves and validation, from sums over rows."""
        weight = max(sums["weight"], 1.0)
        return {"loss": sums["loss"] / weight, "accuracy": sums["correct"] / weight}

    def predictions(self, features: Features) -> dict[str, tf.Tensor]:
        """Returns the outputs of each row that metrics need; here its loss sums."""
        return self.loss_sums(features, training=False)

    def serve(self, tokenizer: Tokenizer, options: ServingOptions) -> Server:
        """Returns the graph that answers texts."""
        return self.server_class(self, tokenizer, options)

    def sample(self, rows: Rows, tokenizer: Tokenizer) -> list[str]:
        """Returns the outputs for some rows as Markdown; here none."""
        return []

    def write(
        self, tokenizer: Tokenizer, *, count: int, num_tokens: int, seed: int
    ) -> list[str]:
        """Returns generated texts; empty for models that generate none."""
        return []

    def logits(self, features: Features, *, training: bool = False) -> tf.Tensor:
        """Runs the model on its features."""
        return self._call(features, training=training)

    def _call(self, features: Features, *, training: bool) -> Any:
        inputs = {name: features[name] for name in self.model.input}
        return self.model(inputs, training=training)

    def tensors(self) -> dict[str, keras.Variable]:
        """Returns the weights by a name that is the same in every process."""
        inside = {id(variable) for variable in self.backbone.weights}
        weights = {
            ("backbone/" if id(v) in inside else "head/") + v.path: v
            for v in self.model.weights
        }
        return weights | {f"head/{name}": v for name, v in self.constants.items()}
