"""Files of a calibrated classifier: the tensors and facts of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

FAMILY = "calibrated"
ENCODER, LINEAR = "encoder/", "linear/"
"""Prefixes of the tensors of the parts."""


def join_tensors(parts: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Returns the tensors of several files, each below its prefix."""
    return {
        prefix + name: tensor
        for prefix, path in parts.items()
        for name, tensor in load_file(path).items()
    }


def tensors_of(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Returns the tensors of one part, by the names that they have in its own file."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def part_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the facts of a part that rebuild it."""
    left_out = ("labels", "vocabulary", "task")
    return {name: value for name, value in facts.items() if name not in left_out}
