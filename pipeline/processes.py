"""Processes: telling one that lives from one that is gone, whatever took its number."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Returns what tells this process from every other, later ones included."""
    pid = os.getpid()
    return {"host": platform.node(), "pid": pid, "start": _start_time(pid)}


def is_alive(process: Mapping[str, Any]) -> bool:
    """Whether a process of ``this_process`` still runs; True where one cannot know."""
    if process["host"] != platform.node():
        return True
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(_start_time(process["pid"]) == process["start"])


def _start_time(pid: int) -> str | None:
    """Returns boot and clock tick of a process' start, or None beside Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field, the command, may hold spaces and brackets.
    state, *fields = stat.rpartition(")")[2].split()
    return f"{boot}:{fields[18]}" if state not in "ZX" else "ended"
