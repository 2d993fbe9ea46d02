"""Remote files: the one layer over URLs such as gs:// and s3://, on fsspec.

Credentials and endpoints are read from the environment alone: Google's application
default credentials and ``STORAGE_EMULATOR_HOST``, Amazon's variables and files with
``AWS_ENDPOINT_URL``. Listings are never cached, because other machines write too.
fsspec is imported with the first URL: planning over local files never loads it.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from textmill.models.errors import ConfigError, MachineError, RemoteError, TextmillError

CONDITIONAL = ("gs", "s3")
"""The schemes whose stores create an object only if there is none, atomically."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PASSWORD = re.compile(r"[^/]*://[^/]*:[^/]*@")
_WILDCARD = re.compile(r"[*?[]")
_EXTRAS = {
    "gs": "install textmill[vertex]",
    "s3": "install textmill[s3]",
    "hdfs": "install pyarrow and Hadoop",
}
_VERSIONS = ("crc32c", "md5Hash", "ETag", "mtime", "created")
"""Keys of a file's description that change with its bytes, the best one first."""
_EXISTS = (409, 412)
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class RemoteFile(NamedTuple):
    """A file with a URL: its size in bytes, and a text that changes with its bytes."""

    url: str
    size: int
    identity: str


def is_remote(path: str) -> bool:
    """Returns whether a path is a URL of another scheme than file://."""
    match = _URL.match(path)
    return match is not None and match[1] != "file"


def match(pattern: str) -> list[RemoteFile]:
    """Returns the files of a URL or glob, sorted, without reading any.

    Raises:
        ConfigError: the scheme is not supported, or its library not installed.
        RemoteError: the file system does not answer.
    """
    from fsspec.utils import glob_translate

    system, path = _open_system(pattern)
    literal = _WILDCARD.split(path)[0]
    with _remote_errors(pattern):
        if literal == path:
            infos = []
            with suppress(FileNotFoundError):
                infos.append(system.info(path))
        else:
            folder, _, prefix = literal.rpartition("/")
            options = {"prefix": prefix} if prefix else {}
            infos = list(system.find(folder, detail=True, **options).values())
            is_match = re.compile(glob_translate(path)).match
            infos = [info for info in infos if is_match(info["name"])]
    return _describe(infos, pattern.removesuffix(path))


def find(folder: str) -> list[RemoteFile]:
    """Returns all files below a URL, sorted; none if the folder does not exist.

    Raises:
        ConfigError, RemoteError: as ``match``.
    """
    folder = folder.rstrip("/")
    system, path = _open_system(folder)
    with _remote_errors(folder):
        infos = system.find(path, detail=True).values()
    return _describe(infos, folder.removesuffix(path))


def _describe(infos: Any, scheme: str) -> list[RemoteFile]:
    """Returns the files among fsspec's descriptions, without markers of folders."""
    return sorted(
        RemoteFile(scheme + info["name"], int(info["size"]), _identity(info))
        for info in infos
        if info["type"] == "file" and not info["name"].endswith("/")
    )


def _identity(info: Mapping[str, Any]) -> str:
    for key in _VERSIONS:
        if version := info.get(key):
            return f"{info['size']} {version}"
    raise ConfigError(
        f"{info['name']}: expected a checksum or a time of change, the file system "
        "gives neither; copy the files to this machine first"
    )


def open_file(url: str) -> tuple[BinaryIO, int]:
    """Opens a file, and returns its size in bytes too.

    Raises:
        ConfigError, RemoteError: as ``match``.
    """
    system, path = _open_system(url)
    with _remote_errors(url):
        file = system.open(path, "rb")
        return cast(BinaryIO, file), int(file.size)


def is_seekable(url: str) -> bool:
    """Returns whether a file can be read from its middle."""
    file, _ = open_file(url)
    with file:
        return file.seekable()


