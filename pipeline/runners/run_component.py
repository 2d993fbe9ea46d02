"""The entry point of a container: runs one node of a config.

    python3 -m textmill.pipeline.runners.run_component \\
        --node train.library --executor_input '{{$}}'

The config, the root and the parameters of the submission come with the executor input,
or from ``TEXTMILL_CONFIG`` and ``--root`` on platforms without one. A node whose result
is in the root under the same key is not run again. Each node writes a note below
``runs/<run id>/``; from these, ``--publish``, the last step, makes the run's summary
and page.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.components.base import Artifact, Channel, Component
from textmill.models.errors import ConfigError, TextmillError
from textmill.models.optional_imports import skip_optional_imports
from textmill.pipeline.cache.key import Keys, cache_key, map_inputs
from textmill.pipeline.config.load import LoadedConfig, parse_config
from textmill.pipeline.config.schema import canonical_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.spec import CONFIG_VARIABLE
from textmill.pipeline.publish import shared_root
from textmill.pipeline.remote.executor_io import ExecutorIO, wires
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.remote.run_notes import publish_run, write_node_note
from textmill.pipeline.remote.secret_manager import fetch_secrets
from textmill.pipeline.runners.container import (
    Deadline,
    execute,
    fetch_cached,
    is_chief,
)
from textmill.pipeline.store import MetadataStore

_NOT_OF_CONFIG = ("config", "project", "root", "run")


@dataclass(frozen=True)
class NodeRequest:
    """The request to a container: a config, a root and a run."""

    config: str
    """The YAML text."""
    root: str
    """The root's path or URL."""
    project: Path = Path()
    """The folder that relative paths start from."""
    run: str = "run"
    """The run's id."""
    values: tuple[tuple[str, Any], ...] = ()
    """Parameters of the submission, by config path."""

    def load(self) -> LoadedConfig:
        """Returns the config with the parameters of the submission."""
        file = self.project / "config.yaml"
        loaded = parse_config(self.config, file, with_environment=False)
        if not self.values:
            return loaded
        known = canonical_config(loaded.config)
        overrides = [f"{p}={_to_text(v, _lookup(known, p))}" for p, v in self.values]
        return parse_config(
            self.config,
            file,
            overrides,
            with_environment=False,
            working_dir=self.project.absolute(),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one node, or publishes a run; returns the exit code."""
    options = _parse(arguments)
    skip_optional_imports()
    try:
        fetch_secrets()
        kfp = ExecutorIO(options.executor_input) if options.executor_input else None
        request = _request(options, kfp)
        mirror = Mirror(request.root)
        loaded = request.load()
        pipeline = create_pipeline(loaded, mirror.path)
        if options.publish:
            return publish_run(request.run, loaded, pipeline, mirror)
        node = pipeline.node(options.node)
        deadline = Deadline(node, timeout=options.timeout)
        signal.signal(signal.SIGTERM, deadline.stop)
        return _run(node, loaded, pipeline, mirror, request, kfp, deadline)
    except TextmillError as error:
        print(f"textmill: {error}", file=sys.stderr)
        return error.exit_code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="textmill.pipeline.runners.run_component")
    parser.add_argument("--node", help="the node to run")
    parser.add_argument("--publish", action="store_true", help="end the run instead")
    parser.add_argument("--executor_input", help="KFP's executor input, as JSON")
    parser.add_argument("--root", help="without KFP: the root's path or URL")
    parser.add_argument("--project", default=".", help="start of relative paths")
    parser.add_argument("--run", default="run", help="without KFP: the run's id")
    parser.add_argument("--timeout", type=int, help="seconds until it is stopped")
    parser.add_argument("--kfp_entry", help="read by KFP's local runner alone")
    options = parser.parse_args(arguments)
    if options.publish == bool(options.node):
        parser.error("expected either --node or --publish")
    return options


def _request(options: argparse.Namespace, kfp: ExecutorIO | None) -> NodeRequest:
    if kfp is None:
        config = os.environ.get(CONFIG_VARIABLE)
        if config is None or options.root is None:
            raise ConfigError(
                f"expected --executor_input, or --root and a config in "
                f"{CONFIG_VARIABLE}, got neither"
            )
        return NodeRequest(config, options.root, Path(options.project), options.run)
    given = dict(kfp.parameters)
    values = [
        (name.replace("__", "."), value)
        for name, value in given.items()
        if name not in _NOT_OF_CONFIG
    ]
    project = Path(given["project"])
    return NodeRequest(
        given["config"], given["root"], project, given["run"], tuple(values)
    )


def _lookup(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _to_text(value: Any, default: Any) -> str:
    """Returns a value as ``--set`` takes it; platforms may pass 3 as 3.0."""
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def _run(
    node: Component,
    loaded: LoadedConfig,
    pipeline: Pipeline,
    mirror: Mirror,
    request: NodeRequest,
    kfp: ExecutorIO | None,
    deadline: Deadline,
) -> int:
    if kfp is None:
        inputs = _upstream_outputs(node, pipeline, mirror)
    else:
        inputs = kfp.inputs(node, mirror)
    with shared_root(mirror.path):
        result = execute(
            node,
            inputs,
            mirror,
            run_id=request.run,
            beam=loaded.config.run.beam,
            deadline=deadline,
        )
    if not is_chief():
        return result.exit_code
    write_node_note(request.run, node, result, mirror)
    if result.error:
        print(f"textmill: {result.error}", file=sys.stderr)
    elif kfp is not None and result.outputs:
        kfp.write(result.outputs, mirror)
    return result.exit_code


def _upstream_outputs(
    node: Component, pipeline: Pipeline, mirror: Mirror
) -> dict[str, Artifact | dict[str, Artifact]]:
    """Returns a node's inputs from the root, found by the keys of all upstream nodes.

    Raises:
        ConfigError: one of them is missing.
    """
    artifacts: dict[Channel, Artifact] = {}
    needed = pipeline.select(only=[node.id]).needed() - {node.id}
    with MetadataStore(mirror.path) as store:
        keys = Keys(mirror.path, store)
        for before in pipeline.nodes:
            if before.id in needed:
                artifacts |= _cached_outputs(before, keys, artifacts, mirror)
    for _, channel in wires(node):
        mirror.fetch(artifacts[channel].path.relative_to(mirror.path).as_posix())
    return map_inputs(node, artifacts.__getitem__)


def _cached_outputs(
    node: Component, keys: Keys, artifacts: Mapping[Channel, Artifact], mirror: Mirror
) -> dict[Channel, Artifact]:
    digests = map_inputs(node, lambda channel: artifacts[channel].reference)
    key = cache_key(keys.parts(node, digests))
    outputs = fetch_cached(mirror, node, key)
    if outputs is None:
        raise ConfigError(
            f"{node.id}: expected its artifacts in {mirror.root} under the key {key}, "
            "found none; run it first"
        )
    return {node.outputs[name]: artifact for name, artifact in outputs.items()}


if __name__ == "__main__":
    sys.exit(main())
