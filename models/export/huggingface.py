"""Hugging Face: a folder that ``transformers`` loads, without code of Textmill.

``config.json``, ``model.safetensors`` and the tokenizer's files; a model of task embed
is also a folder of ``sentence-transformers``. ``huggingface_rules`` has the models that
fit. The folder's own runtime answers it here: the packages ``transformers`` and
``torch``, and for vectors ``sentence-transformers``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file
from typing_extensions import override

from textmill.models.errors import MachineError
from textmill.models.export.format import Format, Runtime, Texts
from textmill.models.export.huggingface_rules import ARCHITECTURES
from textmill.models.export.huggingface_tensors import (
    huggingface_tensors,
    linear_tensors,
)
from textmill.models.texts import text_columns
from textmill.models.tokenizers import export_tokenizer

if TYPE_CHECKING:
    from textmill.models.servable import Servable
    from textmill.models.tasks.server import ServingOptions
    from textmill.models.tasks.task import Task
    from textmill.models.tokenizers import Tokenizer

_FILE = "config.json"
_KEY = "textmill"
"""Key of ``config.json`` with the facts that transformers has no name for."""
_ACTIVATIONS = {"gelu": "gelu_new", "gelu_exact": "gelu"}
_MODULES = ("Transformer", "Pooling", "Normalize")


class HuggingFace(Format):
    """BERT with the heads of its tasks, and GPT-2."""

    @override
    def write(
        self,
        model: Servable,
        tokenizer: Tokenizer,
        folder: Path,
        options: ServingOptions,
    ) -> None:
        task, scale = _encoder_of(model)
        name = _task_name(task)
        export_tokenizer(
            tokenizer, folder, "huggingface", is_prompt=name == "causal_lm"
        )
        limits = {"model_max_length": task.config.sequence_length}
        _edit(folder / "tokenizer_config.json", limits)
        tensors = {k: np.asarray(v, np.float32) for k, v in task.tensors().items()}
        named = _named(name, tensors, task, scale)
        save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
        _write(folder / _FILE, _config(name, task, tokenizer, options))
        if name == "causal_lm":
            _write(folder / "generation_config.json", _generation(tokenizer, options))
        if name == "embed":
            _write_sentence_transformers(task, folder)

    @override
    def load(self, folder: Path) -> Runtime:
        return HuggingFaceRuntime(folder)


def _encoder_of(model: Servable) -> tuple[Task, float]:
    """Returns the model without its calibration, and the factor of its outputs."""
    from textmill.models.calibrated.joint import JointModel
    from textmill.models.tasks.task import Task

    encoder, scale = model, 1.0
    if isinstance(model, JointModel) and model.linear is None:
        encoder, scale = model.encoder, float(model.calibration.encoder)
    assert isinstance(encoder, Task), "huggingface_rules refuses other models"
    return encoder, scale


def _task_name(model: Task) -> str:
    from textmill.models.tasks import TASKS

    [name] = [name for name in ARCHITECTURES if TASKS[name].load() is type(model)]
    return name


def _named(
    name: str, tensors: dict[str, np.ndarray], model: Task, scale: float
) -> dict[str, np.ndarray]:
    """Returns all tensors by the names of the task's architecture."""
    backbone = huggingface_tensors(tensors, model.config)
    heads = {k: v for k, v in backbone.items() if k.startswith("cls.")}
    body = {k: v for k, v in backbone.items() if k not in heads}
    if name == "embed":
        return body
    if name == "masked_lm":
        body = {k: v for k, v in body.items() if not k.startswith("pooler.")}
        heads.pop("cls.seq_relationship.weight", None)
        heads.pop("cls.seq_relationship.bias", None)
    elif name != "causal_lm":
        heads = linear_tensors(tensors, "head/logits", "classifier")
    if name == "regress":
        # In the unit of the targets.
        mean, deviation = tensors["head/scale"]
        heads = {k: v * deviation for k, v in heads.items()}
        heads["classifier.bias"] = heads["classifier.bias"] + mean
    if name in ("classify", "regress"):
        heads = {k: np.float32(scale) * v for k, v in heads.items()}
    prefix = "transformer" if name == "causal_lm" else "bert"
    return {f"{prefix}.{k}": v for k, v in body.items()} | heads


def _config(
    name: str, model: Task, tokenizer: Tokenizer, options: ServingOptions
) -> dict[str, Any]:
    shape, ids = model.config, tokenizer.specials
    facts = {"task": name, "num_texts": 2 if model.pair else 1}
    common: dict[str, Any] = {
        "architectures": [ARCHITECTURES[name]],
        "dtype": "float32",
        "vocab_size": tokenizer.size,
        "pad_token_id": ids.pad,
        _KEY: facts,
    }
    activation = _ACTIVATIONS[shape.blocks.activation]
    if name == "causal_lm":
        return common | {
            "model_type": "gpt2",
            "n_layer": shape.layers,
            "n_embd": shape.width,
            "n_head": shape.heads,
            "n_inner": shape.feed_forward_size,
            "n_positions": shape.sequence_length,
            "activation_function": activation,
            "layer_norm_epsilon": 1e-5,
            "bos_token_id": ids.end,
            "eos_token_id": ids.end,
            "tie_word_embeddings": True,
        }
    config = common | {
        "model_type": "bert",
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward_size,
        "max_position_embeddings": shape.sequence_length,
        "type_vocab_size": 2,
        "hidden_act": activation,
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": shape.dropout,
        "attention_probs_dropout_prob": shape.dropout,
    }
    if name == "regress":
        config |= {"problem_type": "regression", "num_labels": 1}
    if name == "classify":
        config |= {
            "problem_type": "single_label_classification",
            "id2label": dict(enumerate(options.labels)),
            "label2id": {label: n for n, label in enumerate(options.labels)},
        }
    return config


