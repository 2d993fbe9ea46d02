"""``textmill submit``: runs a file on Kubeflow Pipelines or Vertex AI."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

import typer

from textmill.models.errors import ConfigError, RemoteError, did_you_mean
from textmill.pipeline.cli.options import (
    AsJson,
    Config,
    Overrides,
    PlatformRoot,
    load_for_platform,
)

Service = Literal["kubeflow", "vertex"]


Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="A.B=V",
        help="Sets one of run.parameters; may be repeated.",
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option("--schedule", metavar="CRON", help="Runs it on this schedule."),
]
Again = Annotated[str, typer.Option(metavar="WORD", help="Makes it a new submission.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follows the run to its end.")]
Cancel = Annotated[bool, typer.Option("--cancel", help="Cancels the submission.")]
PollSeconds = Annotated[
    float, typer.Option(min=0.01, help="Seconds between two checks of the run.")
]


def submit(
    config: Config,
    root: PlatformRoot,
    to: Annotated[Service, typer.Option(help="The service that runs it.")],
    overrides: Overrides = None,
    parameters: Parameters = None,
    cron: Schedule = None,
    again: Again = "",
    wait: Wait = False,
    cancel: Cancel = False,
    poll_seconds: PollSeconds = 15.0,
    as_json: AsJson = False,
) -> None:
    """Runs a file on Kubeflow Pipelines or Vertex AI, once.

    The same file, values and root are the same submission: repeating the command finds
    the existing run.
    """
    from textmill.pipeline.platforms.compile import compile_pipeline
    from textmill.pipeline.platforms.submission import Submission, with_retries

    loaded, pipeline = load_for_platform(config, overrides)
    submission = Submission(
        pipeline=loaded.config.name,
        spec=compile_pipeline(loaded, pipeline, to=to, root=root),
        root=root.rstrip("/"),
        values=_values(loaded, parameters or []),
        cron=cron,
        again=again,
    )
    service = with_retries(lambda: _service(to, loaded.config.run))
    if cancel:
        _cancel(service, submission)
    else:
        _submit(service, submission, wait, poll_seconds, as_json)


def _cancel(service: Any, submission: Any) -> None:
    from textmill.pipeline.platforms.submission import with_retries

    id = with_retries(lambda: service.find(submission))
    if id is None:
        raise ConfigError(f"{submission.name}: was never submitted")
    with_retries(lambda: service.cancel(id, submission))
    print(f"{submission.name}: cancelled")


def _submit(
    service: Any, submission: Any, wait: bool, poll_seconds: float, as_json: bool
) -> None:
    from textmill.pipeline.platforms.submission import FAILED
    from textmill.pipeline.platforms.submission import submit as submit_once

    id, is_new = submit_once(service, submission)
    print(
        f"textmill: {submission.name}: {'submitted' if is_new else 'exists already'}",
        file=sys.stderr,
    )
    state = _report(service, submission, id, wait, poll_seconds, as_json)
    if state == FAILED:
        raise RemoteError(
            f"{submission.name}: failed; its page shows where. After fixing the cause, "
            "--again WORD starts another run"
        )


def _service(to: Service, run: Any) -> Any:
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
                f"({', '.join(known) or 'none declared'})"
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


def _report(
    service: Any,
    submission: Any,
    id: str,
    wait: bool,
    poll_seconds: float,
    as_json: bool,
) -> str:
    """Prints the state of a run, now or at its end, and returns it."""
    from textmill.pipeline.platforms.submission import follow, with_retries

    if submission.cron is not None:
        state, page = "scheduled", ""
    else:
        if wait:
            status = follow(
                service,
                id,
                report=lambda task, state: print(f"{task}: {state}", file=sys.stderr),
                poll_seconds=poll_seconds,
            )
        else:
            status = with_retries(lambda: service.status(id))
        state, page = status.state, status.page
    status_fields = {"name": submission.name, "id": id, "state": state, "page": page}
    print(
        json.dumps(status_fields)
        if as_json
        else f"{submission.name}: {state} {page}".strip()
    )
    return str(state)
