"""YAML for platforms: deterministic, with one meaning in YAML 1.1 and 1.2.

KFP reads YAML 1.1, in which ``no`` is false and ``1e3`` a text; so every text that
either version could read as something else is quoted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/_][\w./:=$@-]*[\w./$-]|[A-Za-z_]|--?[a-z]\w*|\.")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def dump(*documents: Mapping[str, Any]) -> str:
    """Returns documents as YAML, keys in the order given."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """Formats numbers: YAML 1.1 needs a point in one with an exponent."""

    def represent(representer: Any, number: float) -> Any:
        text = repr(number)
        text = text if "." in text else text.replace("e", ".0e")
        return representer.represent_scalar("tag:yaml.org,2002:float", text)

    Representer.add_representer(float, represent)
    yaml = YAML()
    yaml.Representer = Representer
    yaml.width = 4096
    stream = io.StringIO()
    for index, document in enumerate(documents):
        if index:
            stream.write("---\n")
        yaml.dump(_quoted(document), stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, Mapping):
        return {_quoted(str(key)): _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.endswith("\n") and value.isprintable() is False and "\n" in value[:-1]:
        return LiteralScalarString(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return DoubleQuotedScalarString(value)
