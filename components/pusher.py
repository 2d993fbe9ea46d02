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
    PushedVersion,
    ServingModel,
    Validation,
    write_json,
)
from textmill.components.base import Component, Input, Output
from textmill.components.manifest import flush, make_folder, write_manifest
from textmill.models.errors import IntegrityError
from textmill.models.paths import FilePath

_CARD = ("model", "documents", "task", "split", "metrics", "thresholds", "blessed")
_OPTIONAL = ("vocabulary", "task_config", "rows", "groups")
_STAGING = ".staging-"


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
    previous = _previous_version(Path(config.destinations[0]), evaluation)
    record: dict[str, Any] = {"pushed": False, "reason": "not blessed"}
    if evaluation.blessed is not False:
        card = {**evaluation.read(), **evaluation.facts}
        names = [*_CARD, *(name for name in _OPTIONAL if name in card)]
        card = {name: card[name] for name in names} | {"serving": serving.digest}
        folders = [Path(path) for path in config.destinations]
        version = _push_all(serving, evaluation, card, folders)
        record = {
            "pushed": True,
            "version": version,
            "destination": os.path.relpath(
                Path(config.destinations[0]) / str(version), pushed.path
            ),
            "reason": "blessed" if evaluation.blessed else "no thresholds are set",
        }
    pushed.facts = record | {"previous": previous}
    write_json(pushed.file(pushed.FILE), pushed.facts)
    pushed.identity = {"serving": serving.digest, "version": record.get("version")}
    if previous:
        pushed.identity["previous"] = previous["model"]


def _previous_version(folder: Path, evaluation: Evaluation) -> dict[str, Any] | None:
    """Returns the newest version of a different model, with its metrics.

    A damaged card leaves out the comparison; it does not keep back the push.
    """
    try:
        other = PushedVersion.latest_other(folder, evaluation.facts["model"])
    except IntegrityError:
        return None
    if other is None:
        return None
    version, card = other
    return {
        "version": version,
        "model": card["model"],
        "metrics": {name: metric["value"] for name, metric in card["metrics"].items()},
        "same_documents": card["documents"] == evaluation.facts["documents"],
    }


def _check_lineage(
    serving: ServingModel, evaluation: Evaluation, validation: Validation
) -> None:
    for name, checked, pushed in (
        ("evaluation", evaluation.facts["model"], serving.facts["model"]),
        ("validation", validation.facts["serving"], serving.seal),
    ):
        if checked != pushed:
            raise IntegrityError(
                f"push: the {name} is of {checked[:12]}, the model to push is "
                f"{pushed[:12]}; run the pipeline again"
            )


def _push_all(
    serving: ServingModel,
    evaluation: Evaluation,
    card: dict[str, Any],
    destinations: list[Path],
) -> int:
    """Copies the SavedModel to the same version everywhere, and returns its number.

    After a kill between two destinations, the second push completes the first.
    """
    with ExitStack() as locks:
        for folder in sorted(destinations):
            make_folder(folder)
            locks.enter_context(_locked(folder))
            for draft in folder.glob(f"{_STAGING}*"):
                shutil.rmtree(draft)
        newest = max(v for folder in destinations for v in (0, *_versions(folder)))
        holders = [f for f in destinations if _holds(f / str(newest), serving, card)]
        others = [folder for folder in destinations if folder not in holders]
        # A version that another destination has, damaged or of another model, stays.
        is_free = not any((folder / str(newest)).exists() for folder in others)
        can_complete = bool(holders) and is_free
        version = newest if can_complete else newest + 1
        for folder in others if can_complete else destinations:
            _copy(serving, evaluation, card, folder, version)
    return version


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _versions(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def _holds(folder: Path, serving: ServingModel, card: dict[str, Any]) -> bool:
    """Returns True if a version is an undamaged push of this model and evaluation."""
    if not folder.is_dir():
        return False
    try:
        version = PushedVersion(folder)
        version.verify()
        return version.facts["serving"] == serving.seal and version.read_card() == card
    except IntegrityError:
        return False


def _copy(
    serving: ServingModel,
    evaluation: Evaluation,
    card: dict[str, Any],
    folder: Path,
    version: int,
) -> None:
    """Copies under a hidden name, seals, and renames: readers never see a part."""
    staging = folder / f"{_STAGING}{version}"
    shutil.copytree(serving.path / serving.SAVED_MODEL, staging)
    (staging / PushedVersion.CARD).parent.mkdir(exist_ok=True)
    write_json(staging / PushedVersion.CARD, card)
    for rows in evaluation.files(evaluation.ROWS):
        shutil.copyfile(rows, staging / PushedVersion.ROWS)
    facts = {"serving": serving.seal}
    write_manifest(staging, kind=PushedVersion.__name__, facts=facts)
    staging.rename(folder / str(version))
    flush(folder)


class Pusher(Component, executor=push):
    """Serving model, evaluation, validation -> pushed model (TFX: Pusher)."""
