"""Resolves {SPAN}, {VERSION} and dates in file names to the newest ones.

As in TFX's ExampleGen: the newest span, and of it the newest version. Several patterns
must all have the span and version, so that a span that is still arriving is not read.
"""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.errors import ConfigError

_DATE = ("YYYY", "MM", "DD")
_TOKENS = {
    "SPAN": "[0-9]{1,18}",
    "VERSION": "[0-9]{1,18}",
    "YYYY": "[0-9]{4}",
    "MM": "0[1-9]|1[0-2]",
    "DD": "0[1-9]|[12][0-9]|3[01]",
}
_TOKEN = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)\}")
_PART = re.compile(r"(\{(?:SPAN|VERSION|YYYY|MM|DD)\}|\*\*/|\*\*|\*|\?|\[!?\]?[^]]*\])")
_GLOB = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_NUM_SHOWN = 5

SpanKey = tuple[int, ...]
"""A number, or the parts of a date from the year on."""
Spellings = Mapping[SpanKey, Mapping[int | None, set[tuple[tuple[str, str], ...]]]]
"""By span and version, the values of the tokens in the files of one pattern."""


class Resolution(NamedTuple):
    """The values of the tokens of a source's patterns."""

    values: dict[str, str | int]
    """``{"span": 7, "version": 2}``; empty where no pattern holds a token."""
    patterns: dict[str, str]
    """The resolved glob of every pattern with a token."""


def resolve(source: SourceConfig, find: Callable[[str], Iterable[str]]) -> Resolution:
    """Chooses the newest span and version, or those that the source pins.

    Args:
        source: the patterns, and perhaps a pinned span and version.
        find: returns the paths that a glob matches.

    Raises:
        ConfigError: no file has them; the message names the nearest ones.
    """
    patterns = [pattern for pattern in source.patterns if _TOKEN.search(pattern)]
    if not patterns:
        return Resolution({}, {})
    spellings = {pattern: _spellings(pattern, find) for pattern in patterns}
    spans = set.intersection(*(set(spans) for spans in spellings.values()))
    pinned = None if source.span is None else _parse(source.span)
    span = _choose("span", pinned, spans, patterns)
    versions = [
        set(by_span[span])
        for by_span in spellings.values()
        if None not in by_span[span]
    ]
    version = None
    if versions:
        numbers = {(v,) for v in set.intersection(*versions) if v is not None}
        wanted = None if source.version is None else (source.version,)
        noun = f"version of span {_show(span)}"
        [version] = _choose(noun, wanted, numbers, patterns)
    values: dict[str, str | int] = {"span": _show(span)}
    if version is not None:
        values["version"] = version
    resolved = {}
    for pattern, by_span in spellings.items():
        of_span = by_span[span]
        resolved[pattern] = _fill(
            pattern, of_span[None if None in of_span else version]
        )
    return Resolution(values, resolved)


def escape_folders(pattern: str) -> str:
    """Escapes brackets in the leading folders of a glob that exist as written."""
    if "[" not in pattern:
        return pattern
    folder, escaped = "", []
    *parents, name = pattern.split("/")
    for parent in parents:
        folder += f"{parent}/"
        is_literal = "[" in parent and os.path.isdir(folder)
        escaped.append(glob.escape(parent) if is_literal else parent)
    return "/".join([*escaped, name])


def _spellings(pattern: str, find: Callable[[str], Iterable[str]]) -> Spellings:
    pattern = escape_folders(pattern.removeprefix("file://"))
    expression = _expression(pattern)
    spellings: dict[SpanKey, dict[int | None, set[tuple[tuple[str, str], ...]]]]
    spellings = defaultdict(lambda: defaultdict(set))
    for path in find(_TOKEN.sub("*", pattern)):
        if match := expression.fullmatch(path):
            values = match.groupdict()
            names = ("SPAN",) if "SPAN" in values else _DATE
            span = tuple(int(values[name]) for name in names if name in values)
            version = int(values["VERSION"]) if "VERSION" in values else None
            spellings[span][version].add(tuple(values.items()))
    if not spellings:
        raise ConfigError(
            f"{pattern}: no file matches the pattern with digits in place of the braces"
        )
    return spellings


def _expression(pattern: str) -> re.Pattern[str]:
    parts, seen = [], set()
    for part in _PART.split(pattern):
        if token := _TOKEN.fullmatch(part):
            name = token[1]
            again = name in seen
            parts.append(f"(?P={name})" if again else f"(?P<{name}>{_TOKENS[name]})")
            seen.add(name)
        elif part.startswith("[") and _PART.fullmatch(part):
            inside = part[1:-1].removeprefix("!")
            inside = re.sub(r"([][\\^&~|])", r"\\\1", inside)
            parts.append(f"[^{inside}]" if part[1] == "!" else f"[{inside}]")
        else:
            parts.append(_GLOB.get(part) or re.escape(part))
    return re.compile("".join(parts), re.DOTALL)


def _choose(
    noun: str, wanted: SpanKey | None, available: set[SpanKey], patterns: list[str]
) -> SpanKey:
    where = " and ".join(patterns)
    if not available:
        raise ConfigError(f"{where}: no {noun} is in all of these patterns")
    if wanted is None:
        return max(available)
    if wanted in available:
        return wanted
    number = _number(wanted)
    nearest = sorted(available, key=lambda span: abs(_number(span) - number))
    shown = ", ".join(str(_show(span)) for span in sorted(nearest[:_NUM_SHOWN]))
    more = (
        f" and {len(available) - _NUM_SHOWN} more"
        if len(available) > _NUM_SHOWN
        else ""
    )
    raise ConfigError(
        f"{where}: expected an existing {noun}, got {_show(wanted)}; "
        f"there {'is' if len(available) == 1 else 'are'} {shown}{more}"
    )


def _fill(pattern: str, spellings: set[tuple[tuple[str, str], ...]]) -> str:
    if len(spellings) > 1:
        forms = " and ".join(sorted("-".join(dict(s).values()) for s in spellings))
        raise ConfigError(f"{pattern}: one span is written {forms}; keep one of them")
    [spelling] = spellings
    values = dict(spelling)
    return _TOKEN.sub(lambda token: values[token[1]], pattern)


def _parse(span: int | str) -> SpanKey:
    if isinstance(span, int):
        return (span,)
    return tuple(int(part) for part in span.split("-"))


def _show(span: SpanKey) -> str | int:
    """Returns a span as a user writes it; a lone year is a number."""
    year, *others = span
    return "-".join([str(year), *(f"{part:02}" for part in others)]) if others else year


def _number(span: SpanKey) -> int:
    total = 0
    for part in span:
        total = total * 100 + part
    return total
