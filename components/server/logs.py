"""Structured logs: a line of JSON on stderr for each event and request."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import orjson


def log_event(event: str, *, level: str = "info", **fields: Any) -> None:
    """Writes an event with its fields."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": time, "level": level, "event": event, **fields}
    sys.stderr.write(orjson.dumps(line).decode() + "\n")
    sys.stderr.flush()
