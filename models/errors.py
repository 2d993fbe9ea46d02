"""Errors that a user can act on, each with its exit code.

A message is one sentence: where, expected, received, next step. Any other exception
that escapes is a bug in Textmill and exits with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class TextmillError(Exception):
    """Base class: an error that the user can fix in the config, data or machine."""

    exit_code = 1


class ConfigError(TextmillError):
    """The command or the config is invalid."""

    exit_code = 2


class DataError(TextmillError):
    """The data contradicts the config."""

    exit_code = 3


class IntegrityError(TextmillError):
    """Stored bytes changed: a digest, size or manifest differs."""

    exit_code = 4


class MachineError(TextmillError):
    """The machine refuses: disk, memory, permission or lock."""

    exit_code = 5


class Diverged(TextmillError):
    """Training produced NaN or infinity."""

    exit_code = 6


class RemoteError(TextmillError):
    """A service on the network failed or refused."""

    exit_code = 7


class GateNotPassed(TextmillError):
    """A model did not pass its gate, and the command required that it does."""

    exit_code = 8


class Preempted(TextmillError):
    """Stopped by a signal after committing its state; the same command resumes."""

    exit_code = 75


class Violation(NamedTuple):
    """A rule that a part of a config breaks, found by the ``check`` of its class."""

    path: str
    """The key inside that part; dotted if it is deeper, empty for the part itself."""
    expected: str
    """What the rule expects."""
    got: Any = None
    """The value that breaks it."""
    hint: str = ""
    """The end of the message: the next step."""


def did_you_mean(word: str, choices: list[str] | tuple[str, ...]) -> str:
    """Returns ``; did you mean 'x'?``, or nothing if no choice is close."""
    import difflib

    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def one_of(words: Sequence[str]) -> str:
    """Returns ``a, b or c``."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
