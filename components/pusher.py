"""Push: a blessed model gets the next version at its destination, in one rename."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.components.artifacts import (
    Evaluation,
    PushedModel,
    ServingModel,
    Validation,
    write_json,
)
from textmill.components.base import Component, Input, Output
from textmill.models.errors import IntegrityError
from textmill.models.paths import FilePath

_CARD = ("model", "documents", "task", "split", "metrics", "thresholds", "blessed")


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """Destination of a stage's model."""

    to: FilePath | None = None
    """A folder that receives every pushed version, in addition to the root."""


@dataclass(frozen=True, kw_only=True)
class PusherConfig:
    """The folders that receive versions."""

    destinations: tuple[str, ...]
    """Folders; the first numbers the versions."""


def push(
    *,
    serving: Input[ServingModel],
    evaluation: Input[Evaluation],
    validation: Input[Validation],
    pushed: Output[PushedModel],
    config: PusherConfig,
) -> None:
    """Pushes unless the evaluation does not bless the model; records the decision.

    Raises:
        IntegrityError: evaluation or validation are of another model.
    """
    _check_lineage(serving, evaluation, validation)
    record: dict[str, Any] = {"pushed": False, "reason": "not blessed"}
    if evaluation.blessed is not False:
        card = {**evaluation.read(), **evaluation.facts}
        card = {name: card[name] for name in _CARD} | {"serving": serving.digest}
        folders = [Path(path) for path in config.destinations]
        version = _push_all(serving, card, folders)
        record = {
            "pushed": True,
            "version": version,
            "destination": os.path.relpath(
                Path(config.destinations[0]) / str(version), pushed.path
            ),
            "reason": "blessed" if evaluation.blessed else "no thresholds are set",
        }
    write_json(pushed.file(pushed.FILE), record)
    pushed.facts = record
    pushed.identity = {"serving": serving.digest, "version": record.get("version")}


def _check_lineage(
    serving: ServingModel, evaluation: Evaluation, validation: Validation
) -> None:
    for name, checked, pushed in (
        ("evaluation", evaluation.facts["model"], serving.facts["model"]),
        ("validation", validation.facts["serving"], serving.digest),
    ):
        if checked != pushed:
            raise IntegrityError(
                f"push: the {name} is of {checked[:12]}, the model to push is "
                f"{pushed[:12]}; run the pipeline again"
            )


def _push_all(
    serving: ServingModel, card: dict[str, Any], destinations: list[Path]
) -> int:
    """Copies the SavedModel to the next version everywhere, and returns it."""
    with ExitStack() as locks:
        for folder in sorted(destinations):
            folder.mkdir(parents=True, exist_ok=True)
            locks.enter_context(_locked(folder))
        version = 1 + max(v for folder in destinations for v in (0, *_versions(folder)))
        for folder in destinations:
            _copy(serving.path / serving.SAVED_MODEL, card, folder, version)
    return version


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _versions(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def _copy(model: Path, card: dict[str, Any], folder: Path, version: int) -> None:
    """Copies under a hidden name, syncs, and renames: readers never see a part."""
    staging = folder / f".staging-{version}"
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(model, staging)
    (staging / PushedModel.CARD).parent.mkdir(exist_ok=True)
    write_json(staging / PushedModel.CARD, card)
    for path in [*staging.rglob("*"), staging]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    staging.rename(folder / str(version))


class Pusher(Component, executor=push):
    """Serving model, evaluation, validation -> pushed model (TFX: Pusher)."""
