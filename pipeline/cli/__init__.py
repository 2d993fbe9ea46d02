"""The command line: results on stdout, all else on stderr, faults as one sentence.

Nothing but typer and the standard library is imported before a command knows its work,
so that ``textmill --help`` answers at once.
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
from textmill.pipeline.cli.compile import add_commands
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
from textmill.pipeline.cli.vocabulary import vocabulary_app

Runner = Literal["local", "kubeflow-local"]

# Full, over quota, over the limit of a file's size; forbidden; read-only.
_REFUSED_BY_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
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
add_commands(app)


def main() -> None:
    """Runs the command line and exits with one of the design's codes."""
    arguments, is_debug = _take_debug(sys.argv[1:])
    try:
        app(arguments, prog_name="textmill")
    except TextmillError as fault:
        _leave(str(fault), fault.exit_code, is_debug=is_debug)
    except MemoryError:
        sentence = "out of memory; make the batch, the model or run.lanes smaller"
        _leave(sentence, MachineError.exit_code, is_debug=is_debug)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _REFUSED_BY_MACHINE:
            where = f"{error.filename}: " if error.filename else ""
            sentence = f"{where}{error.strerror}; make room or allow it, then try again"
            _leave(sentence, MachineError.exit_code, is_debug=is_debug)
        sentence = f"internal error: {type(error).__name__}: {error}"
        hint = "" if is_debug else "; --debug shows where"
        _leave(sentence + hint, TextmillError.exit_code, is_debug=is_debug)


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Takes ``--debug`` out, wherever it stands before a ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return options + arguments[end:], len(options) < end


def _leave(sentence: str, exit_code: int, *, is_debug: bool) -> NoReturn:
    if is_debug:
        import traceback

        traceback.print_exc()
    print(f"textmill: {sentence}", file=sys.stderr)
    sys.exit(exit_code)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print("textmill", version("textmill"))
        except PackageNotFoundError:
            print("textmill, not installed: from its source")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Shows the traceback of a fault.")
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
    """Takes the options that every command has."""


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


@app.command()
def run(
    config: Config,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Runs this node alone; may be repeated."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NODE", help="Runs it and what follows."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="Runs it and what it rests on."),
    ] = None,
    as_json: AsJson = False,
    require_blessed: Annotated[
        bool,
        typer.Option(
            "--require-blessed", help="Exits with 8 if a stage misses its gate."
        ),
    ] = False,
    on: Annotated[
        Runner, typer.Option(help="Who runs it: Textmill, or KFP's local runner.")
    ] = "local",
) -> None:
    """Runs what is not up to date."""
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
            raise ConfigError("--on kubeflow-local: runs whole pipelines only")
        return run_on_kfp(loaded, pipeline, root)
    how = loaded.config.run
    runner = LocalRunner(
        root, lanes=how.lanes, retries=how.retries, beam=how.beam, progress=True
    )
    return runner.run(pipeline, config_text=render_config(loaded.config))


def _check_gates(summary: Mapping[str, Any], root: Path) -> None:
    for name, stage in summary["stages"].items():
        if stage["blessed"] is False:
            page = root / "runs" / summary["run_id"] / "report.html"
            raise GateNotPassed(
                f"stage {name!r}: expected every threshold met, got one that is not; "
                f"{page} says by how much"
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
    """Says what would run, and why."""
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
        typer.Argument(metavar="[TEXT]...", help="From stdin where none is given."),
    ] = None,
    root: RootOrUrl = str(DEFAULT_ROOT),
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints a JSON object a text.")
    ] = False,
) -> None:
    """Asks a pushed model about texts."""
    from textmill.pipeline.cli.display import render_answer
    from textmill.pipeline.cli.predict import find_model, read_texts
    from textmill.pipeline.remote.mirror import Mirror

    mirror = Mirror(root)
    saved_model = find_model(target, mirror)
    asked = read_texts(texts)
    from textmill.components.predictor import answer

    for text, found in zip(asked, answer(saved_model, asked), strict=True):
        if as_json:
            print(json.dumps({"text": text, **found}, ensure_ascii=False))
        else:
            print(render_answer(text, found, is_only_one=len(asked) == 1))


@app.command()
def tensorboard(
    root: Root = DEFAULT_ROOT,
    port: Annotated[int, typer.Option(help="Where it listens; 0 takes a free one.")] = (
        6006
    ),
) -> None:
    """Shows the curves of all trainings, those that go on included, in a browser."""
    from textmill.pipeline.cli.tensorboard import serve

    check_root(root)
    raise typer.Exit(serve(root, port))


@app.command()
def doctor(root: Root = DEFAULT_ROOT) -> None:
    """Says whether this machine can run pipelines."""
    from textmill.pipeline.cli.display import render_table
    from textmill.pipeline.cli.doctor import examine

    symptoms = examine(root)
    print(render_table([[s.verdict, s.what, s.found] for s in symptoms]))
    if stopping := [s for s in symptoms if s.verdict == "stop"]:
        raise MachineError(f"{stopping[0].what}: {stopping[0].found}")
