"""Remote files: what Beam's file systems know of a URL, and its bytes.

Beam is imported when the first URL is met: planning over local files never loads it.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from textmill.models.errors import ConfigError, RemoteError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NEEDED = {
    "gs": ("google.cloud.storage", "install textmill[vertex], or apache-beam[gcp]"),
    "s3": ("boto3", "install apache-beam[aws]"),
    "azfs": ("azure.storage.blob", "install apache-beam[azure]"),
    "hdfs": ("hdfs", "install apache-beam[hadoop]"),
}
"""The library behind a scheme: Beam registers most of them without it."""
_REQUESTS_AT_ONCE = 16
_COPIED_BYTES = 8 << 20


class RemoteFile(NamedTuple):
    """A file behind a scheme: where it is, its size, and what changes with it."""

    url: str
    size: int
    identity: str


def is_remote(path: str) -> bool:
    """Whether a path is a URL of another scheme than file://."""
    found = _URL.match(path)
    return found is not None and found[1] != "file"


def match(pattern: str) -> list[RemoteFile]:
    """Returns the files of a URL or glob, without reading any.

    Raises:
        ConfigError: no installed file system knows the scheme.
        RemoteError: the file system does not answer.
    """
    system = _file_system(pattern)
    with _answering(pattern):
        [found] = system.match([pattern])
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            return list(pool.map(lambda file: _describe(system, file), _files(found)))


def _files(found: Any) -> Iterator[Any]:
    for file in found.metadata_list:
        if not file.path.endswith("/"):  # a marker that stands for a folder
            yield file


def _describe(system: Any, file: Any) -> RemoteFile:
    """Identifies a file by its checksum, or its time where that says only its size."""
    size = int(file.size_in_bytes)
    checksum = str(system.checksum(file.path) or "")
    told = checksum not in ("", str(size))
    what = checksum if told else file.last_updated_in_seconds
    return RemoteFile(file.path, size, f"{size} {what}")


def open_file(url: str) -> tuple[BinaryIO, int]:
    """Opens a file, and returns its size in bytes too.

    Raises:
        RemoteError: the file system does not answer.
    """
    from apache_beam.io.filesystem import CompressionTypes

    system = _file_system(url)
    with _answering(url):
        size = int(system.size(url))
        file = system.open(url, compression_type=CompressionTypes.UNCOMPRESSED)
        return cast(BinaryIO, file), size


def download(url: str, target: Path) -> None:
    """Copies a remote file to this machine, where it appears when it is whole.

    Raises:
        RemoteError: the file system does not answer.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        file, _ = open_file(url)
        with file, draft.open("wb") as copy, _answering(url):
            shutil.copyfileobj(file, copy, _COPIED_BYTES)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def upload(source: Path, url: str) -> None:
    """Copies a file of this machine to a URL.

    Raises:
        RemoteError: the file system does not answer.
    """
    from apache_beam.io.filesystem import CompressionTypes

    system = _file_system(url)
    with source.open("rb") as file, _answering(url):
        options = {"compression_type": CompressionTypes.UNCOMPRESSED}
        with system.create(url, "application/octet-stream", **options) as target:
            shutil.copyfileobj(file, target, _COPIED_BYTES)


def remove(folder: str) -> None:
    """Removes all files below a URL, if there are any.

    Raises:
        RemoteError: the file system does not answer.
    """
    system = _file_system(folder)
    with _answering(folder):
        [found] = system.match([f"{folder}/**"])
        if names := [file.path for file in found.metadata_list]:
            system.delete(names)


def is_seekable(url: str) -> bool:
    """Whether a file can be read from its middle."""
    file, _ = open_file(url)
    with file:
        return file.seekable()


def _file_system(url: str) -> Any:
    from apache_beam.io.filesystem import FileSystem
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    scheme = url.partition("://")[0]
    registered = {system.scheme() for system in FileSystem.get_all_subclasses()}
    known = sorted(name for name in registered if name and _is_installed(name))
    if scheme not in known:
        what_next = "copy the files to this machine first"
        if scheme in _NEEDED:
            what_next = _NEEDED[scheme][1]
        raise ConfigError(
            f"{url}: expected a path or one of the schemes "
            f"{', '.join(['file', *known])}, got the scheme {scheme}://; {what_next}"
        )
    with _answering(url):
        # A running pipeline has set them; some file systems do not start without.
        if FileSystems._pipeline_options is None:
            FileSystems.set_options(PipelineOptions([]))
        return FileSystems.get_filesystem(url)


def _is_installed(scheme: str) -> bool:
    library = _NEEDED[scheme][0] if scheme in _NEEDED else "apache_beam"
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Words whatever a file system raises: every one has errors of its own."""
    try:
        yield
    except Exception as error:
        details = getattr(error, "exception_details", None)
        cause = next(iter(details.values()), error) if details else error
        raise RemoteError(
            f"{url}: the file system answers {cause!r}; check the address, your "
            "rights and the network, then run again"
        ) from error
