"""``textmill run`` and ``plan``: runs a file, or shows which nodes would run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from textmill.models.errors import ConfigError, GateNotPassed
from textmill.pipeline.cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Config,
    Overrides,
    Root,
    is_default_root,
    print_json,
)

if TYPE_CHECKING:
    from textmill.pipeline.config.load import LoadedConfig
    from textmill.pipeline.pipeline import Pipeline
    from textmill.pipeline.runners.local import RunSummary

Runner = Literal["local", "kubeflow-local"]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NODE",
        help="Runs only this node, or the nodes of this stage; may be repeated.",
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="NODE",
        help="Runs this node, or stage, and all downstream nodes.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="NODE", help="Runs this node, or stage, and all upstream nodes."
    ),
]
RequireBlessed = Annotated[
    bool,
    typer.Option("--require-blessed", help="Exits with 8 if a stage fails its gate."),
]
On = Annotated[
    Runner, typer.Option(help="The runner: Textmill's own, or KFP's local one.")
]


def run(
    config: Config,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    only: Only = None,
    start: Start = None,
    until: Until = None,
    as_json: AsJson = False,
    require_blessed: RequireBlessed = False,
    on: On = "local",
) -> None:
    """Runs all nodes that are not up to date."""
    from textmill.pipeline.config.data_checks import check_data

    loaded, pipeline = _wire(
        config, overrides, root, only=only, start=start, until=until
    )
    check_data(loaded, nodes=pipeline.selected)
    run_pipeline(
        loaded,
        pipeline,
        root,
        as_json=as_json,
        require_blessed=require_blessed,
        on=on,
    )


def run_pipeline(
    loaded: LoadedConfig,
    pipeline: Pipeline,
    root: Path,
    *,
    config_text: str | None = None,
    as_json: bool = False,
    require_blessed: bool = False,
    on: Runner = "local",
) -> NoReturn:
    """Runs a pipeline, prints its results, and ends with its exit code.

    Args:
        loaded: the config.
        pipeline: its pipeline, or a part of it.
        root: the folder of artifacts, runs and pushed models.
        config_text: the YAML that the run keeps; by default all keys of the config.
        as_json: print ``summary.json``.
        require_blessed: fail if a stage fails its gate.
        on: the runner.

    Raises:
        GateNotPassed: as ``require_blessed`` says.
        Exit: always, otherwise.
    """
    from textmill.pipeline.cli.display import render_run, terminal_width
    from textmill.pipeline.config.schema import render_config

    config_text = config_text or render_config(loaded.config)
    summary = _run_on(on, loaded, pipeline, root, config_text)
    if as_json:
        print_json(summary.data)
    else:
        text = render_run(
            summary.data,
            root,
            is_default_root=is_default_root(root),
            with_messages=on != "local",
            width=terminal_width(),
        )
        print(text)
    if summary.exit_code == 0 and require_blessed:
        _check_gates(summary.data, root)
    raise typer.Exit(summary.exit_code)


def _run_on(
    on: Runner, loaded: LoadedConfig, pipeline: Pipeline, root: Path, config_text: str
) -> RunSummary:
    from textmill.pipeline.runners.local import LocalRunner

    if on == "kubeflow-local":
        from textmill.pipeline.runners.kfp_local import run_on_kfp

        if len(pipeline.selected) < len(pipeline.nodes):
            raise ConfigError("--on kubeflow-local: can only run the whole pipeline")
        return run_on_kfp(loaded, pipeline, root)
    config = loaded.config.run
    runner = LocalRunner(
        root,
        workers=config.workers,
        retries=config.retries,
        beam=config.beam,
        progress=True,
    )
    return runner.run(pipeline, config_text=config_text)


def _check_gates(summary: Mapping[str, Any], root: Path) -> None:
    for name, stage in summary["stages"].items():
        if stage["blessed"] is False:
            page = root / "runs" / summary["run_id"] / "report.html"
            raise GateNotPassed(
                f"stage {name!r}: expected every threshold met, got one that is not; "
                f"{page} shows by how much"
            )


def plan(
    config: Config,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Shows which nodes would run, and why."""
    from dataclasses import asdict

    from textmill.pipeline.cache.plan import plan as plan_pipeline
    from textmill.pipeline.cli.display import render_plan

    loaded, pipeline = _wire(config, overrides, root)
    nodes = plan_pipeline(pipeline, root, loaded.positions)
    if as_json:
        print_json([asdict(node) for node in nodes])
    else:
        print(render_plan(nodes, list(loaded.config.stages)))


def _wire(
    config: Path,
    overrides: list[str] | None,
    root: Path,
    *,
    only: list[str] | None = None,
    start: str | None = None,
    until: str | None = None,
) -> tuple[Any, Any]:
    """Returns the loaded config and the selected part of its pipeline."""
    from textmill.pipeline.config.load import load_config
    from textmill.pipeline.create_pipeline import create_pipeline

    loaded = load_config(config, overrides or ())
    pipeline = create_pipeline(loaded, root)
    if only or start or until:
        pipeline = pipeline.select(only=only or (), start=start, until=until)
    return loaded, pipeline
