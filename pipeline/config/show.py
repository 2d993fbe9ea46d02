"""Parts of a config as YAML: the keys in use, or those that differ from defaults.

Both parts load as a config with the same results as the whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from textmill.components.tokenizer import default_packing
from textmill.models.families import FAMILIES
from textmill.models.tasks import TASKS
from textmill.pipeline.config.schema import PipelineConfig, dump_config

Part = Literal["used", "changed"]


def render_part(config: PipelineConfig, part: Part) -> str:
    """Returns a part of a config as YAML.

    Args:
        config: the config.
        part: the keys that have a value and an effect, or those that differ from their
            defaults.
    """
    return dump_config(_section(config, (), part))


def _section(config: Any, owners: tuple[Any, ...], part: Part) -> dict[str, Any]:
    """Returns the values of a config class that belong to a part.

    Args:
        config: an instance of a config class.
        owners: the configs that it is in, the outermost first.
        part: the keys to return.
    """
    return {
        name: _plain(value, (*owners, config), part)
        for name, value in _fields(config, owners, part)
    }


def _fields(
    config: Any, owners: tuple[Any, ...], part: Part
) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if part == "changed":
            is_shown = value != _default(field)
        else:
            is_shown = value not in (None, (), {}) and _has_effect(
                field.name, config, *owners[-1:]
            )
        if is_shown:
            yield field.name, value


def _has_effect(name: str, config: Any, *owner: Any) -> bool:
    is_read = _READ_WHEN.get(f"{type(config).__name__}.{name}")
    return is_read is None or is_read(*owner, config)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any, owners: tuple[Any, ...], part: Part) -> Any:
    if dataclasses.is_dataclass(value):
        return _section(value, owners, part)
    if isinstance(value, Mapping):
        return {key: _plain(child, owners, part) for key, child in value.items()}
    return value


def _is_default(section: Any) -> bool:
    return bool(section == type(section)())


def _packs(*packings: str) -> Callable[[Any, Any], bool]:
    """Returns the condition that a stage's rows are packed in one of some ways."""

    def is_read(stage: Any, tokenize: Any) -> bool:
        row = TASKS[stage.task]
        packing = tokenize.packing or default_packing(row.packings, row.texts[0])
        return packing in packings

    return is_read


def _writes_text(stage: Any, part: Any) -> bool:
    return TASKS[stage.task].writes_text


def _of_family(*families: str) -> Callable[[Any, Any], bool]:
    return lambda file, model: model.family in families


def _has_blocks(file: Any, model: Any) -> bool:
    return FAMILIES[model.family].norm is not None


_MOMENTS = ("adamw", "lamb", "lion", "muon")
_READ_WHEN: Mapping[str, Callable[..., bool]] = {
    "CleanConfig.near": lambda dataset, clean: clean.dedup == "near",
    "CleanConfig.personal": lambda dataset, clean: clean.privacy != "none",
    "CleanConfig.quality": lambda dataset, clean: not _is_default(clean.quality),
    "DatasetConfig.mix": lambda file, dataset: bool(dataset.sources),
    "SourceConfig.document": lambda dataset, source: source.txt is not None,
    "TokenizeConfig.attention": _packs("concat", "best_fit"),
    "TokenizeConfig.short_seq_prob": _packs("sentence_pair"),
    "TokenizeConfig.dupe_factor": _packs("sentence_pair"),
    "TokenizeConfig.stride": _packs("strides"),
    "TokenizeConfig.words": lambda stage, tokenize: TASKS[stage.task].marks_words,
    "EvaluateConfig.samples": _writes_text,
    "EvaluateConfig.sample_tokens": lambda stage, evaluate: evaluate.samples > 0,
    "EvaluateConfig.report_texts": lambda stage, evaluate: (
        TASKS[stage.task].target != "none"
    ),
    "StageConfig.generate": lambda file, stage: TASKS[stage.task].generates,
    "StageConfig.validate": lambda file, stage: stage.export is not None,
    "TrainingConfig.cooldown": lambda stage, train: train.schedule == "wsd",
    "TrainingConfig.average_decay": lambda stage, train: train.average == "ema",
    "TrainingConfig.average_from": lambda stage, train: train.average == "swa",
    "TrainingConfig.max_rollbacks": lambda stage, train: train.on_nan == "rollback",
    "TrainingConfig.bucket_width": lambda stage, train: train.length_buckets,
    "TrainingConfig.batch_ramp": lambda stage, train: train.initial_batch is not None,
    "TrainingConfig.momentum": lambda stage, train: train.optimizer in ("sgd", "muon"),
    "TrainingConfig.beta_1": lambda stage, train: train.optimizer in _MOMENTS,
    "TrainingConfig.beta_2": lambda stage, train: train.optimizer in _MOMENTS,
    "ModelConfig.pooling": _of_family("bert"),
    "ModelConfig.target_length": _of_family("encoder_decoder"),
    "ModelConfig.heads": _has_blocks,
    "ModelConfig.recipe": _has_blocks,
    "ModelConfig.activation_checkpointing": _has_blocks,
    "VocabularyConfig.size": lambda file, vocabulary: vocabulary.file is None,
    "RunConfig.kubeflow": lambda file, run: not _is_default(run.kubeflow),
    "RunConfig.vertex": lambda file, run: not _is_default(run.vertex),
    "RunConfig.image": lambda file, run: bool(run.nodes or run.parameters),
}
"""Conditions, on a section and the one around it, under which a key has an effect;
other keys always have one."""