def download(url: str, target: Path) -> None:
    """Copies a remote file to a local path, atomically by renaming.

    Raises:
        ConfigError, RemoteError: as ``match``.
        MachineError: the local disk is full or refuses.
    """
    system, path = _open_system(url)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with _remote_errors(url):
            target.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(path, str(draft))
            draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def upload(source: Path, url: str) -> None:
    """Copies a local file to a URL, in place of any file there.

    Object stores show the old or the new file, never a part of one.

    Raises:
        ConfigError, RemoteError: as ``match``.
        MachineError: the local file cannot be read.
    """
    system, path = _open_system(url)
    with _remote_errors(url):
        system.put_file(str(source), path)


def create(source: Path, url: str) -> bool:
    """Copies a local file to a URL unless a file is there; returns False if one is.

    Atomic on Cloud Storage (``ifGenerationMatch=0``) and on S3 (``If-None-Match: *``).
    A store with S3's interface that ignores this header overwrites: there, two runs
    that finish at once are not detected. Stores without a conditional write refuse.

    Raises:
        ConfigError: as ``match``, or the store has no conditional write.
        RemoteError, MachineError: as ``upload``.
    """
    check_conditional(url)
    system, path = _open_system(url)
    with _remote_errors(url):
        try:
            system.put_file(str(source), path, mode="create")
        except OSError as error:
            response = getattr(error.__cause__, "response", {})
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(error, FileExistsError) or status in _EXISTS:
                return False
            raise
    return True


def check_conditional(url: str) -> None:
    """Refuses a store that cannot create a file only if there is none.

    Raises:
        ConfigError: the scheme is none of ``CONDITIONAL``.
    """
    if url.partition("://")[0] not in CONDITIONAL:
        raise ConfigError(
            f"{url}: expected a path, gs://bucket/folder or s3://bucket/folder, whose "
            "stores detect that two runs write the same file"
        )


def delete(urls: list[str]) -> None:
    """Deletes files, and ignores those that are already gone.

    Raises:
        ConfigError, RemoteError: as ``match``.
    """
    if urls:
        system, _ = _open_system(urls[0])
        with _remote_errors(urls[0]), suppress(FileNotFoundError):
            system.rm(urls)


def _open_system(url: str) -> tuple[Any, str]:
    """Returns fsspec's file system of a URL, and the path in it."""
    import fsspec

    if _PASSWORD.match(url):
        raise ConfigError(
            "a URL with a password: expected credentials in the environment or in the "
            "library's own files, because URLs are logged and stored"
        )
    scheme = url.partition("://")[0]
    if scheme not in _EXTRAS and scheme not in fsspec.registry:
        raise ConfigError(
            f"{url}: expected a path or one of the schemes {', '.join(_EXTRAS)}, got "
            f"the scheme {scheme}://; copy the files to this machine first"
        )
    options: dict[str, Any] = {"use_listings_cache": False}
    try:
        if scheme == "gs":
            options |= _use_cloud_storage()
        with _remote_errors(url):
            return cast(tuple[Any, str], fsspec.url_to_fs(url, **options))
    except ImportError as error:
        raise ConfigError(
            f"{url}: expected the library of {scheme}://, got none ({error}); "
            f"{_EXTRAS.get(scheme, 'install it')}"
        ) from error


def _use_cloud_storage() -> dict[str, Any]:
    """Returns the options of gs://, and registers its plain implementation.

    The default one asks every bucket for its kind, by gRPC and with a right that
    accounts for objects do not have.
    """
    import fsspec
    from gcsfs.core import GCSFileSystem

    fsspec.register_implementation("gs", GCSFileSystem, clobber=True)
    # It logs errors with a traceback, although it raises them.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    return {"token": "anon"} if os.environ.get("STORAGE_EMULATOR_HOST") else {}


@contextmanager
def _remote_errors(url: str) -> Iterator[None]:
    """Context manager: converts exceptions of file systems, which have tried again.

    Raises:
        RemoteError: the file system does not answer, or refuses.
        MachineError: the local disk does.
    """
    try:
        yield
    except (TextmillError, ImportError):
        raise
    except Exception as error:
        is_local = isinstance(error, OSError) and (
            error.filename is not None or error.errno in _DISK_FULL
        )
        if is_local:
            raise MachineError(f"{error}; make room or allow it, then run again") from (
                error
            )
        cause = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise RemoteError(
            f"{url}: the file system answers {cause}; check the address, your rights "
            "and the network, then run again"
        ) from error
