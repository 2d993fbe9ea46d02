"""Manifests: files, facts and hashes of an artifact, in ``manifest.json``.

The ``digest`` covers the content: the identity where the bytes are not stable, else
files and facts. The ``seal`` covers the whole manifest except where and when it was
written; readers check both. All that is written here survives a power cut.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 2
_CHUNK = 1 << 20
_UNSEALED = ("created", "seal")


def canonical_json(value: Any) -> bytes:
    """Returns the canonical JSON of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def sha256_file(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def list_files(folder: Path) -> list[str]:
    """Returns the relative paths of all files except the manifest, sorted."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path != folder / MANIFEST
    )


def content_digest(manifest: Mapping[str, Any]) -> str:
    """Returns the digest of a manifest's content: its identity, or else its files."""
    # The digest is of the content alone: a new field of the manifest leaves it.
    content = {"type": manifest["type"], "format": 1}
    if manifest["identity"] is not None:
        content["identity"] = manifest["identity"]
    else:
        content |= {"files": manifest["files"], "facts": manifest["facts"]}
    return hashlib.sha256(canonical_json(content)).hexdigest()


def manifest_seal(manifest: Mapping[str, Any]) -> str:
    """Returns the hash of a manifest without the place and time of its execution."""
    sealed = {name: manifest[name] for name in manifest if name not in _UNSEALED}
    return hashlib.sha256(canonical_json(sealed)).hexdigest()


def write_manifest(
    folder: Path,
    *,
    kind: str,
    facts: Mapping[str, Any],
    records: Mapping[str, int] = MappingProxyType({}),
    identity: Mapping[str, Any] | None = None,
    created: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Hashes the files of a folder, writes the manifest, and flushes all to disk."""
    names = list_files(folder)
    assert names, f"{folder}: the executor wrote no file"
    absent = sorted(set(records) - set(names))
    assert not absent, f"{folder}: records of files that are not there: {absent}"
    fields = {
        "type": kind,
        "format": MANIFEST_FORMAT,
        "identity": identity,
        "facts": facts,
        "files": [_describe(folder / name, name, records) for name in names],
    }
    manifest: dict[str, Any] = json.loads(canonical_json(fields))
    manifest["digest"] = content_digest(manifest)
    manifest["seal"] = manifest_seal(manifest)
    manifest["created"] = dict(created)
    write_flushed(folder / MANIFEST, manifest_bytes(manifest))
    flush_folders(folder)
    return manifest


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Returns the bytes of a manifest's file, the same for the same fields."""
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    return text.encode() + b"\n"


def write_flushed(path: Path, data: bytes) -> None:
    """Writes a file and flushes its bytes to disk; its name is not flushed."""
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def flush(path: Path) -> None:
    """Flushes a file's bytes, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folders(folder: Path) -> None:
    """Flushes the names in a folder and in all folders below it."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            flush(path)


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents, and flushes the names of the new ones."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in new:
        flush(path.parent)


def _describe(path: Path, name: str, records: Mapping[str, int]) -> dict[str, Any]:
    assert not path.is_symlink(), f"{path}: an artifact may hold no links"
    flush(path)
    entry = {"path": name, "size": path.stat().st_size, "sha256": sha256_file(path)}
    if name in records:
        entry["records"] = records[name]
    return entry
