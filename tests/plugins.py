"""Installs plug-ins as pip does: modules and the metadata that names their rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def install(site: Path, group: str, name: str, value: str, *files: Path) -> None:
    """Installs a distribution of some modules into a folder of ``sys.path``.

    Args:
        site: the folder; callers put it on the path (``monkeypatch.syspath_prepend``).
        group: the table: ``textmill.tasks``.
        name: the row's name.
        value: ``module:object``; the module may be in a package.
        files: the modules, which are copied to the folder of the row's module.
    """
    info = site / f"textmill_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: textmill-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    package = site.joinpath(*value.partition(":")[0].split(".")[:-1])
    package.mkdir(exist_ok=True)
    for file in files:
        (package / file.name).write_bytes(file.read_bytes())


def textmill(
    site: Path, *arguments: str, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Runs the command in processes that see the plug-ins of a folder."""
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-m", "textmill.pipeline.cli", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
