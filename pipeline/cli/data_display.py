"""Renders documents, profiles and differences for the terminal."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import SPLITS
from textmill.components.reporter.formats import size
from textmill.models.texts import TEXT_FIELDS, texts_of
from textmill.pipeline.progress import visible

if TYPE_CHECKING:
    from textmill.components.profiler.drift import Measure

# Control characters except tab and line feed; overrides of the writing direction.
_MAX_CHARACTERS = 2000
_MAX_ROWS = 20
_NUM_TERMS = 20


def render_document(document: Mapping[str, Any], *, around: str | None = None) -> str:
    """Returns a document: its id and columns on a line, then its texts.

    Args:
        document: the document.
        around: text in whose surroundings a long document is shown.
    """
    own = ("id", *TEXT_FIELDS)
    columns = [f"{k} {v}" for k, v in document.items() if k not in own]
    text = "\n\n".join(texts_of(document))
    start = 0
    if around is not None:
        offset = text.casefold().find(around.casefold())
        start = max(0, min(offset, len(text)) - _MAX_CHARACTERS // 2)
    shown = text[start : start + _MAX_CHARACTERS]
    if start:
        shown = f"[{start:,} characters before]\n{shown}"
    if (rest := len(text) - start - _MAX_CHARACTERS) > 0:
        shown += f"\n[{rest:,} characters more; --json prints all]"
    return (
        f"── {visible(' · '.join([str(document['id']), *columns]))}\n{visible(shown)}\n"
    )


def render_profile(profile: Mapping[str, Any], name: str) -> str:
    """Returns a data set's profile as tables."""
    known = [split for split in SPLITS if split in profile["splits"]]
    order = dict.fromkeys([*known, *profile["splits"]])
    splits = {split: profile["splits"][split] for split in order}
    parts = [
        _table([name, *splits], _counts(splits)),
        _table(["length", "", *_PERCENTILES], _lengths(splits)),
        *_categories("label", splits, "labels"),
        *_categories("language", splits, "languages"),
        *_categories("script", splits, "scripts"),
        *_columns(splits),
        *_terms(splits),
        *_ledger(profile.get("ledger")),
        *_overlap(profile["overlap"]),
        _anomalies(profile["anomalies"]),
    ]
    return "\n\n".join(parts)


_PERCENTILES = ("mean", "p1", "p5", "p50", "p95", "p99", "max")


def _counts(splits: Mapping[str, Any]) -> Iterator[list[str]]:
    def row(title: str, *path: str, form: str = ",") -> list[str]:
        cells = []
        for split in splits.values():
            value: Any = split
            for key in path:
                value = value.get(key, {})
            cells.append("" if value == {} else format(value, form))
        return [title, *cells]

    yield row("documents", "documents")
    yield ["text", *(size(split["bytes"]) for split in splits.values())]
    yield row("characters", "characters")
    yield row("words", "words")
    yield row("repeated texts", "repeated_texts")
    if any("tokens" in split for split in splits.values()):
        yield row("tokens of a sample", "tokens", "tokens")
        yield row("  unknown", "tokens", "unknown_share", form=".2%")
        yield row("  a word", "tokens", "tokens_a_word", form=".2f")
        yield row("  a character", "tokens", "tokens_a_character", form=".2f")
        yield row("  a document, 95 %", "tokens", "lengths", "p95")
        yield row("  entries unused", "tokens", "unused_entries")


