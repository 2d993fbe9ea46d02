"""Dependencies: the product imports what it declares, and declares what it imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("pipeline", "components", "models")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {
    "keras_hub": "keras-nlp",
    "ruamel": "ruamel-yaml",
    "sklearn": "scikit-learn",
    "google.protobuf": "protobuf",
    "google.auth": "google-auth",
    "google.api_core": "google-api-core",
    "google.cloud.aiplatform": "google-cloud-aiplatform",
    "google.cloud.aiplatform_v1": "google-cloud-aiplatform",
}
"""Distributions of modules that are named differently."""
NOT_IMPORTED = {
    "s3fs": r"install textmill\[s3\]",
    "scikit-learn": r"docstrings: \[.*\bsklearn\b",
    "tensorboard": r'"tensorboard\.main"',
}
"""Declared for another use: the pattern of that use in the product or its configs.

The file system that fsspec imports for s3://, packages whose documentation the
quickstart reads, and a program.
"""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements):
    found = {normal(re.split(r"[^\w.-]", r, maxsplit=1)[0]) for r in requirements}
    return found - {"textmill"}


def declared(*, development=False):
    extras = PROJECT["optional-dependencies"]
    tools = ("bench", "dev", "docs")
    groups = [extras[name] for name in extras if name not in tools]
    if development:
        groups += [extras["dev"], extras["docs"]]
    return names([*PROJECT["dependencies"], *(r for group in groups for r in group)])


def modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def distribution(module):
    """Returns the distribution of a dotted name; None for the standard library's."""
    parts = module.split(".")
    if parts[0] in sys.stdlib_module_names or parts[0] == "textmill":
        return None
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in DISTRIBUTIONS:
            return DISTRIBUTIONS[name]
    return normal(parts[0])


def imported():
    """Returns the files that import a distribution, by its name."""
    users = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for module in modules(path):
                if (name := distribution(module)) is not None:
                    users.setdefault(name, path.relative_to(ROOT).as_posix())
    return users


def test_every_imported_distribution_is_declared():
    users = imported()
    assert {name: users[name] for name in users.keys() - declared()} == {}


def test_every_declared_distribution_is_imported_or_has_a_named_use():
    assert declared() - imported().keys() - NOT_IMPORTED.keys() == set()


@pytest.mark.parametrize("name", NOT_IMPORTED)
def test_a_named_use_exists(name):
    files = [p for f in FOLDERS for p in (ROOT / f).rglob("*.py")]
    text = "\n".join(p.read_text() for p in [*files, *ROOT.glob("configs/*.yaml")])
    assert name in declared()
    assert re.search(NOT_IMPORTED[name], text)


def test_every_declared_distribution_has_an_exact_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines if "==" in line}
    optional = PROJECT["optional-dependencies"]
    assert declared(development=True) - pinned - names(optional["vertex"]) == set()
