"""Answers the texts of a request by an export: the program of a fresh process.

Arguments: the format, the export, and the request's file. The last line of its output
is JSON: ``answers``, one a text, and ``milliseconds`` of single texts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.artifacts import read_json
from textmill.models.export import FORMATS
from textmill.models.optional_imports import skip_optional_imports

if TYPE_CHECKING:
    from textmill.models.export.format import Runtime

_BROKEN_UTF8 = b"\xff\xfe\x00\xc3"
HOSTILE = (
    *("", " ", "\x00", "x" * 1_000_000),
    *("\ufffd\u200d\u0301", "[CLS] [MASK]", _BROKEN_UTF8),
)
"""Texts that every export must answer; any answer will do."""
_MAX_SECONDS = 1.0
"""Of timed requests; the first one is always timed."""


def main(name: str, folder: Path, request: Path) -> None:
    """Writes the answers and times as the last line of the output."""
    skip_optional_imports()
    runtime = FORMATS[name].load().load(folder)
    for text in HOSTILE:
        runtime.answer([(text,) * runtime.num_texts])
    texts = read_json(request)
    answers = runtime.answer(texts)
    result = {"answers": answers, "milliseconds": _time_each(runtime, texts)}
    sys.stdout.write("\n" + json.dumps(result))


def _time_each(runtime: Runtime, texts: Sequence[Any]) -> list[float]:
    """Returns the milliseconds of single texts, after one that is not timed."""
    milliseconds: list[float] = []
    for text in texts[:1]:
        runtime.answer([text])
    start = time.perf_counter()
    for text in texts:
        began = time.perf_counter()
        runtime.answer([text])
        ended = time.perf_counter()
        milliseconds.append(1000 * (ended - began))
        if ended - start > _MAX_SECONDS:
            break
    return milliseconds


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