def _lengths(splits: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, split in splits.items():
        for unit in ("words", "characters"):
            lengths = split["lengths"][unit]
            cells = [f"{lengths[key]:,.10g}" for key in _PERCENTILES]
            yield [f"{name}, {unit}", "", *cells]


def _categories(title: str, splits: Mapping[str, Any], key: str) -> Iterator[str]:
    totals: dict[str, int] = {}
    for split in splits.values():
        for value, number in split[key].items():
            totals[value] = totals.get(value, 0) + number
    if not totals:
        return
    ranked = sorted(totals, key=lambda value: (-totals[value], value))
    rows = [
        [_quoted(value), *(_share(split[key], value) for split in splits.values())]
        for value in ranked[:_MAX_ROWS]
    ]
    if len(ranked) > _MAX_ROWS:
        rows.append([f"and {len(ranked) - _MAX_ROWS} more", *("" for _ in splits)])
    yield _table([title, *splits], rows)


def _quoted(value: str) -> str:
    """Returns a value, in quotes where white space would not show."""
    return value if value == " ".join(value.split()) else repr(value)


def _share(counts: Mapping[str, int], value: str) -> str:
    number = counts.get(value, 0)
    return f"{number:,}  {number / (sum(counts.values()) or 1):6.1%}"


def _columns(splits: Mapping[str, Any]) -> Iterator[str]:
    """Yields a table of the first split's columns that have no table of their own."""
    split, described = next(iter(splits.items()), ("", {"columns": {}}))
    rows = []
    for name, column in described["columns"].items():
        if name in ("label", "language"):
            continue
        about = ", ".join(
            f"{entry['value']:.30} {entry['documents']:,}"
            for entry in column.get("top", ())[:3]
        )
        if "mean" in column:
            about = f"{column['min']:g} to {column['max']:g}, mean {column['mean']:g}"
        types = " or ".join(sorted(column["types"]))
        distinct = f"{column['distinct']:,}" if "distinct" in column else "many"
        rows.append([name, f"{column['present']:.1%}", distinct, types, about])
    if rows:
        heads = [f"column of {split}", "present", "values", "type", "most frequent"]
        yield _table(heads, rows, right=(1, 2))


def _terms(splits: Mapping[str, Any]) -> Iterator[str]:
    for name, split in splits.items():
        if split["top_terms"]:
            terms = split["top_terms"][:_NUM_TERMS]
            listed = ", ".join(f"{term['term']} {term['count']:,}" for term in terms)
            yield _table([f"frequent words of {name}"], [[listed]], right=())


def _ledger(ledger: Mapping[str, Any] | None) -> Iterator[str]:
    if not ledger:
        return
    rows = [["read", f"{ledger['read']:,}", ""]]
    for title in (
        "kept",
        "unlabelled",
        "dropped",
        "bad",
        "cut",
        "personal",
        "added",
    ):
        counts = ledger.get(title) or {}
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if title == "kept":
            ranked = [(name, counts[name]) for name in SPLITS if name in counts]
        rows += [[title, f"{number:,}", reason] for reason, number in ranked if number]
    yield _table(["ingested", "", ""], rows, right=(1,))


def _overlap(overlap: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [
        [
            f"{pair['split']} in {pair['of']}",
            f"{pair['documents']:,}",
            "" if pair["sequences"] is None else f"{pair['sequences']:.2%}",
        ]
        for pair in overlap
    ]
    if rows:
        yield _table(["overlap", "same texts", "13-word sequences"], rows)


def _anomalies(anomalies: Sequence[Mapping[str, str]]) -> str:
    if not anomalies:
        return "Nothing looks wrong."
    rows = [[a["severity"], a["kind"], a["where"], a["what"]] for a in anomalies]
    return _table(["looks wrong", "kind", "split", ""], rows, right=())


def render_difference(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    measures: Mapping[str, Sequence[Measure]],
) -> str:
    """Returns the changes of counts, labels and columns, and the drift."""
    rows = []
    for name in dict.fromkeys([*before["splits"], *after["splits"]]):
        pair = [side["splits"].get(name, {}) for side in (before, after)]
        for key in ("documents", "bytes", "words", "repeated_texts"):
            old, new = (split.get(key, 0) for split in pair)
            change = f"{new / old - 1:+.1%}" if old else ""
            title = key.replace("_", " ")
            rows.append([f"{name}, {title}", f"{old:,}", f"{new:,}", change])
    heads = ["what", "drift", "chance", "measure", ""]
    drifted = [
        [
            f"{name}, {drift.what}",
            f"{drift.value:.4f}",
            f"{drift.chance:.4f}",
            drift.measure.replace("_", "-"),
            drift.detail if drift.excess else "",
        ]
        for name, some in measures.items()
        for drift in sorted(some, key=lambda one: (-one.excess, -one.value))
    ]
    parts = [_table(["count", "before", "after", "change"], rows)]
    parts += [_table(heads, drifted, right=(1, 2))] if drifted else []
    return "\n\n".join([*parts, *_news(before, after)])


def _news(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key, what in (("labels", "label"), ("columns", "column")):
        old, new = (
            {value for split in side["splits"].values() for value in split[key]}
            for side in (before, after)
        )
        for title, values in (("new", new - old), ("gone", old - new)):
            if values:
                yield f"{title} {what}: {', '.join(sorted(map(visible, values)))}"


def render_dead_letters(
    letters: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> str:
    """Returns the counts of bad records by reason, and a line for each shown."""
    if not counts:
        return "Every record could be read."
    totals = [[reason, f"{number:,}"] for reason, number in sorted(counts.items())]
    rows = [
        [
            one["reason"],
            _place(one),
            f"{one['length']:,}",
            one["detail"],
        ]
        for one in letters
    ]
    heads = ["reason", "record", "bytes", "detail"]
    tables = [_table(["reason", "records"], totals)]
    tables += [_table(heads, rows, right=(2,))] if rows else []
    return "\n\n".join(tables)


def _place(letter: Mapping[str, Any]) -> str:
    """Returns the file of a bad record, with its row and line, or its first byte."""
    names = [name for name in ("row", "line") if name in letter]
    if names:
        place = ", ".join(f"{name} {letter[name]}" for name in names)
    else:
        place = f"byte {letter['offset']}"
    return f"{letter['file']}, {place}"


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[int] | None = None,
) -> str:
    """Returns an aligned table; all columns but the first are right-aligned.

    rich knows which characters are two cells wide, such as Chinese.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="")
    for index, head in enumerate(heads):
        is_right = index > 0 if right is None else index in right
        table.add_column(
            Text(head.upper()), justify="right" if is_right else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    stream = io.StringIO()
    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    Console(file=stream, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().split("\n"))