def _generation(tokenizer: Tokenizer, options: ServingOptions) -> dict[str, Any]:
    """Returns the stage's way to write; control tokens are never written."""
    ids, knobs = tokenizer.specials, options.generate
    generation: dict[str, Any] = {
        "bos_token_id": ids.end,
        "eos_token_id": ids.end,
        "pad_token_id": ids.pad,
        "max_new_tokens": knobs.max_tokens,
        "num_beams": knobs.beams,
        "do_sample": knobs.temperature > 0,
        "repetition_penalty": knobs.repetition_penalty,
    }
    if knobs.temperature > 0:
        generation |= {
            "temperature": knobs.temperature,
            "top_k": knobs.top_k,
            "top_p": knobs.top_p,
        }
    if never := [number for number in ids.control if number != ids.end]:
        generation["suppress_tokens"] = never
    return generation


def _write_sentence_transformers(model: Task, folder: Path) -> None:
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": path,
            "type": f"sentence_transformers.models.{kind}",
        }
        for number, (path, kind) in enumerate(zip(paths, _MODULES, strict=True))
    ]
    _write(folder / "modules.json", modules)
    length = {"max_seq_length": model.config.sequence_length, "do_lower_case": False}
    _write(folder / "sentence_bert_config.json", length)
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    is_first = model.config.pooling == "first"
    pooling = {
        "word_embedding_dimension": model.config.width,
        "pooling_mode_cls_token": is_first,
        "pooling_mode_mean_tokens": not is_first,
    }
    _write(folder / "1_Pooling" / _FILE, pooling)


def _write(file: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")


def _edit(file: Path, more: dict[str, Any]) -> None:
    _write(file, json.loads(file.read_text(encoding="utf-8")) | more)


class HuggingFaceRuntime(Runtime):
    """The folder in ``transformers``, on the CPU.

    A language model answers the loss of a text, without its continuation.

    Raises:
        MachineError: the packages are not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MachineError(
                f"{folder}: expected the package {error.name}, which runs a Hugging "
                "Face folder, found none; pip install 'textmill[huggingface]'"
            ) from None
        self._torch = torch
        config = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        self.task: str = config[_KEY]["task"]
        self.num_texts = config[_KEY]["num_texts"]
        names = config.get("id2label", {})
        self.labels = [names[str(number)] for number in range(len(names))]
        if self.task == "embed":
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(folder), device="cpu")
            return
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        [architecture] = config["architectures"]
        kind = getattr(transformers, architecture)
        self._model = kind.from_pretrained(folder).eval()
        self._length = self._tokenizer.model_max_length

    @override
    def answer(self, texts: Sequence[Texts]) -> list[dict[str, Any]]:
        columns = [
            [t if isinstance(t, str) else t.decode(errors="replace") for t in column]
            for column in text_columns(texts, self.num_texts)
        ]
        if not texts:
            return []
        with self._torch.inference_mode():
            return getattr(self, f"_{self.task}")(columns)

    def _encoded(self, columns: list[list[str]]) -> Any:
        return self._tokenizer(
            *columns,
            truncation=True,
            max_length=self._length,
            padding=True,
            return_tensors="pt",
        )

    def _classify(self, columns: list[list[str]]) -> list[dict[str, Any]]:
        logits = self._model(**self._encoded(columns)).logits
        rows = logits.softmax(-1).tolist()
        return [
            {"label": self.labels[int(np.argmax(row))], "probabilities": row}
            for row in rows
        ]

    def _regress(self, columns: list[list[str]]) -> list[dict[str, Any]]:
        logits = self._model(**self._encoded(columns)).logits
        return [{"number": number} for number in logits[:, 0].tolist()]

    def _masked_lm(self, columns: list[list[str]]) -> list[dict[str, Any]]:
        encoded = self._encoded(columns)
        hidden = self._model.bert(**encoded).last_hidden_state
        mask = encoded["attention_mask"][:, :, None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return [{"embedding": vector} for vector in mean.tolist()]

    def _embed(self, columns: list[list[str]]) -> list[dict[str, Any]]:
        vectors = self._model.encode(columns[0])
        return [{"vector": vector} for vector in vectors.tolist()]

    def _causal_lm(self, columns: list[list[str]]) -> list[dict[str, Any]]:
        losses = []
        start = [self._model.config.bos_token_id]
        for text in columns[0]:
            tokens = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            row = self._torch.tensor([start + tokens[-self._length :]])
            if row.shape[1] == 1:
                losses.append({"loss": 0.0})
                continue
            logits = self._model(row[:, :-1]).logits[0].log_softmax(-1)
            own = logits.gather(1, row[0, 1:, None])
            losses.append({"loss": -own.mean().item()})
        return losses
