"""Signed statements: Ed25519 signatures in DSSE envelopes, the form of in-toto.

An envelope holds a statement as base64 and the signatures of its pre-authentication
encoding (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md). Keys are
PEM files, as ``openssl genpkey -algorithm ed25519`` writes them; a key's id is the
SHA-256 of its public part in DER.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.manifest import canonical_json, flush, make_folder
from textmill.models.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PUBLIC_SUFFIX = ".pub"
_EXPECTED = "an Ed25519 key in PEM (openssl genpkey -algorithm ed25519)"


def create_key(path: Path) -> None:
    """Writes a private key, readable by its owner alone, unless the file exists.

    Its public part is next to it, with the ending ``.pub``.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    if path.exists():
        return
    make_folder(path.parent)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_private(path, pem)
    public = path.with_suffix(PUBLIC_SUFFIX)
    public.write_bytes(_to_pem(read_private(path).public_key()))
    flush(public)
    flush(path.parent)


def _write_private(path: Path, data: bytes) -> None:
    """Writes a file for its owner, complete or not at all; the first of two wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not path.exists():
            draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def read_private(path: Path) -> Ed25519PrivateKey:
    """Returns the private key of a PEM file.

    Raises:
        ConfigError: the file is missing or holds another kind of key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: expected {_EXPECTED}: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: expected {_EXPECTED}, got {type(key).__name__}")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """Returns the public key of a PEM file, or the public part of a private one.

    Raises:
        ConfigError: the file is missing or holds another kind of key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        data = path.read_bytes()
        if b"PRIVATE KEY" in data:
            return read_private(path).public_key()
        key = load_pem_public_key(data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: expected {_EXPECTED}: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path}: expected {_EXPECTED}, got {type(key).__name__}")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Returns the hexadecimal SHA-256 of a public key in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _to_pem(key: Ed25519PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def seal_statement(
    statement: Mapping[str, Any], key: Ed25519PrivateKey | None
) -> dict[str, Any]:
    """Returns the envelope of a statement, signed if there is a key."""
    payload = canonical_json(statement)
    signatures = []
    if key is not None:
        signature = base64.b64encode(key.sign(_encoded(payload))).decode()
        signatures.append({"keyid": key_id(key.public_key()), "sig": signature})
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": signatures,
    }


def open_envelope(path: Path) -> tuple[dict[str, Any], bytes, list[dict[str, str]]]:
    """Returns the statement in an envelope, as bytes too, and its signatures.

    Raises:
        IntegrityError: the file does not hold a statement.
    """
    try:
        envelope = json.loads(path.read_bytes())
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"payload type {envelope['payloadType']!r}")
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [
            {name: str(signature[name]) for name in ("keyid", "sig")}
            for signature in envelope["signatures"]
        ]
        return json.loads(payload), payload, signatures
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path}: not a signed statement: {error}") from None


def signer(
    payload: bytes,
    signatures: Iterable[Mapping[str, str]],
    trusted: Iterable[Ed25519PublicKey],
) -> str | None:
    """Returns the id of the first trusted key with a valid signature, or None."""
    from cryptography.exceptions import InvalidSignature

    keys = {key_id(key): key for key in trusted}
    for signature in signatures:
        if (key := keys.get(signature["keyid"])) is None:
            continue
        try:
            key.verify(base64.b64decode(signature["sig"]), _encoded(payload))
        except (InvalidSignature, ValueError):
            continue
        return signature["keyid"]
    return None


def _encoded(payload: bytes) -> bytes:
    """Returns DSSE's pre-authentication encoding of a payload, which is signed."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
