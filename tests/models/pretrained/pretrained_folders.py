"""Hand-made Hugging Face folders, and what they compute, by NumPy alone."""

import json

import numpy as np
from safetensors.numpy import save_file
from scipy.special import erf

from textmill.models.config import ModelConfig
from textmill.models.tokenizers import SPECIAL_TOKENS, byte_alphabet

BERT_CONFIG = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "vocab_size": 15,
}
BERT_SHAPE = ModelConfig(
    layers=2,
    width=16,
    heads=4,
    feed_forward=24,
    sequence_length=10,
    activation="gelu_exact",
)
GPT_CONFIG = {
    "model_type": "gpt2",
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 12,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "vocab_size": 257,
}


def bert_tensors(*, head):
    """Returns random tensors of BERT, with its masked-LM head or bare."""
    width, inner, entries = 16, 24, BERT_CONFIG["vocab_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (entries, width),
        "embeddings.position_embeddings.weight": (12, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        **_pair("embeddings.LayerNorm", width),
        **_pair("pooler.dense", width, width),
    }
    for i in range(2):
        block = f"encoder.layer.{i}"
        for name in ("query", "key", "value"):
            shapes |= _pair(f"{block}.attention.self.{name}", width, width)
        shapes |= _pair(f"{block}.attention.output.dense", width, width)
        shapes |= _pair(f"{block}.attention.output.LayerNorm", width)
        shapes |= _pair(f"{block}.intermediate.dense", inner, width)
        shapes |= _pair(f"{block}.output.dense", width, inner)
        shapes |= _pair(f"{block}.output.LayerNorm", width)
    if head:
        shapes = {f"bert.{name}": shape for name, shape in shapes.items()}
        shapes |= _pair("cls.predictions.transform.dense", width, width)
        shapes |= _pair("cls.predictions.transform.LayerNorm", width)
        shapes["cls.predictions.bias"] = (entries,)
    return _random(shapes)


def gpt_tensors():
    """Returns random tensors of GPT-2."""
    shapes = {"wte.weight": (257, 16), "wpe.weight": (12, 16), **_pair("ln_f", 16)}
    for i in range(2):
        shapes |= _pair(f"h.{i}.ln_1", 16) | _pair(f"h.{i}.ln_2", 16)
        shapes |= {f"h.{i}.attn.c_attn.weight": (16, 48)}
        shapes |= {f"h.{i}.attn.c_attn.bias": (48,)}
        shapes |= {f"h.{i}.attn.c_proj.weight": (16, 16)}
        shapes |= {f"h.{i}.attn.c_proj.bias": (16,)}
        shapes |= {f"h.{i}.mlp.c_fc.weight": (16, 64), f"h.{i}.mlp.c_fc.bias": (64,)}
        shapes |= {f"h.{i}.mlp.c_proj.weight": (64, 16)}
        shapes |= {f"h.{i}.mlp.c_proj.bias": (16,)}
    return _random({f"transformer.{name}": shape for name, shape in shapes.items()})


def _pair(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _random(shapes):
    generator = np.random.default_rng(5)
    return {
        name: generator.normal(0, 0.5, shape).astype("float32")
        for name, shape in shapes.items()
    }


def write_bert(folder, tensors, **config):
    """Writes a BERT folder; ``config`` replaces values of ``config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(BERT_CONFIG | config))
    entries = [*SPECIAL_TOKENS, *"abcdefghij"]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    save_file(tensors, folder / "model.safetensors")
    return folder


def write_gpt(folder, tensors, **config):
    """Writes a GPT-2 folder, whose entries are the bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(GPT_CONFIG | config))
    entries = [*byte_alphabet(), "<|endoftext|>"]
    (folder / "vocab.json").write_text(
        json.dumps({e: i for i, e in enumerate(entries)})
    )
    (folder / "merges.txt").write_text("#version: 0.2\n")
    save_file(tensors, folder / "model.safetensors")
    return folder


class Reference:
    """The published formulas over a folder's own tensors, float64."""

    def __init__(self, tensors, *, heads, epsilon):
        self._heads, self._epsilon = heads, epsilon
        self._tensors = {
            name.removeprefix("bert.").removeprefix("transformer."): value.astype(float)
            for name, value in tensors.items()
        }

    def bert(self, ids, *, layers):
        """Returns hidden states ``[l, width]`` of one text, and the pooled one."""
        get = self._tensors.__getitem__
        x = get("embeddings.word_embeddings.weight")[ids]
        x = x + get("embeddings.position_embeddings.weight")[: len(ids)]
        x = x + get("embeddings.token_type_embeddings.weight")[0]
        x = self._norm(x, "embeddings.LayerNorm")
        for i in range(layers):
            block = f"encoder.layer.{i}"
            query, key, value = (
                self._dense(x, f"{block}.attention.self.{name}")
                for name in ("query", "key", "value")
            )
            y = self._attend(query, key, value, causal=False)
            y = self._dense(y, f"{block}.attention.output.dense")
            x = self._norm(x + y, f"{block}.attention.output.LayerNorm")
            y = _gelu(self._dense(x, f"{block}.intermediate.dense"))
            y = self._dense(y, f"{block}.output.dense")
            x = self._norm(x + y, f"{block}.output.LayerNorm")
        return x, np.tanh(self._dense(x[0], "pooler.dense"))

    def masked_logits(self, hidden):
        """Returns the logits of BERT's masked-LM head."""
        x = _gelu(self._dense(hidden, "cls.predictions.transform.dense"))
        x = self._norm(x, "cls.predictions.transform.LayerNorm")
        embedding = self._tensors["embeddings.word_embeddings.weight"]
        return x @ embedding.T + self._tensors["cls.predictions.bias"]

    def gpt(self, ids, *, layers):
        """Returns the logits ``[l, entries]`` of one text."""
        get = self._tensors.__getitem__
        x = get("wte.weight")[ids] + get("wpe.weight")[: len(ids)]
        for i in range(layers):
            y = self._linear(self._norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn")
            y = self._attend(*np.split(y, 3, axis=-1), causal=True)
            x = x + self._linear(y, f"h.{i}.attn.c_proj")
            y = self._linear(self._norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
            inner = np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3))
            x = x + self._linear(0.5 * y * (1 + inner), f"h.{i}.mlp.c_proj")
        return self._norm(x, "ln_f") @ get("wte.weight").T

    def _dense(self, x, name):
        return x @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"]

    def _linear(self, x, name):
        return x @ self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]

    def _norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + self._epsilon)
        return x * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]

    def _attend(self, query, key, value, *, causal):
        length, width = query.shape

        def split(x):
            return x.reshape(length, self._heads, -1).transpose(1, 0, 2)

        scores = split(query) @ split(key).transpose(0, 2, 1)
        scores = scores / np.sqrt(width / self._heads)
        if causal:
            scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        return (shares @ split(value)).transpose(1, 0, 2).reshape(length, width)


def _gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))
