"""Provenance of a pushed version: an in-toto statement with SLSA's predicate.

Its subjects are all files of the version; its predicate names everything that the model
was made from by digest: source files, data, vocabulary, configs, code and libraries
(https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import PushedVersion, ServingModel, write_json
from textmill.components.manifest import (
    MANIFEST,
    canonical_json,
    list_files,
    manifest_bytes,
    sha256_file,
)
from textmill.components.signatures import (
    PUBLIC_SUFFIX,
    open_envelope,
    read_private,
    read_public,
    seal_statement,
    signer,
)
from textmill.models.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILE = "assets.extra/provenance.intoto.json"
KEYS = "keys"
"""Folder of a root with the key that signs, and the public keys that are trusted."""
SIGNING_KEY = f"{KEYS}/push.pem"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:textmill:pipeline:v1"


@dataclass(frozen=True)
class Verification:
    """The result of the checks of a pushed version."""

    files: int
    signed_by: tuple[str, ...]
    """Ids of the keys that claim to have signed it."""
    trusted: str | None
    """The one whose signature was checked; None without trusted keys."""


def write_provenance(
    folder: Path,
    *,
    lineage: Sequence[Mapping[str, Any]],
    finished: str,
    key: Path | None,
) -> None:
    """Writes the statement of a version's files, signed if there is a key."""
    statement = {
        "_type": _STATEMENT,
        "subject": _subjects(folder),
        "predicateType": _PREDICATE,
        "predicate": _predicate(lineage, finished),
    }
    private = None if key is None else read_private(key)
    write_json(folder / FILE, seal_statement(statement, private))


def _subjects(folder: Path) -> list[dict[str, Any]]:
    return [
        {"name": name, "digest": {"sha256": sha256_file(folder / name)}}
        for name in list_files(folder)
        if name != FILE
    ]


def _predicate(lineage: Sequence[Mapping[str, Any]], finished: str) -> dict[str, Any]:
    dependencies: dict[str, dict[str, Any]] = {}
    libraries: dict[str, str] = {}
    for step in lineage:
        for name, digest in step["files"].items():
            dependencies[name] = {"name": name, "digest": _digest(digest)}
        for name, digest in step["outputs"].items():
            output = f"{step['node']}/{name}"
            dependencies[output] = {"name": output, "digest": _digest(digest)}
        libraries |= step["libraries"]
    packages = [
        {"name": name, "uri": f"pkg:pypi/{name.lower()}@{version}"}
        for name, version in sorted(libraries.items())
    ]
    code = {step["node"]: _sha256(step["code"]) for step in lineage}
    return {
        "buildDefinition": {
            "buildType": _BUILD,
            "externalParameters": {s["node"]: s["config"] for s in lineage},
            "internalParameters": {"code": code},
            "resolvedDependencies": [
                *(dependencies[name] for name in sorted(dependencies)),
                *packages,
            ],
        },
        "runDetails": {
            "builder": {"id": _BUILD},
            "metadata": {"finishedOn": finished},
        },
    }


def _digest(value: str) -> dict[str, str]:
    """Returns a digest set; a version of a remote file is not a hash."""
    is_hash = len(value) == 64 and not set(value) - set("0123456789abcdef")
    return {"sha256": value} if is_hash else {"sha256": _sha256(value)}


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def trusted_keys(folder: Path) -> list[Path]:
    """Returns the public keys of the root that a version lies in, if there are any.

    Args:
        folder: ``<root>/pushed/<stage>/<version>``, or a copy elsewhere.
    """
    stage = folder.absolute().parent
    if stage.parent.name != "pushed":
        return []
    return sorted((stage.parents[1] / KEYS).glob(f"*{PUBLIC_SUFFIX}"))


def verify_saved_model(folder: Path) -> None:
    """Compares a SavedModel with its manifest.

    Args:
        folder: a pushed version, or ``saved_model`` of a serving model.

    Raises:
        ConfigError: it has none.
        IntegrityError: a file differs, or a version in a root lacks its signature.
    """
    if (folder / MANIFEST).is_file():
        verify_version(folder, trusted_keys(folder))
    elif (folder.parent / MANIFEST).is_file():
        ServingModel(folder.parent).verify()
    else:
        raise ConfigError(
            f"{folder}: expected a SavedModel with a manifest of Textmill, got none; a "
            "graph can read and write files: load it with --trust (trust=True) only if "
            "you know who made it"
        )


def verify_version(folder: Path, keys: Iterable[Path] = ()) -> Verification:
    """Checks a version's files, manifest, statement and signature.

    Args:
        folder: the version.
        keys: public keys, one of which must have signed; none leaves that open.

    Raises:
        ConfigError: a key cannot be read.
        IntegrityError: a file differs, or no trusted key has signed.
    """
    version = PushedVersion(folder)
    version.verify()
    _check_form(version)
    trusted = [read_public(path) for path in keys]
    if not version.files(FILE):
        if trusted:
            raise IntegrityError(
                f"{folder}: expected a signature, the version has no {FILE}; it was "
                "pushed by an older Textmill or altered: push it again"
            )
        return Verification(len(version.manifest["files"]), (), None)
    statement, payload, signatures = open_envelope(folder / FILE)
    _check_subjects(version, statement)
    ids = tuple(signature["keyid"] for signature in signatures)
    return Verification(
        len(version.manifest["files"]),
        ids,
        _check_signer(folder, payload, signatures, trusted),
    )


def _check_form(version: PushedVersion) -> None:
    """Compares the bytes of the manifest with those that its fields have."""
    path = version.path / MANIFEST
    is_same = path.read_bytes() == manifest_bytes(version.manifest)
    if not is_same or version.manifest["created"]:
        raise IntegrityError(f"{path}: was altered after the push; push again")


def _check_subjects(version: PushedVersion, statement: Mapping[str, Any]) -> None:
    """Compares the files of a statement with those of the manifest."""
    listed = {
        file["path"]: file["sha256"]
        for file in version.manifest["files"]
        if file["path"] != FILE
    }
    try:
        stated = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    except (KeyError, TypeError):
        stated = {}
    if stated != listed:
        changed = sorted(dict(set(stated.items()) ^ set(listed.items())))
        raise IntegrityError(
            f"{version.path}: the signed statement is of other files than "
            f"{MANIFEST}: {', '.join(changed[:3]) or FILE}; push the model again"
        )


def _check_signer(
    folder: Path,
    payload: bytes,
    signatures: Sequence[Mapping[str, str]],
    trusted: Sequence[Ed25519PublicKey],
) -> str | None:
    if not trusted:
        return None
    if (key := signer(payload, signatures, trusted)) is None:
        ids = ", ".join(signature["keyid"][:12] for signature in signatures)
        raise IntegrityError(
            f"{folder}: expected a signature by a trusted key, got "
            f"{f'one by {ids}' if ids else 'none'}; push the model again, or add the "
            "public key of who signed it"
        )
    return key
