"""``textmill runs`` and ``report``: shows the runs of a root folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.options import DEFAULT_ROOT, AsJson, Root, print_json

runs_app = typer.Typer(no_args_is_help=True, help="Shows the runs of a root folder.")


@runs_app.command("list")
def list_runs(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """Lists the runs, newest first."""
    from textmill.pipeline.cli.display import render_runs

    runs = _runs(root)
    if as_json:
        print_json(runs)
    else:
        print(render_runs(runs))


@runs_app.command("show")
def show_run(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The newest if none is given."),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Shows the nodes of a run."""
    from textmill.pipeline.cli.display import render_executions
    from textmill.pipeline.store import MetadataStore

    run_id = _known_run(run_id, root)
    with MetadataStore(root) as store:
        summary = store.run(run_id)
    if as_json:
        print_json(summary)
    else:
        print(render_executions(summary, root))


@runs_app.command("rebuild")
def rebuild_runs(root: Root = DEFAULT_ROOT) -> None:
    """Rebuilds the metadata store from the files on disk."""
    from textmill.pipeline.store import rebuild

    check_root(root)
    counts = ", ".join(f"{count} {kind}" for kind, count in rebuild(root).items())
    print(f"{root}: {counts}")


def report(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The newest if none is given."),
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Prints the path of a run's report."""
    run_id = _known_run(run_id, root)
    page = root / "runs" / run_id / "report.html"
    if not page.is_file():
        raise ConfigError(
            f"{page}: expected a report, found none: run {run_id!r} did not finish; "
            f"`textmill runs show {run_id}` shows its nodes"
        )
    print(page)


def check_root(root: Path) -> None:
    """Checks that the root folder exists.

    Raises:
        ConfigError: it does not.
    """
    if not root.is_dir():
        raise ConfigError(
            f"{root}: expected a root folder, found none; "
            "give --root, or run a pipeline first"
        )


def _runs(root: Path) -> list[dict[str, Any]]:
    from textmill.pipeline.store import MetadataStore

    check_root(root)
    with MetadataStore(root) as store:
        return store.runs()


def _known_run(run_id: str | None, root: Path) -> str:
    """Returns the id of the given run, or of the newest."""
    from textmill.models.errors import did_you_mean

    known = [str(run["run_id"]) for run in _runs(root)]
    if not known:
        raise ConfigError(f"{root}: expected a run, found none; run a pipeline first")
    if run_id is not None and run_id not in known:
        hint = did_you_mean(run_id, known) or "; `textmill runs list` shows all"
        raise ConfigError(f"{root}: has no run {run_id!r}{hint}")
    return run_id or known[0]
