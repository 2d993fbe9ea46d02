"""Artifact, Channel, Component: the contract of every step.

An artifact is a typed directory with a manifest; a channel refers to an artifact that a
node will make; a component is a step, whose executor's signature is its contract.
Standard library only, so that components are cheap to import.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from textmill.components.manifest import (
    MANIFEST,
    content_digest,
    list_files,
    manifest_seal,
    sha256_file,
)
from textmill.models.errors import ConfigError, IntegrityError, did_you_mean


@dataclass(frozen=True)
class DataWarnings:
    """The warnings about the data of an artifact, for the summary of a run."""

    count: int
    about: str
    """Their kinds, or a sentence."""


class Artifact:
    """A typed directory, complete once it has a ``manifest.json``.

    An executor writes files below ``path`` and sets ``facts``, ``records`` and, if its
    bytes are not stable, ``identity``. Later these come from the manifest. Readers take
    the list of files from the manifest and never glob.

    Attributes:
        facts: JSON values for readers (sequence_length, labels, ...).
        records: number of records by the relative path of a file.
        identity: the content that the digest covers instead of the files, or None.
    """

    KEPT_ON_FAILURE: ClassVar[tuple[str, ...]] = ()
    """Files that stay with the run, for its diagnosis, if the node fails."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.facts: dict[str, Any] = {}
        self.records: dict[str, int] = {}
        self.identity: dict[str, Any] | None = None
        if (self.path / MANIFEST).exists():
            self.facts = dict(self.manifest["facts"])
            self.identity = self.manifest["identity"]
            self.records = {
                file["path"]: file["records"]
                for file in self.manifest["files"]
                if "records" in file
            }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, of the right type and with a valid digest.

        Raises:
            IntegrityError: it is missing, unreadable, altered, or of another type.
        """
        file = self.path / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(file.read_bytes())
            digest, kind = manifest["digest"], manifest["type"]
            recomputed = content_digest(manifest)
            is_sealed = manifest["seal"] == manifest_seal(manifest)
        except FileNotFoundError:
            raise IntegrityError(
                f"{file}: expected a manifest, found none; "
                "the artifact is incomplete: run the pipeline again"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{file}: not a manifest ({error})") from error
        if kind != type(self).__name__:
            raise IntegrityError(
                f"{file}: expected {type(self).__name__}, found {kind}"
            )
        if digest != recomputed:
            raise IntegrityError(
                f"{file}: expected digest {digest[:12]}, found {recomputed[:12]}; "
                "the manifest was altered: delete this folder and run again"
            )
        if not is_sealed:
            raise IntegrityError(
                f"{file}: differs from its seal; the manifest was altered: delete "
                "this folder and run again"
            )
        return manifest

    @property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of the artifact's content."""
        return str(self.manifest["digest"])

    @property
    def seal(self) -> str:
        """The hexadecimal SHA-256 of the whole manifest: digest, facts and files."""
        return str(self.manifest["seal"])

    @property
    def reference(self) -> str:
        """The hash by which consumers refer to it, in cache keys and in lineage."""
        return self.digest

    def file(self, name: str) -> Path:
        """Returns the path of a file to write, and creates its folder."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def files(self, prefix: str = "") -> list[Path]:
        """Returns the files of the manifest with this prefix, sorted."""
        return [
            self.path / file["path"]
            for file in self.manifest["files"]
            if file["path"].startswith(prefix)
        ]

    def verify(self) -> None:
        """Compares every file with the manifest.

        Raises:
            IntegrityError: a file is missing, truncated, altered, or not listed.
        """
        entries = self._entries()
        for entry in entries.values():
            self._verify_entry(entry)
        for name in list_files(self.path):
            if name not in entries:
                raise IntegrityError(
                    f"{self.path / name}: not in the manifest; remove it"
                )

    def verify_file(self, name: str) -> Path:
        """Compares one file with the manifest, and returns its path.

        Raises:
            IntegrityError: the file is missing, truncated, altered, or not listed.
        """
        entries = self._entries()
        if name not in entries:
            raise IntegrityError(f"{self.path / name}: not in the manifest; remove it")
        return self._verify_entry(entries[name])

    def _entries(self) -> dict[str, dict[str, Any]]:
        return {file["path"]: file for file in self.manifest["files"]}

    def _verify_entry(self, entry: Mapping[str, Any]) -> Path:
        path = self.path / str(entry["path"])
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            raise IntegrityError(f"{path}: expected {entry['size']} bytes, missing")
        if size != entry["size"]:
            raise IntegrityError(
                f"{path}: expected {entry['size']} bytes, found {size}; "
                "delete its folder and run again"
            )
        if (digest := sha256_file(path)) != entry["sha256"]:
            raise IntegrityError(
                f"{path}: expected sha256 {entry['sha256'][:12]}, "
                f"found {digest[:12]}; delete its folder and run again"
            )
        return path

    def missing_reason(self) -> str | None:
        """Returns the reason if the effect of a published artifact is gone, or None."""
        return None

    def note(self) -> str | None:
        """Returns a short remark for the line of its node in a run, if there is one."""
        return None

    def warnings(self) -> DataWarnings | None:
        """Returns the warnings about the data in it, if there are any."""
        return None

    def stage_summary(self) -> dict[str, Any]:
        """Returns the fields that it adds to its stage in the summary of a run."""
        return {}


_INPUT, _OUTPUT = "textmill.input", "textmill.output"
A = TypeVar("A")
Input = Annotated[A, _INPUT]
Output = Annotated[A, _OUTPUT]


def _never() -> bool:
    return False


def _silent(event: dict[str, Any]) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Context:
    """The runner's services for an executor. None of them may change a result."""

    work_dir: Path | None = None
    """A folder for checkpoints that survives a kill; None if the step cannot resume."""
    report: Callable[[dict[str, Any]], None] = _silent
    """Gets progress: ``{"step": 3, "total": 100, "loss": 2.1, "rate": 40.0, ...}``, or
    ``{"phase": "compiling"}`` when a phase without steps begins."""
    should_stop: Callable[[], bool] = _never
    """Returns True once the executor should save its state and raise ``Preempted``."""
    beam: Mapping[str, Any] = field(default_factory=dict)
    """Beam pipeline options (``run.beam``)."""
    key: str | None = None
    """The cache key, which a checkpoint must agree with; None outside of a runner."""
    lineage: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """Returns the executions that the inputs came from, upstream first: ``node``,
    ``config``, ``code``, ``libraries``, ``files`` and ``outputs`` (digests by name)."""


