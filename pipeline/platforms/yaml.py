"""YAML for engines: the same bytes for the same values, read alike by YAML 1.1 and 1.2.

KFP reads its files by the rules of YAML 1.1, where ``no`` is false and ``1e3`` a text;
so a text that either version could take for something else is quoted.
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
        """Spells numbers: one with an exponent needs a point, to YAML 1.1."""

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
        yaml.dump(_spelt(document), stream)
    return stream.getvalue()


def _spelt(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, Mapping):
        return {_spelt(str(key)): _spelt(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_spelt(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.endswith("\n") and value.isprintable() is False and "\n" in value[:-1]:
        return LiteralScalarString(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return DoubleQuotedScalarString(value)
