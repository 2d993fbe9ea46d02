"""Infra validation: a fresh process loads each export and must answer the same."""

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
from textmill.models.export import FORMATS
from textmill.models.optional_imports import skip_optional_imports

_BROKEN_UTF8 = b"\xff\xfe\x00\xc3"
_HOSTILE = (
    *("", " ", "\x00", "x" * 1_000_000),
    *("\ufffd\u200d\u0301", "[CLS] [MASK]", _BROKEN_UTF8),
)
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
    """Compares the answers of each format, in a fresh process, with the trainer's.

    Hostile texts must be answered, too.

    Raises:
        IntegrityError: an answer differs, with the largest difference, or a model
            does not load or answer at all.
    """
    expected = read_json(serving.path / serving.PARITY)
    request = validation.file("request.json")
    write_json(request, expected["texts"])
    differences = {}
    for name in serving.facts["formats"]:
        folder = serving.path / name
        answers = _ask_fresh_process(name, folder, request)
        given = FORMATS[name].answers.get(serving.facts["task"])
        differences[name] = _compare(folder, expected, answers, config.tolerance, given)
    request.unlink()
    write_json(
        validation.file(validation.FILE),
        {
            "texts": len(expected["texts"]),
            "largest_difference": max(differences.values()),
            "formats": {
                name: {
                    "largest_difference": difference,
                    "bytes": _num_bytes(serving.path / name),
                }
                for name, difference in differences.items()
            },
            "tolerance": config.tolerance,
            "hostile_texts": len(_HOSTILE),
        },
    )
    validation.facts = {"serving": serving.seal}
    validation.identity = {"serving": serving.digest}


def _compare(
    folder: Path,
    expected: Any,
    answers: list[Any],
    tolerance: float,
    given: tuple[str, ...] | None,
) -> float:
    """Returns the largest difference of the answers, or of their given outputs.

    Raises:
        IntegrityError: one is above the tolerance.
    """
    largest = 0.0
    for text, reference, answer in zip(
        expected["texts"], expected["answers"], answers, strict=True
    ):
        if given is not None:
            reference = {name: reference[name] for name in given}
        for output, difference in _differences(reference, answer):
            largest = max(largest, difference)
            if not difference <= tolerance:
                raise IntegrityError(
                    f"{folder}: {output} of {text[:60]!r} differs by "
                    f"{difference:.3g} in a fresh process, {tolerance:g} is "
                    "allowed: the export is not the trained model"
                )
    return largest


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ask_fresh_process(name: str, folder: Path, request: Path) -> list[Any]:
    """Returns the answers to the texts of a request, by an export in a format."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "textmill.components.infra_validator",
            name,
            folder,
            request,
        ],
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise IntegrityError(
            f"{folder}: a fresh process could not answer "
            f"(exit code {done.returncode}): {last}"
        )
    answers: list[Any] = json.loads(done.stdout.rpartition(b"\n")[2])
    return answers


def _differences(
    first: Any, second: Any, where: str = ""
) -> Iterator[tuple[str, float]]:
    """Yields every number's absolute difference; texts differ by 0 or infinity."""
    if isinstance(first, dict):
        for name in first.keys() | second.keys():
            yield from _differences(first.get(name), second.get(name), name)
    elif isinstance(first, list) and isinstance(second, list):
        if len(first) != len(second):
            yield where, float("inf")
        for a, b in zip(first, second, strict=False):
            yield from _differences(a, b, where)
    elif isinstance(first, float) and isinstance(second, float):
        yield where, abs(first - second)
    else:
        yield where, 0.0 if first == second else float("inf")


def _answer(name: str, folder: Path, request: Path) -> None:
    skip_optional_imports()
    runtime = FORMATS[name].load().load(folder)
    for text in _HOSTILE:
        runtime.answer([(text,) * runtime.num_texts])
    sys.stdout.write("\n" + json.dumps(runtime.answer(read_json(request))))


class InfraValidator(Component, executor=validate):
    """Serving model -> validation (TFX: InfraValidator)."""


if __name__ == "__main__":
    _answer(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
