"""The command line: results on stdout, messages on stderr, an error in one sentence.

One file per command group: start at ``run.py``, whose commands start, plan and select
nodes; ``init.py`` and ``fit.py`` begin with data; ``runs.py``, ``data.py`` and
``vocabulary.py`` read results, ``push.py`` manages pushed versions, ``predict.py`` and
``serve.py`` use them, ``compile.py`` and ``submit.py`` take a pipeline to a platform.
``options.py``, ``display.py``, ``data_display.py`` and ``published.py`` are shared.
Only typer and the standard library are imported at module level, so that
``textmill --help`` is fast.
"""

from __future__ import annotations

import codecs
import errno
import io
import sys
from typing import Annotated, NoReturn

import typer

from textmill.models.errors import ConfigError, MachineError, TextmillError
from textmill.models.optional_imports import skip_optional_imports
from textmill.pipeline.cli.commands import CommandGroup, examples
from textmill.pipeline.cli.compile import compile_file
from textmill.pipeline.cli.config import config_app
from textmill.pipeline.cli.data import data_app
from textmill.pipeline.cli.doctor import doctor
from textmill.pipeline.cli.fit import fit
from textmill.pipeline.cli.gc import collect_garbage
from textmill.pipeline.cli.init import init
from textmill.pipeline.cli.options import REFUSED_BY_MACHINE
from textmill.pipeline.cli.predict import predict
from textmill.pipeline.cli.push import push_app, verify
from textmill.pipeline.cli.run import plan, run
from textmill.pipeline.cli.runs import report, runs_app
from textmill.pipeline.cli.serve import serve
from textmill.pipeline.cli.submit import submit
from textmill.pipeline.cli.tensorboard import tensorboard
from textmill.pipeline.cli.vocabulary import vocabulary_app
from textmill.pipeline.machine_errors import is_out_of_memory
from textmill.pipeline.progress import visible

_MAX_PATH = 200
_WRONG_PATH = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}

app = typer.Typer(
    name="textmill",
    help="One YAML file in; a checked, explained, versioned SavedModel out.",
    cls=CommandGroup,
    epilog=examples(""),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")
app.add_typer(data_app, name="data")
app.add_typer(vocabulary_app, name="vocabulary")
app.add_typer(push_app, name="push")
app.command(epilog=examples("init"))(init)
app.command(epilog=examples("fit"))(fit)
app.command(epilog=examples("run"))(run)
app.command(epilog=examples("plan"))(plan)
app.command("compile", epilog=examples("compile"))(compile_file)
app.command(epilog=examples("submit"))(submit)
app.command(epilog=examples("report"))(report)
app.command(epilog=examples("predict"))(predict)
app.command(epilog=examples("serve"))(serve)
app.command(epilog=examples("verify"))(verify)
app.command(epilog=examples("tensorboard"))(tensorboard)
app.command("gc", epilog=examples("gc"))(collect_garbage)
app.command(epilog=examples("doctor"))(doctor)


def main() -> None:
    """Runs the command line; every kind of error has its exit code."""
    arguments, is_debug = _split_debug(sys.argv[1:])
    _escape_unencodable()
    skip_optional_imports()
    try:
        app(arguments, prog_name="textmill")
    except TextmillError as error:
        _exit(str(error), error.exit_code, is_debug=is_debug)
    except Exception as error:
        if is_out_of_memory(error):
            sentence = "out of memory; make the batch, the model or run.workers smaller"
            _exit(sentence, MachineError.exit_code, is_debug=is_debug)
        if isinstance(error, OSError) and (known := _explain(error)) is not None:
            _exit(str(known), known.exit_code, is_debug=is_debug)
        sentence = f"internal error: {type(error).__name__}: {error}"
        hint = "" if is_debug else "; --debug shows where"
        _exit(sentence + hint, TextmillError.exit_code, is_debug=is_debug)


def _explain(error: OSError) -> TextmillError | None:
    """Returns the error to show for one of the operating system; None for a bug."""
    where = f"{str(error.filename)[:_MAX_PATH]}: " if error.filename else ""
    if error.errno in REFUSED_BY_MACHINE:
        sentence = f"{where}{error.strerror}; make room or allow it, then try again"
        return MachineError(sentence)
    if error.errno in _WRONG_PATH:
        return ConfigError(f"{where}{error.strerror}; give another path")
    if error.errno == errno.ENOENT and not where:  # only getcwd() names no file
        return ConfigError(
            "the working directory does not exist any more; change to another, or give "
            "absolute paths"
        )
    return None


def _escape_unencodable() -> None:
    """Prints characters that the terminal's encoding lacks as ``\\u1234``.

    Escapes are those of JSON, so that ``--json`` stays JSON in any encoding.
    """
    codecs.register_error("textmill.escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="textmill.escape")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs), error.end


def _split_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Returns the arguments without ``--debug``, and True if it was among them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return options + arguments[end:], len(options) < end


def _exit(sentence: str, exit_code: int, *, is_debug: bool) -> NoReturn:
    if is_debug:
        import traceback

        traceback.print_exc()
    print(f"textmill: {visible(sentence)}", file=sys.stderr)
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
