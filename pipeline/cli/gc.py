"""``textmill gc``: deletes runs and results that nothing needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textmill.pipeline.cli.options import DEFAULT_ROOT, AsJson, Root, print_json
from textmill.pipeline.cli.runs import check_root

if TYPE_CHECKING:
    from textmill.pipeline.garbage import Garbage

_MAX_ROWS = 40


def collect_garbage(
    root: Root = DEFAULT_ROOT,
    keep: Annotated[
        int,
        typer.Option(
            min=1,
            max=1_000_000,
            help="Runs to keep of every pipeline; its last success is kept, too.",
        ),
    ] = 5,
    yes: Annotated[
        bool, typer.Option("--yes", help="Deletes; without it, only lists.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Lists runs, results and leftovers that nothing needs; --yes deletes them.

    Pushed versions stay, with their runs and the results that they were made from.
    """
    from textmill.pipeline.garbage import delete_garbage, find_garbage, live_runs

    check_root(root)
    garbage = (delete_garbage if yes else find_garbage)(root, keep=keep)
    if as_json:
        print_json([_as_json(item, root) for item in garbage])
        return
    print(_render(garbage, root, is_deleted=yes))
    if not yes and (live := live_runs(root)):
        print(f"textmill: {root}: run {live[0]} is using it", file=sys.stderr)


def _as_json(item: Garbage, root: Path) -> dict[str, object]:
    path = item.path.relative_to(root).as_posix()
    return {"kind": item.kind, "path": path, "bytes": item.num_bytes}


def _render(garbage: Sequence[Garbage], root: Path, *, is_deleted: bool) -> str:
    """Returns a line per path, the largest first, and the total."""
    from textmill.components.reporter.formats import size
    from textmill.pipeline.cli.display import render_table
    from textmill.pipeline.progress import visible

    total = size(sum(item.num_bytes for item in garbage))
    if not garbage:
        return f"{root}: nothing to delete"
    locks = [item for item in garbage if item.kind == "lock"]
    ranked = sorted(
        (item for item in garbage if item.kind != "lock"),
        key=lambda item: (-item.num_bytes, item.path),
    )
    rows = [
        [item.kind, size(item.num_bytes), item.path.relative_to(root).as_posix()]
        for item in ranked[:_MAX_ROWS]
    ]
    if locks:
        num_bytes = sum(lock.num_bytes for lock in locks)
        rows.append(["lock", size(num_bytes), f"locks/ ({len(locks)} files)"])
    table = render_table([["WHAT", "SIZE", "PATH"], *rows])
    if len(ranked) > _MAX_ROWS:
        table += f"\nand {len(ranked) - _MAX_ROWS} more"
    noun = "path" if len(garbage) == 1 else "paths"
    done = "deleted" if is_deleted else "can be deleted: add --yes"
    return visible(f"{table}\n\n{len(garbage)} {noun}, {total}: {done}")
