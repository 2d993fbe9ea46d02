"""Buckets: objects behind gs:// and s3://, through the one small interface used here.

The clients read their credentials and endpoints as they always do: Google's from the
application default credentials (``STORAGE_EMULATOR_HOST`` names another server),
Amazon's from its environment variables and files (``AWS_ENDPOINT_URL``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from textmill.models.errors import ConfigError, MachineError, RemoteError

_URL = re.compile(r"(gs|s3)://([\w.-]+)(?:/(.*))?")
_EXISTS = (409, 412)


class Bucket(Protocol):
    """What a bucket can do; names are whole, without the bucket's own."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Returns the sizes of all objects whose name starts so."""

    def download(self, name: str, file: Path) -> None:
        """Reads an object into a file."""

    def upload(self, name: str, file: Path, *, only_new: bool) -> bool:
        """Writes a file to an object; False where there is one and must be none."""

    def delete(self, name: str) -> None:
        """Removes an object, if it is there."""


def open_bucket(url: str) -> tuple[Bucket, str]:
    """Returns the bucket of a URL, and the prefix that the URL goes on with.

    Raises:
        ConfigError: the scheme is another one, or its library is not installed.
    """
    if (found := _URL.fullmatch(url)) is None:
        raise ConfigError(
            f"{url}: expected a path, gs://bucket/folder or s3://bucket/folder"
        )
    kind = _Gcs if found[1] == "gs" else _S3
    prefix = (found[3] or "").strip("/")
    with _answering(url):
        return kind(found[2]), f"{prefix}/" if prefix else ""


class _Gcs:
    def __init__(self, name: str) -> None:
        try:
            from google.cloud import storage
        except ImportError:
            raise ConfigError(
                f"gs://{name}: needs google-cloud-storage; install textmill[vertex]"
            ) from None
        self._client = storage.Client()
        self._bucket = self._client.bucket(name)

    def sizes(self, prefix: str) -> dict[str, int]:
        with _answering(f"gs://{self._bucket.name}/{prefix}"):
            blobs = self._client.list_blobs(self._bucket, prefix=prefix)
            return {blob.name: int(blob.size) for blob in blobs}

    def download(self, name: str, file: Path) -> None:
        with _answering(f"gs://{self._bucket.name}/{name}"):
            self._bucket.blob(name).download_to_filename(str(file))

    def upload(self, name: str, file: Path, *, only_new: bool) -> bool:
        with _answering(f"gs://{self._bucket.name}/{name}"):
            try:
                self._bucket.blob(name).upload_from_filename(
                    str(file), if_generation_match=0 if only_new else None
                )
            except Exception as error:
                if only_new and getattr(error, "code", None) in _EXISTS:
                    return False
                raise
            return True

    def delete(self, name: str) -> None:
        with _answering(f"gs://{self._bucket.name}/{name}"):
            self._bucket.delete_blobs([name], on_error=lambda blob: None)


class _S3:
    def __init__(self, name: str) -> None:
        try:
            import boto3
        except ImportError:
            raise ConfigError(
                f"s3://{name}: needs boto3; install textmill[s3]"
            ) from None
        self._name, self._client = name, boto3.client("s3")

    def sizes(self, prefix: str) -> dict[str, int]:
        with _answering(f"s3://{self._name}/{prefix}"):
            pages = self._client.get_paginator("list_objects_v2")
            return {
                item["Key"]: int(item["Size"])
                for page in pages.paginate(Bucket=self._name, Prefix=prefix)
                for item in page.get("Contents", ())
            }

    def download(self, name: str, file: Path) -> None:
        with _answering(f"s3://{self._name}/{name}"):
            self._client.download_file(self._name, name, str(file))

    def upload(self, name: str, file: Path, *, only_new: bool) -> bool:
        with _answering(f"s3://{self._name}/{name}"):
            if not only_new:
                self._client.upload_file(str(file), self._name, name)
                return True
            try:
                with file.open("rb") as stream:
                    self._client.put_object(
                        Bucket=self._name, Key=name, Body=stream, IfNoneMatch="*"
                    )
            except Exception as error:
                said: Any = getattr(error, "response", {})
                if said.get("ResponseMetadata", {}).get("HTTPStatusCode") in _EXISTS:
                    return False
                raise
            return True

    def delete(self, name: str) -> None:
        with _answering(f"s3://{self._name}/{name}"):
            self._client.delete_object(Bucket=self._name, Key=name)


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Words what a client raises: the clients have tried again already.

    Raises:
        RemoteError: the bucket does not answer, or refuses.
        MachineError: this machine's disk refuses.
    """
    try:
        yield
    except ConfigError:
        raise
    except OSError as error:
        if error.filename is None:
            raise _refusal(url, error) from error
        raise MachineError(
            f"{error.filename}: {error.strerror}; make room or allow it, then run again"
        ) from error
    except Exception as error:
        raise _refusal(url, error) from error


def _refusal(url: str, error: Exception) -> RemoteError:
    what = f"{type(error).__name__}: {error}".partition("\n")[0]
    return RemoteError(
        f"{url}: the bucket answers {what}; check the address, your rights and the "
        "network, then run again"
    )