class ExternalVersion(NamedTuple):
    """An external dependency of a result, identified without reading its content."""

    name: str
    """A URL, or a path that need not exist."""
    identity: str
    """A checksum or version that changes with the content."""


@dataclass(frozen=True)
class Port:
    """An artifact parameter of an executor: its type, and how many it takes."""

    type: type[Artifact]
    optional: bool = False
    many: bool = False


@dataclass(frozen=True)
class Contract:
    """The contract of an executor, read from its signature."""

    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    config: type
    takes_context: bool


@dataclass(frozen=True)
class Channel:
    """A reference to a node's output before it exists: producer, name and type."""

    producer: str
    output: str
    type: type[Artifact]


_RESERVED = ("id", "config_paths", "after")
"""Arguments of ``Component`` itself, which no executor may use."""


def read_contract(executor: Callable[..., None]) -> Contract:
    """Reads ports, config class and context from an executor's signature."""
    hints = get_type_hints(executor, include_extras=True)
    inputs: dict[str, Port] = {}
    outputs: dict[str, Port] = {}
    config: Any = None
    for name, parameter in inspect.signature(executor).parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY, f"{name} must be keyword-only"
        assert name not in _RESERVED, f"{name} is an argument of every component"
        hint = hints[name]
        if name == "config":
            assert is_dataclass(hint), f"{hint} is not a dataclass"
            config = hint
        elif name != "context":
            direction, port = _port(hint)
            (inputs if direction == _INPUT else outputs)[name] = port
    assert config is not None, f"{executor.__name__} takes no config"
    return Contract(inputs, outputs, config, "context" in hints)


def _port(hint: Any) -> tuple[str, Port]:
    if get_origin(hint) is Annotated:
        kind, direction = get_args(hint)
        return direction, Port(kind)
    arguments = [a for a in get_args(hint) if a is not type(None)]
    direction, port = _port(arguments[-1])
    if get_origin(hint) is dict:
        return direction, Port(port.type, optional=True, many=True)
    assert get_origin(hint) is Union or len(get_args(hint)) == 2, hint
    return direction, Port(port.type, optional=True, many=port.many)


Wire = Channel | Mapping[str, Channel] | None


