"""Compares the answers of an export with those of the trained model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textmill.models.errors import IntegrityError


def compare(
    folder: Path,
    expected: dict[str, Any],
    answers: list[Any],
    *,
    tolerance: float,
    given: tuple[str, ...] | None,
) -> float:
    """Returns the largest difference of the answers.

    Args:
        folder: the export that gave the answers.
        expected: the ``texts``, and the trained model's ``answers`` to them.
        answers: those of the export, in the same order.
        tolerance: the largest difference of a number that is allowed.
        given: the outputs that the export has; None if it has all.

    Raises:
        IntegrityError: one is above the tolerance.
    """
    largest, first, disagreeing = 0.0, "", 0
    for text, reference, answer in zip(
        expected["texts"], expected["answers"], answers, strict=True
    ):
        if given is not None:
            reference = {name: reference[name] for name in given}
        agrees = True
        for output, difference in _differences(reference, answer):
            largest = max(largest, difference)
            if difference <= tolerance:
                continue
            agrees = False
            first = first or f"{output} of {text[:60]!r} differs by {difference:.3g}"
        disagreeing += not agrees
    if disagreeing:
        raise IntegrityError(
            f"{folder}: {first} in a fresh process, {tolerance:g} is allowed; so do "
            f"answers to {disagreeing} of {len(answers)} texts, by {largest:.3g} at "
            "most: the export is not the trained model"
        )
    return largest


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
