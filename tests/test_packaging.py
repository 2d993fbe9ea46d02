"""One import name: the distribution installs ``textmill`` and nothing else."""

import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("components", "models", "pipeline")
LIBRARY = "pipeline/library"


def settings():
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["tool"]["setuptools"]


def folder_of(package):
    """Returns the folder that ``package-dir`` maps a package to."""
    mapping = settings()["package-dir"]
    prefix = max(
        (p for p in mapping if package == p or package.startswith(f"{p}.")), key=len
    )
    rest = package.removeprefix(prefix).replace(".", "/")
    return f"{mapping[prefix]}{rest}"


def test_every_package_is_textmill_or_inside_it():
    names = settings()["packages"]
    assert {name.partition(".")[0] for name in names} == {"textmill"}
    assert names == sorted(set(names))


def test_every_folder_with_code_is_a_listed_package():
    folders = {
        path.parent.relative_to(REPOSITORY).as_posix()
        for top in FOLDERS
        for path in (REPOSITORY / top).rglob("*.py")
    }
    assert {folder_of(name) for name in settings()["packages"]} == folders


def test_the_type_checker_sees_the_same_tree():
    links = REPOSITORY / ".ci" / "typing" / "textmill"
    for top in FOLDERS:
        assert (links / top).resolve() == REPOSITORY / top
    init = links / "__init__.py"
    assert init.resolve() == REPOSITORY / LIBRARY / "__init__.py"
