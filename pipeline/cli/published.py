"""Finds published documents, profiles and vocabularies for the commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textmill.components.artifacts import (
    SPLITS,
    Documents,
    Profile,
    Vocabulary,
    read_json,
)
from textmill.components.base import Artifact, Component
from textmill.models.errors import ConfigError, did_you_mean, one_of
from textmill.models.texts import joined_text

if TYPE_CHECKING:
    from textmill.pipeline.config.load import LoadedConfig


@dataclass(frozen=True)
class RejectedDocuments:
    """The files that stay with a run whose ingestion failed."""

    run: str
    folder: Path

    @property
    def ledger(self) -> dict[str, Any]:
        """Counts of read, dropped and bad records."""
        value: dict[str, Any] = read_json(self.folder / Documents.LEDGER)
        return value

    def sample(self) -> Iterator[dict[str, Any]]:
        """Yields some of the documents that could be read."""
        with (self.folder / Documents.SAMPLE).open("rb") as file:
            yield from map(json.loads, file)


def load_dataset(
    config: Path, overrides: Sequence[str] | None, dataset: str | None
) -> tuple[LoadedConfig, str]:
    """Returns a config and the name of a data set, by default its only one.

    Raises:
        ConfigError: the data set is unknown, or the config has several.
    """
    loaded = _load(config, overrides)
    known = list(loaded.config.datasets)
    if dataset is None and len(known) == 1:
        return loaded, known[0]
    if dataset is None:
        raise ConfigError(f"{config}: expected the name of a data set: {one_of(known)}")
    if dataset not in known:
        hint = did_you_mean(dataset, known) or f"; it has {', '.join(known)}"
        raise ConfigError(f"{config}: has no data set {dataset!r}{hint}")
    return loaded, dataset


def find_documents(
    loaded: LoadedConfig, root: Path, dataset: str
) -> Documents | RejectedDocuments:
    """Returns the documents of a data set, or those that its newest run rejected.

    Raises:
        ConfigError: the data set was not ingested yet.
    """
    node = f"ingest.{dataset}"
    if (rejected := _find_rejected(loaded, root, node)) is not None:
        print(
            f"textmill: {node} failed in run {rejected.run}; these are its records",
            file=sys.stderr,
        )
        return rejected
    return cast(Documents, _find(loaded, root, node, "documents"))


def _find_rejected(
    loaded: LoadedConfig, root: Path, node: str
) -> RejectedDocuments | None:
    """Returns the rejected documents of the newest run with a node, if it failed."""
    from textmill.pipeline.publish import failed_dir
    from textmill.pipeline.store import MetadataStore

    if not root.is_dir():
        return None
    with MetadataStore(root) as store:
        for run in store.runs():
            summary = store.run(run["run_id"])
            if summary["name"] != loaded.config.name or node not in summary["nodes"]:
                continue
            folder = failed_dir(root, run["run_id"], node) / "documents"
            return (
                RejectedDocuments(str(run["run_id"]), folder)
                if (folder / Documents.LEDGER).is_file()
                else None
            )
    return None


def find_profile(
    loaded: LoadedConfig, root: Path, dataset: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the profile of a data set, and the speed of tokenizing its sample.

    Raises:
        ConfigError: the data set was not profiled yet.
    """
    from textmill.components.profiler.baseline import read_profile

    profile = cast(Profile, _find(loaded, root, f"profile.{dataset}", "profile"))
    return read_profile(profile.path), profile.read_speed()


