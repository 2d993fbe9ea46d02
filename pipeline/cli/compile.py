"""``textmill compile`` and ``submit``: the same file on Kubeflow and on Vertex."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from textmill.models.errors import ConfigError, RemoteError, did_you_mean
from textmill.pipeline.cli.options import AsJson, Config, Overrides

EngineRoot = Annotated[
    str,
    typer.Option(
        "--root",
        help="gs://, s3:// or a mounted path: where all steps find the artifacts.",
        envvar="TEXTMILL_ROOT",
        show_default=False,
    ),
]
Engine = Literal["kubeflow", "vertex"]


def add_commands(app: typer.Typer) -> None:
    """Adds the commands to Textmill's own."""
    app.command("compile")(compile_file)
    app.command()(submit)


def compile_file(
    config: Config,
    root: EngineRoot,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write; - is stdout.")
    ],
    to: Annotated[
        Literal["kubeflow", "vertex", "tfjob"], typer.Option(help="What will run it.")
    ],
    overrides: Overrides = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="tfjob: this node alone; may be repeated."),
    ] = None,
) -> None:
    """Writes the file that an engine runs: the same bytes for the same config."""
    from textmill.pipeline.platforms.compile import compile_pipeline
    from textmill.pipeline.publish import write_atomically

    loaded, pipeline = _load(config, overrides, root)
    if only:
        if to != "tfjob":
            raise ConfigError("--only: compiles parts of a pipeline to tfjob alone")
        pipeline = pipeline.select(only=only)
    data = compile_pipeline(loaded, pipeline, to=to, root=root)
    if str(output) == "-":
        sys.stdout.write(data.decode())
        return
    if not output.absolute().parent.is_dir():
        raise ConfigError(f"{output}: expected a folder to write to, found none")
    write_atomically(output, data)
    print(f"{output}: {len(pipeline.nodes)} nodes, {len(data):,} bytes")


def _load(config: Path, overrides: list[str] | None, root: str) -> tuple[Any, Any]:
    from textmill.pipeline.config.load import load_config
    from textmill.pipeline.create_pipeline import create_pipeline

    loaded = load_config(config, overrides or (), with_environment=False)
    # Where a root lies is no part of the graph; containers wire it anew.
    return loaded, create_pipeline(loaded, Path("/root-of-the-run"))


def submit(
    config: Config,
    root: EngineRoot,
    to: Annotated[Engine, typer.Option(help="The service that runs it.")],
    overrides: Overrides = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            metavar="A.B=V",
            help="Sets one of run.parameters; may be repeated.",
        ),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option("--schedule", metavar="CRON", help="Runs it again and again."),
    ] = None,
    again: Annotated[
        str, typer.Option(metavar="WORD", help="Makes it another submission.")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follows the run to its end.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Ends what this command submitted.")
    ] = False,
    poll_seconds: Annotated[
        float, typer.Option(min=0.01, help="How often a run is asked after.")
    ] = 15.0,
    as_json: AsJson = False,
) -> None:
    """Runs a file on Kubeflow Pipelines or Vertex AI: once, however often it is given.

    The same file, values and root are the same submission: given again, the command
    finds the run that is there.
    """
    from textmill.pipeline.platforms.compile import compile_pipeline
    from textmill.pipeline.platforms.submission import FAILED, Submission, patiently
    from textmill.pipeline.platforms.submission import submit as submit_once

    loaded, pipeline = _load(config, overrides, root)
    submission = Submission(
        pipeline=loaded.config.name,
        spec=compile_pipeline(loaded, pipeline, to=to, root=root),
        root=root.rstrip("/"),
        values=_values(loaded, parameters or []),
        cron=cron,
        again=again,
    )
    service = patiently(lambda: _service(to, loaded.config.run))
    if cancel:
        id = patiently(lambda: service.find(submission))
        if id is None:
            raise ConfigError(f"{submission.name}: was never submitted")
        patiently(lambda: service.cancel(id, submission))
        print(f"{submission.name}: cancelled")
        return
    id, is_new = submit_once(service, submission)
    print(
        f"textmill: {submission.name}: {'submitted' if is_new else 'is there already'}",
        file=sys.stderr,
    )
    state = _tell(service, submission, id, wait, poll_seconds, as_json)
    if state == FAILED:
        raise RemoteError(
            f"{submission.name}: failed; its page says where. After mending it, "
            "--again WORD begins another run"
        )


def _service(to: Engine, run: Any) -> Any:
    if to == "kubeflow":
        from textmill.pipeline.platforms.kubeflow_client import KubeflowHost

        return KubeflowHost(run.kubeflow)
    from textmill.pipeline.platforms.vertex_client import VertexRegion

    return VertexRegion(run.vertex)


def _values(loaded: Any, assignments: list[str]) -> dict[str, Any]:
    """Returns parameters by their names in the file.

    Raises:
        ConfigError: one is not declared, or its value is of another type.
    """
    from textmill.pipeline.config.yaml import read_scalar
    from textmill.pipeline.platforms.spec import parameters

    known = {parameter.path: parameter for parameter in parameters(loaded)}
    values = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or path not in known:
            raise ConfigError(
                f"--parameter {assignment}: expected one of run.parameters "
                f"({', '.join(known) or 'none is declared'})"
                f"{did_you_mean(path, list(known))}"
            )
        parameter, value = known[path], read_scalar(text)
        wanted = type(parameter.default)
        if wanted is float and isinstance(value, int):
            value = float(value)
        if type(value) is not wanted:
            raise ConfigError(
                f"--parameter {assignment}: expected a value like "
                f"{json.dumps(parameter.default)}, got {text!r}"
            )
        values[parameter.name] = value
    return values


def _tell(
    service: Any,
    submission: Any,
    id: str,
    wait: bool,
    poll_seconds: float,
    as_json: bool,
) -> str:
    """Says how far a run is, at its end or now; returns its state."""
    from textmill.pipeline.platforms.submission import follow, patiently

    if submission.cron is not None:
        state, page = "scheduled", ""
    else:
        if wait:
            status = follow(
                service,
                id,
                tell=lambda task, state: print(f"{task}: {state}", file=sys.stderr),
                poll_seconds=poll_seconds,
            )
        else:
            status = patiently(lambda: service.look(id))
        state, page = status.state, status.page
    said = {"name": submission.name, "id": id, "state": state, "page": page}
    print(json.dumps(said) if as_json else f"{submission.name}: {state} {page}".strip())
    return str(state)
