"""Examples in every help, commands of other tools, ``doctor``, ``report``."""

import shlex

import pytest
import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli import app
from textmill.pipeline.cli.commands import EXAMPLES
from textmill.pipeline.cli.doctor import Check, _gpu, verdict
from textmill.pipeline.text_files import ENDINGS, is_data, stem

ROOT = typer.main.get_command(app)


def names(group, prefix=""):
    yield prefix
    for name, command in getattr(group, "commands", {}).items():
        yield from names(command, f"{prefix} {name}".strip())


@pytest.mark.parametrize("name", list(names(ROOT)))
def test_every_command_has_two_examples_that_parse(name, textmill):
    out, _ = textmill(*name.split(), "--help")
    lines = out.partition("Examples:\n")[2].splitlines()
    assert tuple(line.strip() for line in lines) == EXAMPLES[name]
    for line in EXAMPLES[name]:
        program, *arguments = shlex.split(line.partition(" > ")[0])
        assert program == "textmill"
        assert line.startswith(f"textmill {name}".strip())
        parse(ROOT, arguments)


def parse(command, arguments):
    """Parses a command line, which fails for unknown options and missing arguments."""
    with command.make_context("textmill", list(arguments)) as context:
        if hasattr(command, "commands"):
            rest = [*context._protected_args, *context.args]
            _, inner, rest = command.resolve_command(context, rest)
            parse(inner, rest)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("train", "textmill run FILE.yaml"),
        ("validate", "textmill config check FILE.yaml"),
        ("clean", "textmill gc"),
        ("tickets.csv", "textmill init tickets.csv"),
        ("mail.yaml", "textmill run mail.yaml"),
    ],
)
def test_a_command_of_another_tool_leads_to_ours(name, command, textmill):
    _, err = textmill(name, code=2)
    assert err.endswith(f"No such command {name!r}. Did you mean `{command}`?\n")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_file_of_data_leads_to_init(command, textmill):
    _, err = textmill(command, "tickets.csv", code=2)
    assert "got data; `textmill init tickets.csv` writes a config for it" in err


def test_endings_of_data_are_those_of_readers():
    from textmill.components.ingester.readers import READERS

    known = {end for _, row in READERS.items() for end in row.endings}
    assert set(ENDINGS) <= known
    assert [is_data(name) for name in ("a.csv.gz", "a.jsonl", "a.yaml", "csv")] == [
        True,
        True,
        False,
        False,
    ]
    assert stem("tickets.csv.gz") == "tickets"


def test_doctor_names_the_gpu_and_ends_in_a_verdict(tmp_path):
    assert _gpu(tmp_path) == Check("fine", "gpu", "none; training uses the cores")
    card = tmp_path / "gpus" / "0000:01:00.0" / "information"
    card.parent.mkdir(parents=True)
    card.write_text("Model: \t\t NVIDIA H100\nIRQ: 5\n")
    assert _gpu(tmp_path).result.startswith("NVIDIA H100")
    fine, note = Check("fine", "python", "3"), Check("note", "memory", "2 GB free")
    assert verdict([fine]) == "This machine can run pipelines."
    assert verdict([fine, note]).endswith("; see the notes: memory.")
    stop = Check("stop", "disk", "full")
    assert verdict([stop, note]) == "This machine cannot run pipelines yet: disk."


def test_a_file_with_one_data_set_needs_no_name(tmp_path):
    from textmill.pipeline.cli.published import load_dataset

    config = tmp_path / "c.yaml"
    one = (
        "name: t\ndatasets: {a: {source: {txt: a.txt}}}\nvocabulary: {learn_from: a}\n"
        "model: {}\nstages: {s: {task: masked_lm, dataset: a, train: {steps: 1}}}\n"
    )
    config.write_text(one)
    assert load_dataset(config, None, None)[1] == "a"
    config.write_text(one.replace("datasets: {", "datasets: {b: {source: {txt: b}}, "))
    with pytest.raises(ConfigError, match=r"expected the name of a data set: b or a"):
        load_dataset(config, None, None)
    assert load_dataset(config, None, "b")[1] == "b"


def test_a_report_is_opened_in_the_browser(textmill, tmp_path, monkeypatch):
    from textmill.pipeline.store import MetadataStore

    page = tmp_path / "textmill_root" / "runs" / "r" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    run = {"run_id": "r", "status": "succeeded", "started": 1.0, "stages": {}}
    with MetadataStore(tmp_path / "textmill_root") as store:
        store.record_run(run)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    out, err = textmill("report", "--open")
    assert (out, err) == ("textmill_root/runs/r/report.html\n", "")
    assert opened == [page.as_uri()]
