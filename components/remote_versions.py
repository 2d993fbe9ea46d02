"""Versions of a pushed stage in a bucket, with the layout of a local folder.

A version's files are uploaded before its ``saved_model.pb``, which is created only if
there is none: a reader sees a complete version or no model.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from textmill.components import filesystem
from textmill.components.artifacts import PushedVersion
from textmill.components.manifest import MANIFEST, list_files
from textmill.components.versions import POINTER, Pointer, read_pointer, write_pointer
from textmill.models.errors import RemoteError


def remote_numbers(url: str) -> dict[int, bool]:
    """Returns the numbers of a bucket folder's versions; True for complete ones."""
    is_complete: dict[int, bool] = {}
    for file in filesystem.find(url):
        number, _, name = file.url.removeprefix(f"{url.rstrip('/')}/").partition("/")
        if number.isdecimal():
            is_model = name == PushedVersion.MODEL
            is_complete[int(number)] = is_model or is_complete.get(int(number), False)
    return is_complete


def upload_version(version: Path, url: str, *, keep: int | None) -> None:
    """Uploads a sealed version unless it is there, and points to it.

    Args:
        version: the local folder, named by its number.
        url: the stage's folder in a bucket.
        keep: number of versions to keep; None keeps all.

    Raises:
        RemoteError: the store does not answer, or another run has pushed this version.
    """
    url = url.rstrip("/")
    target = f"{url}/{version.name}"
    if not remote_numbers(url).get(int(version.name), False):
        names = [n for n in list_files(version) if n != PushedVersion.MODEL]
        for name in [MANIFEST, *names]:
            filesystem.upload(version / name, f"{target}/{name}")
        model = PushedVersion.MODEL
        if not filesystem.create(version / model, f"{target}/{model}"):
            raise RemoteError(
                f"{target}: another run has just pushed this version; run again to "
                "push the next"
            )
    current = _point(url, int(version.name))
    if keep is not None:
        _prune(url, keep, {current, int(version.name)})


def _point(url: str, number: int) -> int:
    """Points to a version, unless another one is pinned; returns the current one."""
    target = f"{url}/{POINTER}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if any(file.url == target for file in filesystem.find(url)):
            filesystem.download(target, path / POINTER)
            pointer = read_pointer(path)
            if pointer is not None and pointer.pinned:
                return pointer.version
        write_pointer(path, Pointer(version=number))
        filesystem.upload(path / POINTER, target)
    return number


def _prune(url: str, keep: int, needed: set[int]) -> None:
    """Deletes the oldest versions but ``keep``, their models first."""
    for number in sorted(remote_numbers(url), reverse=True)[keep:]:
        if number not in needed:
            files = [file.url for file in filesystem.find(f"{url}/{number}")]
            model = f"{url}/{number}/{PushedVersion.MODEL}"
            filesystem.delete([name for name in files if name == model])
            filesystem.delete([name for name in files if name != model])
