"""Names of other libraries for keys and values of a config, for the hints of errors.

A key on the left is a name alone, or ``section.name`` where the name means something
else in other sections. Paths are those of the file, with NAME for a name of the user's.
"""

from __future__ import annotations

_INIT = "stages.NAME.init: {huggingface: DIR}"
_TRAIN = "stages.NAME.train"

KEYS = {
    "lr": f"{_TRAIN}.learning_rate",
    "peak_lr": f"{_TRAIN}.learning_rate",
    "min_lr": f"{_TRAIN}.final_learning_rate",
    "lr_scheduler": f"{_TRAIN}.schedule",
    "lr_scheduler_type": f"{_TRAIN}.schedule",
    "scheduler": f"{_TRAIN}.schedule",
    "warmup_ratio": f"{_TRAIN}.warmup",
    "warmup_steps": f"{_TRAIN}.warmup",
    "num_warmup_steps": f"{_TRAIN}.warmup",
    "batch": f"{_TRAIN}.global_batch",
    "batch_size": f"{_TRAIN}.global_batch",
    "train_batch_size": f"{_TRAIN}.global_batch",
    "per_device_train_batch_size": f"{_TRAIN}.global_batch",
    "grad_accum": f"{_TRAIN}.accumulate",
    "gradient_accumulation_steps": f"{_TRAIN}.accumulate",
    "num_epochs": f"{_TRAIN}.epochs",
    "num_train_epochs": f"{_TRAIN}.epochs",
    "max_epochs": f"{_TRAIN}.epochs",
    "max_steps": f"{_TRAIN}.steps",
    "num_steps": f"{_TRAIN}.steps",
    "iterations": f"{_TRAIN}.steps",
    "early_stopping": f"{_TRAIN}.patience",
    "early_stopping_patience": f"{_TRAIN}.patience",
    "eval_steps": f"{_TRAIN}.eval_every",
    "save_steps": f"{_TRAIN}.checkpoint_every",
    "logging_steps": f"{_TRAIN}.log_every",
    "max_grad_norm": f"{_TRAIN}.clip_norm",
    "grad_clip": f"{_TRAIN}.clip_norm",
    "gradient_clip_val": f"{_TRAIN}.clip_norm",
    "adam_beta1": f"{_TRAIN}.beta_1",
    "adam_beta2": f"{_TRAIN}.beta_2",
    "adam_epsilon": f"{_TRAIN}.epsilon",
    "mlm_probability": f"{_TRAIN}.mask_rate",
    "fp16": f"{_TRAIN}.precision: mixed_float16",
    "bf16": f"{_TRAIN}.precision: mixed_bfloat16",
    "amp": f"{_TRAIN}.precision: mixed_bfloat16",
    "mixed_precision": f"{_TRAIN}.precision",
    "dtype": f"{_TRAIN}.precision",
    "jit_compile": f"{_TRAIN}.xla",
    "gradient_checkpointing": "model.activation_checkpointing",
    "recompute": "model.activation_checkpointing",
    "hidden_size": "model.width",
    "d_model": "model.width",
    "dim": "model.width",
    "n_embd": "model.width",
    "embedding_dim": "model.width",
    "num_layers": "model.layers",
    "n_layer": "model.layers",
    "n_layers": "model.layers",
    "num_hidden_layers": "model.layers",
    "num_heads": "model.heads",
    "n_head": "model.heads",
    "n_heads": "model.heads",
    "num_attention_heads": "model.heads",
    "intermediate_size": "model.feed_forward",
    "max_len": "model.sequence_length",
    "max_length": "model.sequence_length",
    "max_seq_length": "model.sequence_length",
    "max_seq_len": "model.sequence_length",
    "seq_len": "model.sequence_length",
    "block_size": "model.sequence_length",
    "architecture": "model.family",
    "model_type": "model.family",
    "model_name": _INIT,
    "model_name_or_path": _INIT,
    "model.name": _INIT,
    "pretrained": _INIT,
    "checkpoint": _INIT,
    "vocab_size": "vocabulary.size",
    "vocab_file": "vocabulary.file",
    "tokenizer": "vocabulary",
    "do_lower_case": "vocabulary.lowercase",
    "random_state": "seed",
    "random_seed": "seed",
    "data": "datasets.NAME.source",
    "path": "datasets.NAME.source",
    "text_column": "datasets.NAME.source.text",
    "pair": "datasets.NAME.source.text: [A, B]",
    "text_pair": "datasets.NAME.source.text: [A, B]",
    "label_column": "datasets.NAME.source.label",
    "target": "datasets.NAME.source.label",
    "test_size": "datasets.NAME.split.test",
    "validation": "datasets.NAME.split.eval",
    "val": "datasets.NAME.split.eval",
    "valid": "datasets.NAME.split.eval",
    "metrics": "stages.NAME.evaluate.thresholds",
    "device": "run.strategy (auto uses every GPU that TensorFlow sees)",
    "gpu": "run.strategy (auto uses every GPU that TensorFlow sees)",
    "gpus": "run.strategy (auto uses every GPU that TensorFlow sees)",
    "num_workers": "run.workers",
    "n_jobs": "run.workers",
}

VALUES = {
    "roberta": "bert",
    "distilbert": "bert",
    "albert": "bert",
    "electra": "bert",
    "deberta": "bert",
    "gpt2": "gpt",
    "llama": "gpt",
    "mistral": "gpt",
    "transformer": "bert",
    "rnn": "lstm",
    "gru": "lstm",
    "acc": "accuracy",
    "f1": "macro_f1",
    "f1_macro": "macro_f1",
    "f1_score": "macro_f1",
    "precision": "macro_precision",
    "recall": "macro_recall",
    "ppl": "perplexity",
    "bpb": "bits_per_byte",
    "mlm": "masked_lm",
    "clm": "causal_lm",
    "lm": "causal_lm",
    "classification": "classify",
    "text-classification": "classify",
    "text_classification": "classify",
    "fp16": "mixed_float16",
    "bf16": "mixed_bfloat16",
    "fp32": "float32",
    "float16": "mixed_float16",
    "bfloat16": "mixed_bfloat16",
    "adam": "adamw",
    "unigram": "sentencepiece",
    "byte_bpe": "bpe",
    "char": "character",
}


def key_hint(path: str, known: list[str]) -> str:
    """Returns the hint for the key of another library, or nothing.

    Args:
        path: the dotted path of the unknown key.
        known: the keys of its section.
    """
    parent, _, name = path.lower().rpartition(".")
    section = parent.rpartition(".")[2]
    target = KEYS.get(f"{section}.{name}", KEYS.get(name))
    if target is None:
        return ""
    owner, _, leaf = target.partition(":")[0].rpartition(".")
    if leaf in known and owner.rpartition(".")[2] in (section, "NAME", ""):
        target = target.removeprefix(f"{owner}.") if owner else target
        return f"; did you mean {target!r}?"
    return f"; did you mean {target}?"


def value_hint(value: object, choices: list[str]) -> str:
    """Returns the hint for the value of another library, or nothing."""
    synonym = VALUES.get(value.lower()) if isinstance(value, str) else None
    return f"; did you mean {synonym!r}?" if synonym in choices else ""
