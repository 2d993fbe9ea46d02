"""The command line: results on stdout, messages on stderr, an error in one sentence.

One file per command group; ``display``, ``data_display`` and ``published`` are shared.
Only typer and the standard library are imported at module level, so that
``textmill --help`` is fast.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from textmill.models.errors import (
    ConfigError,
    GateNotPassed,
    MachineError,
    TextmillError,
)
from textmill.pipeline.cli.compile import compile_file
from textmill.pipeline.cli.config import config_app
from textmill.pipeline.cli.data import data_app
from textmill.pipeline.cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Config,
    Overrides,
    Root,
    RootOrUrl,
    print_json,
)
from textmill.pipeline.cli.runs import check_root, report, runs_app
from textmill.pipeline.cli.submit import submit
from textmill.pipeline.cli.vocabulary import vocabulary_app

Runner = Literal["local", "kubeflow-local"]

# Full, over quota, over the limit of a file's size; forbidden; read-only.
_REFUSED_BY_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
}

app = typer.Typer(
    name="textmill",
    help="One YAML file in; a checked, explained, versioned SavedModel out.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")
app.add_typer(data_app, name="data")
app.add_typer(vocabulary_app, name="vocabulary")
app.command("compile")(compile_file)
app.command()(submit)


def main() -> None:
    """Runs the command line; every kind of error has its exit code."""
    arguments, is_debug = _split_debug(sys.argv[1:])
    try:
        app(arguments, prog_name="textmill")
    except TextmillError as fault:
        _exit(str(fault), fault.exit_code, is_debug=is_debug)
    except MemoryError:
        sentence = "out of memory; make the batch, the model or run.workers smaller"
        _exit(sentence, MachineError.exit_code, is_debug=is_debug)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _REFUSED_BY_MACHINE:
            where = f"{error.filename}: " if error.filename else ""
            sentence = f"{where}{error.strerror}; make room or allow it, then try again"
            _exit(sentence, MachineError.exit_code, is_debug=is_debug)
        sentence = f"internal error: {type(error).__name__}: {error}"
        hint = "" if is_debug else "; --debug shows where"
        _exit(sentence + hint, TextmillError.exit_code, is_debug=is_debug)


def _split_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Returns the arguments without ``--debug``, and True if it was among them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return options + arguments[end:], len(options) < end


def _exit(sentence: str, exit_code: int, *, is_debug: bool) -> NoReturn:
    if is_debug:
        import traceback

        traceback.print_exc()
    print(f"textmill: {sentence}", file=sys.stderr)
    sys.exit(exit_code)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print("textmill", version("textmill"))
        except PackageNotFoundError:
            print("textmill, run from source, not installed")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Shows the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Prints the version.",
        ),
    ] = False,
) -> None:
    """Declares the options of every command."""


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


Only = Annotated[
    list[str] | None,
    typer.Option(metavar="NODE", help="Runs only this node; may be repeated."),
]
Start = Annotated[
    str | None,
    typer.Option("--from", metavar="NODE", help="Runs it and all downstream nodes."),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="NODE", help="Runs this node and all upstream nodes."),
]
RequireBlessed = Annotated[
    bool,
    typer.Option("--require-blessed", help="Exits with 8 if a stage fails its gate."),
]
On = Annotated[
    Runner, typer.Option(help="The runner: Textmill's own, or KFP's local one.")
]


@app.command()
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
    from textmill.pipeline.cli.display import render_run

    loaded, pipeline = _wire(
        config, overrides, root, only=only, start=start, until=until
    )
    summary = _run_on(on, loaded, pipeline, root)
    if as_json:
        print_json(summary.data)
    else:
        print(render_run(summary.data, root, is_default_root=_is_default(root)))
    if summary.exit_code == 0 and require_blessed:
        _check_gates(summary.data, root)
    raise typer.Exit(summary.exit_code)


def _run_on(on: Runner, loaded: Any, pipeline: Any, root: Path) -> Any:
    from textmill.pipeline.config.schema import render_config
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
    return runner.run(pipeline, config_text=render_config(loaded.config))


def _check_gates(summary: Mapping[str, Any], root: Path) -> None:
    for name, stage in summary["stages"].items():
        if stage["blessed"] is False:
            page = root / "runs" / summary["run_id"] / "report.html"
            raise GateNotPassed(
                f"stage {name!r}: expected every threshold met, got one that is not; "
                f"{page} shows by how much"
            )


def _is_default(root: Path) -> bool:
    return root == Path(os.environ.get("TEXTMILL_ROOT") or DEFAULT_ROOT)


@app.command()
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
        print(render_plan(nodes))


app.command()(report)


@app.command()
def predict(
    target: Annotated[
        str,
        typer.Argument(
            metavar="STAGE", help="A pushed stage, or the folder of a SavedModel."
        ),
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Texts; from stdin if none is given."),
    ] = None,
    root: RootOrUrl = str(DEFAULT_ROOT),
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints one JSON object per text.")
    ] = False,
) -> None:
    """Predicts texts with a pushed model."""
    from textmill.pipeline.cli.display import render_answer
    from textmill.pipeline.cli.predict import find_model, read_texts
    from textmill.pipeline.remote.mirror import Mirror

    mirror = Mirror(root)
    saved_model = find_model(target, mirror)
    inputs = read_texts(texts)
    from textmill.components.predictor.saved_model import (
        load_saved_model,
        predict_texts,
    )

    answers = predict_texts(load_saved_model(saved_model), inputs)
    for text, prediction in zip(inputs, answers, strict=True):
        if as_json:
            print(json.dumps({"text": text, **prediction}, ensure_ascii=False))
        else:
            print(render_answer(text, prediction, is_only_one=len(inputs) == 1))


@app.command()
def tensorboard(
    root: Root = DEFAULT_ROOT,
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = (6006),
) -> None:
    """Serves TensorBoard with all trainings of a root, including running ones."""
    from textmill.pipeline.cli.tensorboard import serve

    check_root(root)
    raise typer.Exit(serve(root, port))


@app.command()
def doctor(root: Root = DEFAULT_ROOT) -> None:
    """Checks whether this machine can run pipelines."""
    from textmill.pipeline.cli.display import render_table
    from textmill.pipeline.cli.doctor import examine

    checks = examine(root)
    print(render_table([[c.status, c.subject, c.result] for c in checks]))
    for check in checks:
        if check.status == "stop":
            raise MachineError(f"{check.subject}: {check.result}")
