"""Infra validation: a fresh process loads the SavedModel and must answer the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.components.artifacts import (
    ServingModel,
    Validation,
    read_json,
    write_json,
)
from textmill.components.base import Component, Input, Output
from textmill.models.errors import IntegrityError

_HOSTILE = ("", " ", "\x00", "x" * 1_000_000, "\ufffd\u200d\u0301", "[CLS] [MASK]")
_BROKEN_UTF8 = b"\xff\xfe\x00\xc3"
_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class InfraValidatorConfig:
    """Tolerance of the comparison."""

    tolerance: float = 1e-4
    """Largest absolute difference of any number in an answer."""


def validate(
    *,
    serving: Input[ServingModel],
    validation: Output[Validation],
    config: InfraValidatorConfig,
) -> None:
    """Compares a fresh process' answers with the trainer's, and tries hostile input.

    Raises:
        IntegrityError: an answer differs, with the largest difference, or the model
            does not load or answer at all.
    """
    expected = read_json(serving.path / serving.PARITY)
    request = validation.file("request.json")
    write_json(request, expected["texts"])
    answers = _ask_fresh_process(serving.path / serving.SAVED_MODEL, request)
    largest = 0.0
    for text, expected_answer, answer in zip(
        expected["texts"], expected["answers"], answers["answers"], strict=True
    ):
        for where, difference in _differences(expected_answer, answer):
            largest = max(largest, difference)
            if not difference <= config.tolerance:
                raise IntegrityError(
                    f"{serving.path}: {where} of {text[:60]!r} differs by "
                    f"{difference:.3g} in a fresh process, {config.tolerance:g} is "
                    "allowed: the SavedModel is not the trained model"
                )
    request.unlink()
    write_json(
        validation.file(validation.FILE),
        {
            "texts": len(expected["texts"]),
            "largest_difference": largest,
            "tolerance": config.tolerance,
            "hostile_texts": answers["hostile"],
        },
    )
    validation.facts = {"serving": serving.seal}
    validation.identity = {"serving": serving.digest}


def _ask_fresh_process(saved_model: Path, request: Path) -> Any:
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "textmill.components.infra_validator",
            saved_model,
            request,
        ],
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise IntegrityError(
            f"{saved_model}: a fresh process could not answer "
            f"(exit code {done.returncode}): {last}"
        )
    return json.loads(done.stdout.rpartition(b"\n")[2])


def _differences(
    first: Any, second: Any, where: str = ""
) -> Iterator[tuple[str, float]]:
    """Yields every number's absolute difference; texts differ by 0 or infinity."""
    if isinstance(first, dict):
        for name in first.keys() | second.keys():
            yield from _differences(first.get(name), second.get(name), name)
    elif isinstance(first, list) and isinstance(second, list):
        for a, b in zip(first, second, strict=True):
            yield from _differences(a, b, where)
    elif isinstance(first, float) and isinstance(second, float):
        yield where, abs(first - second)
    else:
        yield where, 0.0 if first == second else float("inf")


def _answer(saved_model: Path, request: Path) -> None:
    from textmill.models.export.runtime import SavedModelRuntime

    served = SavedModelRuntime(saved_model)
    texts = read_json(request)
    hostile = [served.answer([text])[0] for text in (*_HOSTILE, _BROKEN_UTF8)]
    answers = {"answers": served.answer(texts), "hostile": len(hostile)}
    sys.stdout.write("\n" + json.dumps(answers))


class InfraValidator(Component, executor=validate):
    """Serving model -> validation (TFX: InfraValidator)."""


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), Path(sys.argv[2]))
