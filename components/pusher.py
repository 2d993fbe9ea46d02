"""Push: a blessed model gets the next version at its destination, in one rename."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from textmill.components.artifacts import (
    Evaluation,
    PushedModel,
    PushedVersion,
    ServingModel,
    Validation,
    write_json,
)
from textmill.components.base import Component, Context, Input, Output
from textmill.components.filesystem import is_remote
from textmill.components.manifest import flush, make_folder, write_manifest
from textmill.components.provenance import SIGNING_KEY, write_provenance
from textmill.components.remote_versions import remote_numbers, upload_version
from textmill.components.signatures import create_key
from textmill.components.versions import STAGING, advance, locked, prune
from textmill.models.checks import Bounds, check_bounds
from textmill.models.errors import IntegrityError
from textmill.models.paths import FilePath

_CARD = ("model", "documents", "task", "split", "metrics", "thresholds", "blessed")
_OPTIONAL = ("vocabulary", "task_config", "rows", "groups")


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """Destination of a stage's model."""

    to: FilePath | None = None
    """A folder, or gs:// or s3:// URL, that receives every pushed version, in addition
    to the root."""
    keep: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] | None = None
    """Number of versions to keep, in each folder; a push removes the oldest others, but
    never the current one. Not set: all."""
    key: FilePath | None = None
    """PEM file of the Ed25519 key that signs versions. Not set: ``keys/push.pem`` in
    the root, which the first push makes. Steps that work for a root in a bucket do not
    share that one: set a key there."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class PusherConfig:
    """The folders that receive versions."""

    destinations: tuple[str, ...]
    """Folders and URLs; the first is the root's folder, which is local."""
    keep: int | None = None
    """Number of versions to keep; None keeps all."""
    key: str | None = None
    """PEM file of the key that signs; None is the key of the root."""


def push(
    *,
    serving: Input[ServingModel],
    evaluation: Input[Evaluation],
    validation: Input[Validation],
    pushed: Output[PushedModel],
    config: PusherConfig,
    context: Context,
) -> None:
    """Pushes unless the evaluation does not bless the model; records the decision.

    Raises:
        ConfigError: the key is not one that signs.
        IntegrityError: evaluation or validation are of another model.
    """
    _check_lineage(serving, evaluation, validation)
    previous = _previous_version(Path(config.destinations[0]), evaluation)
    record: dict[str, Any] = {"pushed": False, "reason": "not blessed"}
    if evaluation.blessed is not False:
        card = {**evaluation.read(), **evaluation.facts}
        names = [*_CARD, *(name for name in _OPTIONAL if name in card)]
        card = {name: card[name] for name in names} | {"serving": serving.digest}
        urls = [path for path in config.destinations if is_remote(path)]
        folders = [Path(path) for path in config.destinations if path not in urls]
        describe = partial(
            write_provenance,
            lineage=context.lineage(),
            finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            key=_key(config),
        )
        version = _push_all(
            lambda folder, version: _copy(
                serving, evaluation, validation, card, folder, version, describe
            ),
            lambda folder: _holds(folder, serving, card),
            folders,
            urls,
        )
        for folder in folders:
            _make_current(folder, version, config.keep)
        for url in urls:
            upload_version(folders[0] / str(version), url, keep=config.keep)
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


def _key(config: PusherConfig) -> Path | None:
    """Returns the key that signs; that of a root is made by its first push."""
    if config.key is not None:
        return Path(config.key)
    stage = Path(config.destinations[0])
    if stage.parent.name != "pushed":
        return None
    path = stage.parents[1] / SIGNING_KEY
    create_key(path)
    return path


def _push_all(
    copy: Callable[[Path, int], None],
    holds: Callable[[Path], bool],
    destinations: list[Path],
    urls: list[str],
) -> int:
    """Copies the SavedModel to the same version everywhere, and returns its number.

    After a kill between two destinations, the second push completes the first.

    Args:
        copy: writes a version below a folder.
        holds: returns True if a folder is an undamaged push of this model.
        destinations: the local folders.
        urls: folders of buckets, whose numbers are taken too.
    """
    with ExitStack() as locks:
        for folder in sorted(destinations):
            make_folder(folder)
            locks.enter_context(locked(folder))
            for draft in folder.glob(f"{STAGING}*"):
                shutil.rmtree(draft)
        newest = max(v for folder in destinations for v in (0, *_versions(folder)))
        taken = max((n for url in urls for n in remote_numbers(url)), default=0)
        holders = [f for f in destinations if holds(f / str(newest))]
        others = [folder for folder in destinations if folder not in holders]
        # A version that another destination has, damaged or of another model, stays.
        is_free = not any((folder / str(newest)).exists() for folder in others)
        can_complete = bool(holders) and is_free and taken <= newest
        version = newest if can_complete else max(newest, taken) + 1
        for folder in others if can_complete else destinations:
            copy(folder, version)
    return version


def _make_current(folder: Path, version: int, keep: int | None) -> None:
    with locked(folder):
        advance(folder, version)
        if keep is not None:
            prune(folder, keep)


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
    validation: Validation,
    card: dict[str, Any],
    folder: Path,
    version: int,
    describe: Callable[[Path], None],
) -> None:
    """Copies under a hidden name, seals, and renames: readers never see a part."""
    staging = folder / f"{STAGING}{version}"
    shutil.copytree(serving.path / serving.SAVED_MODEL, staging)
    for name in serving.facts["formats"]:
        if name != serving.SAVED_MODEL:
            target = staging / serving.OTHERS / name
            shutil.copytree(serving.path / name, target)
    (staging / PushedVersion.CARD).parent.mkdir(exist_ok=True)
    write_json(staging / PushedVersion.CARD, card)
    table = validation.path / validation.FILE
    shutil.copyfile(table, staging / PushedVersion.VALIDATION)
    for rows in evaluation.files(evaluation.ROWS):
        shutil.copyfile(rows, staging / PushedVersion.ROWS)
    describe(staging)
    facts = {"serving": serving.seal}
    write_manifest(staging, kind=PushedVersion.__name__, facts=facts)
    staging.rename(folder / str(version))
    flush(folder)


class Pusher(Component, executor=push):
    """Serving model, evaluation, validation -> pushed model (TFX: Pusher)."""
