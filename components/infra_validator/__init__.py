"""Infra validation: a fresh process runs each export, and must answer the same.

Reading order: ``fresh_process`` starts ``answering``, which runs an export in its own
runtime, and limits its time and memory; ``comparison`` holds its answers against the
trainer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.components.artifacts import (
    ServingModel,
    Validation,
    read_json,
    write_json,
)
from textmill.components.base import Component, Input, Output
from textmill.models.checks import Bounds, check_bounds
from textmill.models.export import FORMATS


@dataclass(frozen=True, kw_only=True)
class InfraValidatorConfig:
    """A stage's ``validate`` section: the tolerance, and limits of each process."""

    tolerance: Annotated[float, Bounds(at_least=0, at_most=1)] = 1e-4
    """Largest absolute difference of any number in an answer from the trainer's."""
    max_seconds: Annotated[int, Bounds(at_least=1, at_most=86_400)] = 600
    """Seconds that a format may take to load and to answer all texts."""
    max_memory: Annotated[float, Bounds(above=0, at_most=4096)] = 8.0
    """GiB of memory that the process of a format may use."""

    def __post_init__(self) -> None:
        check_bounds(self)


def validate(
    *,
    serving: Input[ServingModel],
    validation: Output[Validation],
    config: InfraValidatorConfig,
) -> None:
    """Compares the answers of each format, in a fresh process, with the trainer's.

    Hostile texts must be answered, too. Sizes, memory and times are left out of the
    digest.

    Raises:
        IntegrityError: an answer differs, with the largest difference, or a model
            does not load or answer at all.
        MachineError: a process needs more time or memory than it may use.
    """
    from textmill.components.infra_validator.answering import HOSTILE
    from textmill.components.infra_validator.comparison import compare
    from textmill.components.infra_validator.fresh_process import (
        ask_fresh_process,
        latency,
        num_bytes,
    )

    expected = read_json(serving.path / serving.PARITY)
    request = validation.file("request.json")
    write_json(request, expected["texts"])
    table = {}
    for name in serving.facts["formats"]:
        folder = serving.path / name
        run = ask_fresh_process(
            name,
            folder,
            request,
            max_seconds=config.max_seconds,
            max_memory=int(config.max_memory * 2**30),
        )
        given = FORMATS[name].answers.get(serving.facts["task"])
        difference = compare(
            folder, expected, run.answers, tolerance=config.tolerance, given=given
        )
        table[name] = {
            "largest_difference": difference,
            "bytes": num_bytes(folder),
            "memory_bytes": run.memory,
            "latency_ms": latency(run.milliseconds),
        }
    request.unlink()
    write_json(
        validation.file(validation.FILE),
        {
            "texts": len(expected["texts"]),
            "largest_difference": max(
                row["largest_difference"] for row in table.values()
            ),
            "formats": table,
            "tolerance": config.tolerance,
            "hostile_texts": len(HOSTILE),
        },
    )
    validation.facts = {"serving": serving.seal}
    validation.identity = {"serving": serving.digest}


class InfraValidator(Component, executor=validate):
    """Serving model -> validation (TFX: InfraValidator)."""