def find_profile_by_name(
    dataset: str, root: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the profile of a data set from its newest run, without the config.

    Raises:
        ConfigError: no run has profiled it.
    """
    from textmill.components.profiler.baseline import read_profile
    from textmill.pipeline.store import MetadataStore

    names: set[str] = set()
    if root.is_dir():
        with MetadataStore(root) as store:
            for run in store.runs():
                nodes = store.run(run["run_id"])["nodes"]
                path = nodes.get(f"profile.{dataset}", {}).get("outputs", {})
                if path and (root / path["profile"]).is_dir():
                    profile = Profile(root / path["profile"])
                    return read_profile(profile.path), profile.read_speed()
                names |= {n[8:] for n in nodes if n.startswith("profile.")}
    hint = did_you_mean(dataset, sorted(names))
    raise ConfigError(
        f"{dataset}: expected a YAML file, or a data set that a run in {root} has "
        f"profiled, found none{hint}"
    )


def find_vocabulary(
    config: Path, overrides: Sequence[str] | None, root: Path
) -> Vocabulary:
    """Returns the vocabulary of a file.

    Raises:
        ConfigError: it was not made yet.
    """
    loaded = _load(config, overrides)
    return cast(Vocabulary, _find(loaded, root, "vocabulary", "vocabulary"))


def _load(config: Path, overrides: Sequence[str] | None) -> LoadedConfig:
    from textmill.pipeline.config.load import load_config

    return load_config(config, overrides or ())


def _find(loaded: LoadedConfig, root: Path, node: str, output: str) -> Artifact:
    """Returns a node's output for this config, or else that of its newest run."""
    from textmill.pipeline.cache.plan import plan as plan_pipeline
    from textmill.pipeline.create_pipeline import create_pipeline
    from textmill.pipeline.publish import look_up

    command = f"`textmill run {loaded.path} --until {node}`"
    if root.is_dir():
        pipeline = create_pipeline(loaded, root).select(until=node)
        component = pipeline.node(node)
        [plan] = [p for p in plan_pipeline(pipeline, root) if p.id == node]
        if plan.state == "cached" and plan.key is not None:
            entry = look_up(root, type(component), node, plan.key)
            return entry.outputs[output]
        if (
            earlier := _newest(root, loaded.config.name, component, output)
        ) is not None:
            run, artifact = earlier
            print(
                f"textmill: {node} would run again; this is the result of run {run}; "
                f"{command} brings it up to date",
                file=sys.stderr,
            )
            return artifact
    raise ConfigError(f"{root}: expected a result of {node}, found none; {command}")


def _newest(
    root: Path, name: str, component: Component, output: str
) -> tuple[str, Artifact] | None:
    """Returns the newest run of a pipeline with a node's output, and the output."""
    from textmill.pipeline.store import MetadataStore

    with MetadataStore(root) as store:
        for run in store.runs():
            summary = store.run(run["run_id"])
            node = summary["nodes"].get(component.id, {})
            path = node.get("outputs", {}).get(output)
            if summary["name"] == name and path and (root / path).is_dir():
                kind = component.outputs[output].type
                return str(run["run_id"]), kind(root / path)
    return None


def first_documents(
    documents: Documents | RejectedDocuments,
    split: str,
    number: int,
    *,
    containing: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields the first documents of a split, in the order of its shards.

    Rejected documents have no splits, and come in the order of their files.

    Raises:
        ConfigError: the split is unknown.
    """
    if isinstance(documents, RejectedDocuments):
        rows = documents.sample()
    elif split not in documents.splits:
        splits = ", ".join(name for name in SPLITS if name in documents.splits)
        raise ConfigError(f"--split: expected one of {splits}, got {split!r}")
    else:
        rows = documents.read(split)
    if containing is not None:
        pattern = containing.casefold()
        rows = (row for row in rows if pattern in joined_text(row).casefold())
    return islice(rows, number)


def named_profile(name: str, root: Path) -> dict[str, Any]:
    """Returns the profile of a file, a folder, or a run's data set (``RUN:DATASET``).

    Raises:
        ConfigError: no such profile exists.
    """
    from textmill.components.profiler.baseline import read_profile
    from textmill.pipeline.store import MetadataStore

    run, colon, dataset = name.rpartition(":")
    if Path(name).exists() or not colon or not root.is_dir():
        return read_profile(Path(name))
    with MetadataStore(root) as store:
        nodes = store.run(run)["nodes"]
    path = nodes.get(f"profile.{dataset}", {}).get("outputs", {}).get("profile")
    if path is None:
        known = [
            node.partition(".")[2] for node in nodes if node.startswith("profile.")
        ]
        hint = did_you_mean(dataset, known)
        raise ConfigError(f"run {run!r} has no profile of data set {dataset!r}{hint}")
    return read_profile(root / path)


def dead_letters(
    documents: Documents | RejectedDocuments, number: int
) -> list[dict[str, Any]]:
    """Returns the first records that could not be read."""
    if isinstance(documents, RejectedDocuments):
        path = documents.folder / Documents.DEAD_LETTERS
    else:
        path = documents.verify_file(Documents.DEAD_LETTERS)
    with path.open("rb") as file:
        return [json.loads(line) for line in islice(file, number)]
