"""Runs the compiled file on this machine, with KFP's own local runner."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.compile import compile_pipeline
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.remote.run_notes import publish_run
from textmill.pipeline.runners.local import RunSummary
from textmill.pipeline.runners.worker_process import ENVIRONMENT
from textmill.pipeline.store import SUMMARY

_REPLACED = "python3"
"""KFP replaces this word in every argument by the path of its interpreter."""


def run_on_kfp(loaded: LoadedConfig, pipeline: Pipeline, root: Path) -> RunSummary:
    """Compiles a pipeline and runs the file with KFP, one process per node.

    Raises:
        ConfigError: the extra kubeflow is not installed, or a path cannot be passed.
    """
    try:
        from kfp import components, local
    except ImportError:
        raise ConfigError(
            "--on kubeflow-local: needs kfp; install textmill[kubeflow]"
        ) from None
    root = root.absolute()
    project = str(loaded.path.absolute().parent)
    text = compile_pipeline(loaded, pipeline, to="kubeflow", root=str(root)).decode()
    arguments = {"project": project, "root": str(root)}
    _check_words(text, arguments)
    before = _runs(root)
    with _environment(), tempfile.TemporaryDirectory() as folder:
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=folder,
            raise_on_error=False,
        )
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            # It warns about the Python of an image that it does not use.
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            components.load_component_from_text(text)(**arguments)
    [run_id] = _runs(root) - before
    summary = root / "runs" / run_id / SUMMARY
    if not summary.exists():
        # KFP's local runner stops at the first failure, the exit step included.
        with contextlib.redirect_stdout(sys.stderr):
            publish_run(run_id, loaded, pipeline, Mirror(str(root)))
    data: dict[str, Any] = json.loads(summary.read_bytes())
    return RunSummary(data, data["exit_code"])


def _runs(root: Path) -> set[str]:
    return {path.name for path in root.glob("runs/*")}


def _check_words(text: str, arguments: dict[str, str]) -> None:
    commands = f"- {_REPLACED}\n"
    for part in (text.replace(commands, ""), *arguments.values()):
        if _REPLACED in part:
            raise ConfigError(
                f"--on kubeflow-local: the config or a path holds {_REPLACED!r}, which "
                "KFP's local runner replaces by its interpreter; rename it"
            )


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Context manager: lets the nodes' processes import the code of this process."""
    before = dict(os.environ)
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    os.environ |= ENVIRONMENT | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