class Component:
    """Base class of the steps of a pipeline: an executor, its config, its inputs.

    ``class Trainer(Component, executor=train)`` reads the contract from the executor;
    ``Trainer(config, id="train.x", rows=tokenizer.outputs["rows"])`` checks it.
    """

    executor: ClassVar[Callable[..., None]]
    contract: ClassVar[Contract]
    resumable: ClassVar[bool] = False
    """True if the executor can stop on request and resume from its work folder."""

    def __init_subclass__(
        cls, *, executor: Callable[..., None], resumable: bool = False
    ) -> None:
        cls.executor = staticmethod(executor)
        cls.contract = read_contract(executor)
        cls.resumable = resumable

    def __init__(
        self,
        config: Any,
        *,
        id: str,
        config_paths: Mapping[str, str] | None = None,
        after: Sequence[str] = (),
        **inputs: Wire,
    ) -> None:
        """Wires a step.

        Args:
            config: an instance of the executor's config class.
            id: the node's name, unique in its pipeline.
            config_paths: the config path in the user's file, by field of ``config``.
            after: gates: nodes that must succeed first, without being inputs. They are
                not part of the cache key.
            inputs: a channel, or a mapping of them, for every input of the executor.

        Raises:
            ConfigError: a config, name or type differs from the executor's signature.
        """
        self.id, self.config, self.after = id, config, tuple(after)
        self.config_paths = dict(config_paths or {})
        self.inputs = {name: wire for name, wire in inputs.items() if wire}
        self._check()
        self.outputs = {
            name: Channel(id, name, port.type)
            for name, port in self.contract.outputs.items()
        }

    def _check(self) -> None:
        contract, where = self.contract, f"{type(self).__name__} {self.id!r}"
        if not isinstance(self.config, contract.config):
            raise ConfigError(
                f"{where}: expected {contract.config.__name__} as config, "
                f"got {type(self.config).__name__}"
            )
        for name, wire in self.inputs.items():
            if (port := contract.inputs.get(name)) is None:
                hint = did_you_mean(name, list(contract.inputs))
                raise ConfigError(f"{where}: has no input {name!r}{hint}")
            if isinstance(wire, Mapping) != port.many:
                many = "a mapping of channels" if port.many else "one channel"
                raise ConfigError(f"{where}: input {name!r} takes {many}")
            for channel in channels(wire):
                if not issubclass(channel.type, port.type):
                    raise ConfigError(
                        f"{where}: input {name!r} takes {port.type.__name__}, got "
                        f"{channel.type.__name__} from {channel.producer!r}"
                    )
        for name, port in contract.inputs.items():
            if name not in self.inputs and not port.optional:
                raise ConfigError(f"{where}: input {name!r} is not connected")

    def upstream(self) -> set[str]:
        """Returns the ids of the nodes that this one reads from or comes after."""
        read = {c.producer for wire in self.inputs.values() for c in channels(wire)}
        return read | set(self.after)

    @classmethod
    def external_files(cls, config: Any) -> Sequence[Path | ExternalVersion]:
        """Returns the external files and versions that a result depends on.

        A path enters with the content of its file.
        """
        return ()

    @classmethod
    def external_versions(
        cls, config: Any, inputs: Mapping[str, Any]
    ) -> list[ExternalVersion]:
        """Returns the versions that earlier runs made and a result depends on.

        Args:
            config: the component's.
            inputs: the digest of every input, or a mapping of them.
        """
        return []

    @classmethod
    def render_run(
        cls, summary: Mapping[str, Any], outputs: Mapping[str, Artifact]
    ) -> str | None:
        """Returns the HTML page of a run; None from components that render no page.

        Args:
            summary: the run's ``summary.json``.
            outputs: the node's artifacts; empty if it did not finish.
        """
        return None

    @classmethod
    def execute(
        cls,
        *,
        config: Any,
        inputs: Mapping[str, Artifact | Mapping[str, Artifact]],
        outputs: Mapping[str, Artifact],
        context: Context | None = None,
    ) -> None:
        """Verifies the inputs and runs the executor. Every runner ends here.

        Raises:
            IntegrityError: an input differs from its manifest.
            TextmillError: as the executor raises.
        """
        context = context or Context()
        context.report({"phase": "reading"})
        for value in inputs.values():
            for artifact in value.values() if isinstance(value, Mapping) else [value]:
                artifact.verify()
        none: dict[str, Any] = {
            name: {} for name, port in cls.contract.inputs.items() if port.many
        }
        extra = {"context": context} if cls.contract.takes_context else {}
        context.report({"phase": "running"})
        cls.executor(config=config, **(none | dict(inputs)), **outputs, **extra)


def channels(wire: Wire) -> Iterator[Channel]:
    """Yields the channels of a wire."""
    if isinstance(wire, Channel):
        yield wire
    elif wire is not None:
        yield from wire.values()
