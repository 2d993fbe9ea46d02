"""Secrets on Vertex: replaces references in environment variables by their values.

Kubernetes itself gives a container its secrets. Vertex does not, so a variable holds
``secretmanager://projects/P/secrets/S/versions/V`` until the container has started.
"""

from __future__ import annotations

import base64
import os

from textmill.models.errors import RemoteError

SCHEME = "secretmanager://"
_ENDPOINT = "https://secretmanager.googleapis.com"


def fetch_secrets() -> None:
    """Replaces every reference in this process' environment by the secret's value.

    Raises:
        RemoteError: a secret cannot be read.
    """
    for name, value in list(os.environ.items()):
        if value.startswith(SCHEME):
            os.environ[name] = _fetch(value.removeprefix(SCHEME))


def _fetch(secret: str) -> str:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    endpoint = os.environ.get("TEXTMILL_SECRET_MANAGER", _ENDPOINT)
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    try:
        credentials, _ = google.auth.default(scopes=scopes)
        session = AuthorizedSession(credentials)
        answer = session.get(f"{endpoint}/v1/{secret}:access", timeout=30)
        answer.raise_for_status()
        return base64.b64decode(answer.json()["payload"]["data"]).decode()
    except Exception as error:
        raise RemoteError(
            f"{secret}: cannot be read ({type(error).__name__}: {error}); allow the "
            "step's service account the role Secret Manager Secret Accessor"
        ) from error
