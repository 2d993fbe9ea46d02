"""One import name: the distribution installs ``textmill`` and nothing else."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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


def test_the_image_gets_only_what_its_dockerfile_copies():
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    copied = {name for names in copies for name in names if "/" not in name}
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert allowed == copied - {"--from=beam"}
    assert all((REPOSITORY / name).exists() for name in allowed)


def test_the_image_of_a_worker_has_the_pinned_version_of_beam():
    pins = (REPOSITORY / "constraints.txt").read_text().splitlines()
    [version] = [p.split("==")[1] for p in pins if p.startswith("apache-beam==")]
    text = (REPOSITORY / "Dockerfile").read_text()
    assert f"ARG BEAM_IMAGE=apache/beam_python3.11_sdk:{version}\n" in text


def test_the_type_checker_sees_the_same_tree():
    links = REPOSITORY / ".ci" / "typing" / "textmill"
    for top in FOLDERS:
        assert (links / top).resolve() == REPOSITORY / top
    init = links / "__init__.py"
    assert init.resolve() == REPOSITORY / LIBRARY / "__init__.py"


SCRIPT = """
import components.parts
import models
import pipeline
import textmill as tm
import textmill.components.base
import textmill.models.errors

if __name__ == "__main__":
    assert (models.NAME, components.parts.NAME, pipeline.NAME) == ("mine",) * 3
    assert textmill.components.base is not components
    run = tm.run("tiny.yaml", root="root", only=["ingest.lines"], progress=False)
    print(run.status, textmill.__file__)
"""
CONFIG = """
name: tiny
datasets: {lines: {source: {jsonl: lines.jsonl}}}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 24}
stages: {}
run: {beam: {direct_running_mode: multi_processing}}
"""


@pytest.fixture
def project(tmp_path):
    """A project with its own models.py, components/ and pipeline/."""
    folder = tmp_path / "project"
    for package in ("components", "pipeline"):
        (folder / package).mkdir(parents=True)
    (folder / "models.py").write_text('NAME = "mine"\n')
    (folder / "components/__init__.py").touch()
    (folder / "components/parts.py").write_text('NAME = "mine"\n')
    (folder / "pipeline/__init__.py").write_text('NAME = "mine"\n')
    (folder / "script.py").write_text(SCRIPT)
    (folder / "tiny.yaml").write_text(CONFIG)
    lines = (json.dumps({"text": f"line number {i}"}) + "\n" for i in range(40))
    (folder / "lines.jsonl").write_text("".join(lines))
    return folder


def run_script(project, path):
    """Runs the script; returns the file of textmill that it imported."""
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    status, file = done.stdout.split()
    assert status == "succeeded"
    return Path(file)


def test_a_project_with_the_same_folder_names_uses_textmill(project):
    file = run_script(project, REPOSITORY / ".ci" / "typing")
    assert file.resolve() == REPOSITORY / LIBRARY / "__init__.py"


@pytest.mark.slow
def test_so_it_does_with_the_editable_installation_of_this_environment(project):
    file = run_script(project, "")
    assert file.as_posix().endswith(f"{LIBRARY}/__init__.py")


@pytest.mark.slow
def test_so_it_does_with_the_wheel(project, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    command = [*pip, "install", "--no-deps", "--target", str(site), str(REPOSITORY)]
    subprocess.run(command, check=True)
    assert run_script(project, site) == site / "textmill" / "__init__.py"
    installed = {path.name for path in site.iterdir()}
    assert not installed & set(FOLDERS)
