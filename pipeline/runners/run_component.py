"""The container entry: one node of a config, run as every other runner runs it.

    python3 -m textmill.pipeline.runners.run_component \\
        --node train.library --executor_input '{{$}}'

The config, the root and the values set at submission come with the executor input, or
from ``TEXTMILL_CONFIG`` and ``--root`` where an engine hands out none. A node that is
in the root already, under the same key, is taken from there. What becomes of a node is
noted below ``runs/<run id>/``, from which ``--publish``, the last step, makes the run's
summary and page.
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
from textmill.pipeline.cache.key import Keys, cache_key, map_inputs
from textmill.pipeline.config.load import LoadedConfig, parse_config
from textmill.pipeline.config.schema import canonical_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.platforms.spec import CONFIG_VARIABLE
from textmill.pipeline.remote.executor_io import ExecutorIO, wires
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.remote.run_notes import note_node, publish_run
from textmill.pipeline.remote.secret_manager import fetch_secrets
from textmill.pipeline.runners.container import Watch, execute, fetch_known, is_chief
from textmill.pipeline.store import MetadataStore

_NOT_OF_CONFIG = ("config", "project", "root", "run")


@dataclass(frozen=True)
class Assignment:
    """What a container is told: a config, a root, and what run it belongs to."""

    config: str
    """The YAML text."""
    root: str
    """The root's path or URL."""
    project: Path = Path()
    """The folder that relative paths are relative to."""
    run: str = "run"
    """The run's id."""
    values: tuple[tuple[str, Any], ...] = ()
    """Values set at submission, by config path."""

    def load(self) -> LoadedConfig:
        """Returns the config with the values of the submission."""
        file = self.project / "config.yaml"
        loaded = parse_config(self.config, file, with_environment=False)
        if not self.values:
            return loaded
        known = canonical_config(loaded.config)
        overrides = [f"{p}={_spell(v, _at(known, p))}" for p, v in self.values]
        return parse_config(
            self.config,
            file,
            overrides,
            with_environment=False,
            working_dir=self.project.absolute(),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one node, or publishes a run; returns the exit code."""
    told = _parse(arguments)
    try:
        fetch_secrets()
        told_by_kfp = ExecutorIO(told.executor_input) if told.executor_input else None
        assignment = _assignment(told, told_by_kfp)
        mirror = Mirror(assignment.root)
        loaded = assignment.load()
        pipeline = create_pipeline(loaded, mirror.path)
        if told.publish:
            return publish_run(assignment.run, loaded, pipeline, mirror)
        node = pipeline.node(told.node)
        watch = Watch(node, timeout=told.timeout)
        signal.signal(signal.SIGTERM, watch.stop)
        return _run(node, loaded, pipeline, mirror, assignment, told_by_kfp, watch)
    except TextmillError as fault:
        print(f"textmill: {fault}", file=sys.stderr)
        return fault.exit_code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="textmill.pipeline.runners.run_component")
    parser.add_argument("--node", help="the id of the node to run")
    parser.add_argument("--publish", action="store_true", help="end the run instead")
    parser.add_argument("--executor_input", help="what KFP says, as JSON")
    parser.add_argument("--root", help="without KFP: the root's path or URL")
    parser.add_argument("--project", default=".", help="where relative paths start")
    parser.add_argument("--run", default="run", help="without KFP: the run's id")
    parser.add_argument("--timeout", type=int, help="seconds until it is stopped")
    parser.add_argument("--kfp_entry", help="read by KFP's local runner alone")
    told = parser.parse_args(arguments)
    if told.publish == bool(told.node):
        parser.error("expected either --node or --publish")
    return told


def _assignment(told: argparse.Namespace, kfp: ExecutorIO | None) -> Assignment:
    if kfp is None:
        config = os.environ.get(CONFIG_VARIABLE)
        if config is None or told.root is None:
            raise ConfigError(
                f"expected --executor_input, or --root and a config in "
                f"{CONFIG_VARIABLE}, got neither"
            )
        return Assignment(config, told.root, Path(told.project), told.run)
    given = dict(kfp.parameters)
    values = [
        (name.replace("__", "."), value)
        for name, value in given.items()
        if name not in _NOT_OF_CONFIG
    ]
    project = Path(given["project"])
    return Assignment(
        given["config"], given["root"], project, given["run"], tuple(values)
    )


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _spell(value: Any, before: Any) -> str:
    """Returns a value as ``--set`` takes it; engines may pass 3 as 3.0."""
    if isinstance(before, int) and isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def _run(
    node: Component,
    loaded: LoadedConfig,
    pipeline: Pipeline,
    mirror: Mirror,
    assignment: Assignment,
    kfp: ExecutorIO | None,
    watch: Watch,
) -> int:
    if kfp is None:
        inputs = _made_before(node, pipeline, mirror)
    else:
        inputs = kfp.inputs(node, mirror)
    done = execute(
        node,
        inputs,
        mirror,
        run_id=assignment.run,
        beam=loaded.config.run.beam,
        watch=watch,
    )
    if not is_chief():
        return done.exit_code
    note_node(assignment.run, node, done, mirror)
    if done.error:
        print(f"textmill: {done.error}", file=sys.stderr)
    elif kfp is not None and done.outputs:
        kfp.write(done.outputs, mirror)
    return done.exit_code


def _made_before(
    node: Component, pipeline: Pipeline, mirror: Mirror
) -> dict[str, Artifact | dict[str, Artifact]]:
    """Finds a node's inputs in the root, by the keys of all that it rests on.

    Raises:
        ConfigError: one of them is not there.
    """
    made: dict[Channel, Artifact] = {}
    needed = pipeline.select(only=[node.id]).needed() - {node.id}
    with MetadataStore(mirror.path) as store:
        keys = Keys(mirror.path, store)
        for before in pipeline.nodes:
            if before.id in needed:
                made |= _made(before, keys, made, mirror)
    for _, channel in wires(node):
        mirror.fetch(made[channel].path.relative_to(mirror.path).as_posix())
    return map_inputs(node, made.__getitem__)


def _made(
    node: Component, keys: Keys, made: Mapping[Channel, Artifact], mirror: Mirror
) -> dict[Channel, Artifact]:
    digests = map_inputs(node, lambda channel: made[channel].digest)
    key = cache_key(keys.parts(node, digests))
    outputs = fetch_known(mirror, node, key)
    if outputs is None:
        raise ConfigError(
            f"{node.id}: expected its artifacts in {mirror.root} under the key {key}, "
            "found none; run it first"
        )
    return {node.outputs[name]: artifact for name, artifact in outputs.items()}


if __name__ == "__main__":
    sys.exit(main())
