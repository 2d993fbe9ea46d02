"""Secret scan: refuses compiled files that hold the value of a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.secrets import REFERENCE

_SHORTEST = 6
"""Shorter values occur in any text by chance."""
_SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASS|PWD|CREDENTIAL|API_?KEY|PRIVATE)")
_PATTERNS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a key of Amazon's": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    "a key of Google's": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a token of Google's": r"\bya29\.[0-9A-Za-z_-]{20,}",
    "a token of GitHub's": r"\b(gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{50,})",
    "a token of Hugging Face's": r"\bhf_[A-Za-z]{30,}\b",
    "a token of Slack's": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "a token of GitLab's": r"\bglpat-[\w-]{20,}",
    "a key of Anthropic's or OpenAI's": r"\bsk-[A-Za-z0-9_-]{20,}",
    "a password in a URL": r"://[^/\s:@{}]+:[^/\s@{}$]+@",
    "a web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
}


def check_no_secrets(text: str, loaded: LoadedConfig) -> None:
    """Checks a compiled file before it is written.

    Raises:
        ConfigError: the file holds a likely secret, or the value of a variable that the
            config refers to as one; the message gives its name, not its value.
    """
    secrets = [*_known_values(text, loaded), *_matches(text), *_env_names(loaded)]
    if secrets:
        raise ConfigError(
            f"compile: expected references to secrets only, found {secrets[0]}; write "
            "${env:NAME}, or name it in run.nodes.*.secrets"
        )


def _known_values(text: str, loaded: LoadedConfig) -> Iterator[str]:
    names = set(REFERENCE.findall(repr(loaded.raw)))
    for resources in loaded.config.run.nodes.values():
        names |= set(resources.secrets)
    for name in sorted(names | {n for n in os.environ if _SECRET_NAME.search(n)}):
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST and value in text:
            yield f"the value of the environment variable {name}"


def _matches(text: str) -> Iterator[str]:
    for kind, pattern in _PATTERNS.items():
        if re.search(pattern, text):
            yield f"what looks like {kind}"


def _env_names(loaded: LoadedConfig) -> Iterator[str]:
    for key, resources in loaded.config.run.nodes.items():
        env: Mapping[str, str] = resources.env
        for name in sorted(env):
            if _SECRET_NAME.search(name.upper()):
                yield f"a value in run.nodes.{key}.env.{name}, whose name says secret"
