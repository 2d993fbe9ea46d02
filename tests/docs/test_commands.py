"""The commands and the code of the pages run, on one real toy project."""

import re
import sys

import pytest
from ruamel.yaml import YAML

from tests.docs.pages import (
    REPOSITORY,
    arguments,
    blocks,
    commands,
    example_config,
    write_example,
    write_tickets,
)
from textmill.pipeline import cli

NOT_RUN = {
    r"make ": "installs or trains for minutes; the targets are checked below",
    r"\S*python\S* -m (venv|pip)|pip ": "installs packages",
    r"\S*python -m pytest": "these tests",
    r"docker |kubectl |curl ": "needs a container engine, a cluster or a server",
    r"textmill (submit|compile) ": "needs a platform; tests/pipeline/platforms compile",
    r"textmill run configs/": "needs a platform",
    r"textmill \w+ library ": "needs the model of the quickstart",
    r"textmill (tensorboard|serve)": "serves until it is stopped",
    r"textmill report --open": "opens a browser",
    r"textmill fit ": "trains; tests/pipeline/library/test_notebook.py does it",
    r"textmill init": "refuses to write the file again; has a test of its own below",
}
"""Commands that cannot run here, by pattern, with the reason."""
CODE_NOT_RUN = {
    r"pushed/reply/": "needs a model that writes; tests/models/generation have one",
    r"from transformers ": "needs it; tests/models/export/test_huggingface.py",
    r"tm\.fit\(": "trains for minutes; tests/pipeline/library/test_notebook.py does it",
}
"""Python that cannot run here, by pattern, with the reason."""
CONSOLE = list(
    dict.fromkeys(command for block in blocks("console") for command in commands(block))
)
"""The different commands of all pages, in the order of the pages."""


def normal(command):
    return command.replace(".venv/bin/", "")


def is_run(command):
    return not any(re.match(pattern, normal(command)) for pattern in NOT_RUN)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The folder of the example project, after two runs, which can be compared."""
    folder = tmp_path_factory.mktemp("tickets")
    write_example(folder)
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(2):
            assert execute("textmill run tickets.yaml", folder, patch) == 0
    return folder


def execute(command, folder, patch):
    """Runs a command of the pages in this process; returns its exit code."""
    patch.chdir(folder)
    patch.setattr(sys, "argv", ["textmill", *arguments(command)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


@pytest.mark.parametrize("command", list(filter(is_run, CONSOLE)))
def test_a_command_of_the_pages_succeeds(command, project, monkeypatch):
    assert arguments(command), "a command of another program needs a line in NOT_RUN"
    assert execute(command, project, monkeypatch) == 0


def test_init_writes_the_file_of_the_guide(tmp_path, monkeypatch):
    write_example(tmp_path)
    (tmp_path / "tickets.yaml").unlink()
    write_tickets(tmp_path / "tickets.csv", copies=8)
    assert execute("textmill init tickets.csv", tmp_path, monkeypatch) == 0
    text = (tmp_path / "tickets.yaml").read_text("utf-8")
    assert YAML(typ="safe").load(text) == example_config()


CODE = [
    block
    for block in blocks("python")
    if not any(re.search(pattern, block.text) for pattern in CODE_NOT_RUN)
]


@pytest.mark.parametrize("block", CODE, ids=lambda block: block.name)
def test_the_code_of_the_pages_runs(block, project, monkeypatch):
    monkeypatch.chdir(project)
    exec(compile(block.text, block.name, "exec"), {"__name__": "page"})


def test_every_exception_is_used():
    texts = [block.text for block in blocks("python")]
    unused = [
        pattern
        for pattern in NOT_RUN
        if not any(re.match(pattern, normal(command)) for command in CONSOLE)
    ]
    unused += [p for p in CODE_NOT_RUN if not any(re.search(p, t) for t in texts)]
    assert unused == []


def test_make_has_the_targets_of_the_pages():
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = {c.split()[1] for c in CONSOLE if c.startswith("make ")}
    assert {t for t in targets if not re.search(f"(?m)^{t}:", makefile)} == set()
