"""``textmill push`` and ``verify``: the pushed versions of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from textmill.models.errors import ConfigError, IntegrityError, did_you_mean, one_of
from textmill.pipeline.cli.commands import examples
from textmill.pipeline.cli.options import DEFAULT_ROOT, AsJson, Root, print_json

push_app = typer.Typer(
    epilog=examples("push"),
    no_args_is_help=True,
    help="Lists pushed versions, goes back to one, or keeps one.",
)
Stage = Annotated[str, typer.Argument(metavar="STAGE", help="A pushed stage.")]
_NUM_METRICS = 3


@push_app.command("list", epilog=examples("push list"))
def list_versions(
    stage: Annotated[
        str | None,
        typer.Argument(metavar="[STAGE]", help="By default all stages."),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Lists the versions of stages, newest first, with their metrics."""
    from textmill.pipeline.cli.display import render_table

    stages = _stages(root)
    names = [stage_folder(stage, root).name] if stage else sorted(stages)
    rows = [row for name in names for row in _versions(stages[name])]
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(f"{root}: no version was pushed")
        return
    header = ["STAGE", "VERSION", "", "MODEL", "METRICS"]
    print(render_table([header, *(_cells(row) for row in rows)]))


@push_app.command("rollback", epilog=examples("push rollback"))
def roll_back(
    stage: Stage,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="VERSION",
            help="By default the newest version before the current one that holds "
            "another model.",
            show_default=False,
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Goes back to an earlier version, by a copy of it under the next number."""
    from textmill.components.versions import rollback

    folder = stage_folder(stage, root)
    source, target = rollback(folder, to)
    if as_json:
        print_json({"stage": stage, "version": target, "copy_of": source})
    else:
        print(f"{folder / str(target)} is current: a copy of version {source}")


@push_app.command("pin", epilog=examples("push pin"))
def pin_version(
    stage: Stage,
    version: Annotated[
        int | None,
        typer.Option(
            metavar="VERSION", help="By default the current one.", show_default=False
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Keeps a version current, whatever is pushed, until it is unpinned.

    ``predict``, ``serve`` and the library follow; a server that takes the highest
    number, as TF Serving does by default, does not.
    """
    from textmill.components.versions import pin

    number = pin(stage_folder(stage, root), version)
    _print_current(stage, number, root, as_json=as_json, pinned=True)


@push_app.command("unpin", epilog=examples("push unpin"))
def unpin_version(
    stage: Stage, root: Root = DEFAULT_ROOT, as_json: AsJson = False
) -> None:
    """Makes the newest version current again, and lets pushes replace it."""
    from textmill.components.versions import unpin

    number = unpin(stage_folder(stage, root))
    _print_current(stage, number, root, as_json=as_json, pinned=False)


def _print_current(
    stage: str, number: int, root: Path, *, as_json: bool, pinned: bool
) -> None:
    if as_json:
        print_json({"stage": stage, "version": number, "pinned": pinned})
        return
    pins = ", pinned" if pinned else ""
    print(f"{stage_folder(stage, root) / str(number)} is current{pins}")


def verify(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A pushed stage, or the folder of a version, with a slash.",
        ),
    ],
    root: Root = DEFAULT_ROOT,
    keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="PEM file of a public key that must have signed; may be repeated. By "
            "default those in keys/ of the root.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Checks every byte of a pushed version, its provenance and its signature."""
    from textmill.components.artifacts import PushedVersion
    from textmill.components.provenance import trusted_keys, verify_version
    from textmill.components.versions import current_version

    folder: Path | None = Path(model)
    if "/" not in model:
        folder = current_version(stage_folder(model, root))
    elif not (Path(model) / PushedVersion.MODEL).is_file():
        folder = current_version(Path(model))
    if folder is None:
        raise ConfigError(f"{model}: expected a pushed version, found none")
    checked = verify_version(folder, keys or trusted_keys(folder))
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "files": checked.files,
                "signed_by": list(checked.signed_by),
                "trusted": checked.trusted,
            }
        )
        return
    print(f"{folder}: {checked.files} files as pushed, {_signature(checked)}")


def _signature(checked: Any) -> str:
    if checked.trusted:
        return f"signed by key {checked.trusted[:12]}"
    if checked.signed_by:
        ids = ", ".join(id[:12] for id in checked.signed_by)
        return f"signed by key {ids}, not checked: give its public part with --key"
    return "not signed"


def stage_folder(stage: str, root: Path) -> Path:
    """Returns the folder of a pushed stage.

    Raises:
        ConfigError: no stage of this name was pushed.
    """
    stages = _stages(root)
    if stage not in stages:
        known = f"one of the pushed stages {one_of(sorted(stages))}"
        raise ConfigError(
            f"{root}: expected {known if stages else 'a pushed stage'}, got {stage!r}"
            f"{did_you_mean(stage, sorted(stages))}"
        )
    return stages[stage]


def _stages(root: Path) -> dict[str, Path]:
    from textmill.components.artifacts import PushedVersion

    folders = sorted((root / "pushed").glob("*"))
    return {folder.name: folder for folder in folders if PushedVersion.all(folder)}


def _versions(folder: Path) -> list[dict[str, Any]]:
    """Returns a row a version, the newest first."""
    from textmill.components.artifacts import PushedVersion
    from textmill.components.versions import current_version, read_pointer

    current, pointer = current_version(folder), read_pointer(folder)
    rows = []
    for path in PushedVersion.all(folder):
        row: dict[str, Any] = {"stage": folder.name, "version": int(path.name)}
        row["current"] = path == current
        row["pinned"] = path == current and pointer is not None and pointer.pinned
        try:
            version = PushedVersion(path)
            card = version.read_card()
        except IntegrityError as error:
            rows.append(row | {"error": str(error)})
            continue
        metrics = {name: metric["value"] for name, metric in card["metrics"].items()}
        row |= {"model": card["model"], "metrics": metrics}
        row["copy_of"] = version.facts.get("copy_of")
        rows.append(row)
    return rows


def _cells(row: Mapping[str, Any]) -> list[str]:
    marks = [mark for mark in ("current", "pinned") if row[mark]]
    if row.get("copy_of") is not None:
        marks.append(f"copy of {row['copy_of']}")
    if "error" in row:
        metrics = "damaged: `textmill verify` says where"
    else:
        metrics = ", ".join(
            f"{name} {value:.4g}"
            for name, value in list(row["metrics"].items())[:_NUM_METRICS]
        )
    model = row.get("model", "")[:12]
    return [row["stage"], str(row["version"]), ", ".join(marks), model, metrics]
