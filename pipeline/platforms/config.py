"""Config of the platforms: Kubeflow, Vertex, and the resources of nodes on them.

None of it changes a result.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Any, Literal

from textmill.models.checks import NOT_NEGATIVE, Bounds, check_bounds

_MEMORY = re.compile(r"[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|K|M|G|T)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[\w.-]+/[\w.-]+|projects/[\w-]+/secrets/[\w-]+/versions/\w+")
_MULTIPLES = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_MULTIPLES |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Resources and environment of a node; the platform's defaults hold if unset."""

    cpu: Annotated[float, Bounds(above=0, below=10_000)] | None = None
    """Cores, at most."""
    memory: str | None = None
    """Memory, at most, as Kubernetes writes it: ``16Gi``."""
    accelerator: str | None = None
    """The kind of accelerator: ``nvidia.com/gpu`` on Kubeflow,
    ``NVIDIA_TESLA_T4`` on Vertex."""
    accelerators: Annotated[int, Bounds(at_least=1, at_most=1_000)] = 1
    """Number of accelerators, if a kind is given."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Kubeflow: labels of the machines that may run the node."""
    machine_type: str | None = None
    """Vertex: the machine type of a custom training job; needed with ``machines``."""
    machines: Annotated[int, Bounds(at_least=1, at_most=10_000)] = 1
    """Training only: machines that train one model together (run.strategy:
    multi_worker); the first one is the chief, which writes."""
    retries: Annotated[int, NOT_NEGATIVE] = 0
    """Number of retries after a failure."""
    timeout: Annotated[int, Bounds(at_least=1)] | None = None
    """Seconds after which the node is stopped; training saves a checkpoint first."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, visible to everybody who can see the pipeline."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Environment variables whose values the platform stores: ``secret/key`` of
    Kubernetes, or ``projects/P/secrets/S/versions/V`` of Secret Manager on Vertex."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.memory is not None and not _MEMORY.fullmatch(self.memory):
            raise ValueError(f"memory such as 16Gi, got {self.memory!r}")
        for name in (*self.env, *self.secrets):
            if not _NAME.fullmatch(name):
                raise ValueError(f"names of environment variables, got {name!r}")
        for reference in self.secrets.values():
            if not _SECRET.fullmatch(reference):
                raise ValueError(
                    "secrets as secret/key or projects/P/secrets/S/versions/V, "
                    "never a value"
                )

    @property
    def gigabytes(self) -> float | None:
        """The memory in units of 1e9 bytes."""
        match = _MEMORY.fullmatch(self.memory or "")
        if match is None or self.memory is None:
            return None
        unit = match[2]
        return float(self.memory.removesuffix(unit)) * _MULTIPLES[unit] / 1e9


@dataclass(frozen=True, kw_only=True)
class KubeflowConfig:
    """A Kubeflow Pipelines host."""

    host: str | None = None
    """The address. Not set: the cluster that the command runs in."""
    token: str | None = None
    """A bearer token, as ``${env:NAME}``. Not set: the cluster's own login."""
    namespace: str | None = None
    """The namespace of the profile, on a multi-user host."""
    experiment: str | None = None
    """The experiment of the runs. Not set: the pipeline's name."""
    service_account: str | None = None
    """The Kubernetes service account of the pods."""
    volume: str | None = None
    """A volume claim that every pod mounts at ``mount``: a root without a bucket."""
    mount: str = "/mnt/textmill"
    """The path of the volume in the pods."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the pods."""

    def __post_init__(self) -> None:
        if self.token is not None and not self.token.startswith("${env:"):
            raise ValueError("token as ${env:NAME}, never a value")


@dataclass(frozen=True, kw_only=True)
class VertexConfig:
    """A Vertex AI project and region."""

    project: str | None = None
    """The Google Cloud project."""
    location: str = "us-central1"
    """The region."""
    endpoint: str | None = None
    """Another address of the service, for example a private one."""
    service_account: str | None = None
    """The service account of the steps. Not set: Compute Engine's default."""
    network: str | None = None
    """The full name of the network to peer with: ``projects/N/global/networks/X``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the run."""
    encryption_key: str | None = None
    """The full name of the key that encrypts the run's resources."""
    failure_policy: Literal["slow", "fast"] = "slow"
    """slow: branches without a failure run to their end; fast: everything stops."""
    tensorboard: str | None = None
    """The full name of the TensorBoard instance that receives training logs."""


def node_config(given: Mapping[str, NodeConfig], id: str) -> NodeConfig:
    """Returns a node's config, merged from ``all``, its step and the node itself.

    Args:
        given: ``run.nodes``, whose keys are ``all``, a step (``train``), a node with a
            slash for the dot (``train/library``) or one of its folds
            (``train/library/1``).
        id: the node's id.
    """
    merged: dict[str, Any] = {}
    for key in ("all", *accumulate(id.split("."), "{}/{}".format)):
        for knob in dataclasses.fields(NodeConfig) if key in given else ():
            value = getattr(given[key], knob.name)
            if isinstance(value, Mapping):
                merged[knob.name] = {**merged.get(knob.name, {}), **value}
            elif value != knob.default:
                merged[knob.name] = value
    return NodeConfig(**merged)
