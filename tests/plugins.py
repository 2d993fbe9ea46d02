"""Installs plug-ins as pip does: modules and the metadata that names their rows."""

from __future__ import annotations

from pathlib import Path


def install(site: Path, group: str, name: str, value: str, *files: Path) -> None:
    """Installs a distribution of some modules into a folder of ``sys.path``.

    Args:
        site: the folder; callers put it on the path (``monkeypatch.syspath_prepend``).
        group: the table: ``textmill.tasks``.
        name: the row's name.
        value: ``module:object``.
        files: the modules, which are copied.
    """
    info = site / f"textmill_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: textmill-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    for file in files:
        (site / file.name).write_bytes(file.read_bytes())
