"""Beam runners by name, without Beam: the default one, and the refused ones."""

from __future__ import annotations

DEFAULT_RUNNER = "FnApiRunner"
_REFUSED = ("direct", "switchingdirect", "prism")


def refusal(runner: str) -> str | None:
    """Returns the reason why a runner is refused, or None.

    Beam's DirectRunner tries Prism first.
    """
    if runner.rpartition(".")[2].lower().removesuffix("runner") in _REFUSED:
        return "it downloads the Prism program without a checksum or timeout"
    return None
