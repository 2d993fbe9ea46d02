"""``textmill runs`` and ``report``: shows the runs of a root folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.commands import examples
from textmill.pipeline.cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Root,
    is_default_root,
    print_json,
)

_LISTED = ("run_id", "name", "status", "exit_code", "started", "seconds", "stages")
"""Fields of a run in the JSON of ``runs list``."""

runs_app = typer.Typer(
    epilog=examples("runs"),
    no_args_is_help=True,
    help="Shows the runs of a root folder.",
)


@runs_app.command("list", epilog=examples("runs list"))
def list_runs(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """Lists the runs, newest first: results, changes, pushed versions."""
    from textmill.pipeline.cli.runs_display import render_runs

    runs = _summaries(root)
    if as_json:
        print_json([{key: run.get(key) for key in _LISTED} for run in runs])
    else:
        print(render_runs(runs))


@runs_app.command("show", epilog=examples("runs show"))
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
        is_default = is_default_root(root)
        print(render_executions(summary, root, is_default_root=is_default))


@runs_app.command("diff", epilog=examples("runs diff"))
def diff_runs(
    before: Annotated[
        str | None,
        typer.Argument(metavar="[A]", help="A run; by default the one before B."),
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="[B]", help="By default the newest run.")
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Compares two runs: config, data, code, metrics, pushed versions.

    With one run, it is compared with the newest.
    """
    from dataclasses import asdict

    from textmill.pipeline.cli.runs_display import render_comparison
    from textmill.pipeline.run_comparison import compare_runs, previous_run
    from textmill.pipeline.store import MetadataStore

    last = _known_run(after, root)
    first = previous_run(_summaries(root), last) if before is None else before
    if first is None:
        raise ConfigError(
            f"{root}: expected two runs of one pipeline, found one; name both: "
            "textmill runs diff A B"
        )
    with MetadataStore(root) as store:
        comparison = compare_runs(root, store.run(first), store.run(last))
    if as_json:
        print_json({"before": first, "after": last, **asdict(comparison)})
    else:
        print(render_comparison(first, last, comparison))


@runs_app.command("rebuild", epilog=examples("runs rebuild"))
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
    is_opened: Annotated[
        bool, typer.Option("--open", help="Also opens it in the browser.")
    ] = False,
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
    if is_opened:
        import webbrowser

        if not webbrowser.open(page.absolute().as_uri()):
            print("textmill: found no browser; open the file yourself", file=sys.stderr)


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


def _summaries(root: Path) -> list[dict[str, Any]]:
    from textmill.pipeline.store import MetadataStore

    check_root(root)
    with MetadataStore(root) as store:
        return store.summaries()


def _known_run(run_id: str | None, root: Path) -> str:
    """Returns the id of the given run, or of the newest."""
    from textmill.models.errors import did_you_mean

    known = [str(run["run_id"]) for run in _summaries(root)]
    if not known:
        raise ConfigError(f"{root}: expected a run, found none; run a pipeline first")
    if run_id is not None and run_id not in known:
        hint = did_you_mean(run_id, known) or "; `textmill runs list` shows all"
        raise ConfigError(f"{root}: has no run {run_id!r}{hint}")
    return run_id or known[0]
