"""Examples in every help, commands of other tools, ``init``, ``doctor``, ``report``."""

import shlex
import sys

import pytest
import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli import app
from textmill.pipeline.cli.commands import EXAMPLES
from textmill.pipeline.cli.doctor import Check, _gpu, verdict
from textmill.pipeline.columns import guess_label, guess_text, read_columns
from textmill.pipeline.config.load import load_config
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


TICKETS = "id;message;category;priority\n" + "".join(
    f"{n};the screen number {n} is dark;{('bill', 'tech')[n % 2]};{n % 3}\n"
    for n in range(30)
)


def test_init_writes_a_config_with_guessed_columns(textmill, tmp_path):
    (tmp_path / "tickets.csv").write_text("\ufeff" + TICKETS)
    out, err = textmill("init", "tickets.csv")
    assert out == "tickets.yaml\n"
    assert "label: column 'category', 2 values: 'bill', 'tech'" in err
    assert "not the label: 'priority' (--label names another column)" in err
    loaded = load_config(tmp_path / "tickets.yaml")
    source = loaded.config.datasets["texts"].source
    assert (source.text, source.label) == ("message", "category")
    assert source.csv == str(tmp_path / "tickets.csv")
    text = (tmp_path / "tickets.yaml").read_text()
    assert "{csv: tickets.csv, text: message, label: category}" in text
    assert "# next: textmill run tickets.yaml\n" in text
    _, err = textmill("init", "tickets.csv", code=2)
    assert err == "textmill: tickets.yaml: exists already; -o names another file\n"


def test_init_takes_the_columns_of_the_user(textmill, tmp_path):
    (tmp_path / "tickets.csv").write_text(TICKETS)
    (tmp_path / "configs").mkdir()
    options = ("--text", "id", "--label", "priority", "-o", "configs/c.yaml")
    textmill("init", "tickets.csv", *options)
    config = load_config(tmp_path / "configs" / "c.yaml").config
    source = config.datasets["texts"].source
    assert (source.text, source.label) == ("id", "priority")
    assert source.csv == str(tmp_path / "tickets.csv")
    assert list(config.stages) == ["priority"]
    _, err = textmill("init", "tickets.csv", "--label", "categori", code=2)
    assert err.endswith("the file has no such column; did you mean 'category'?\n")


def test_init_guesses_columns_with_chinese_names(textmill, tmp_path):
    rows = "".join(
        f"{n},{'好坏'[n % 2]}的产品 {n},{'好坏'[n % 2]}\n" for n in range(20)
    )
    (tmp_path / "t.csv").write_text("编号,内容,类别\n" + rows)
    textmill("init", "t.csv")
    source = load_config(tmp_path / "t.yaml").config.datasets["texts"].source
    assert (source.text, source.label) == ("内容", "类别")


def test_init_of_texts_without_labels_is_a_language_model(textmill, tmp_path):
    (tmp_path / "notes.txt").write_text("one note\nanother note\n")
    textmill("init", "notes.txt")
    config = load_config(tmp_path / "notes.yaml").config
    assert config.stages["notes"].task == "masked_lm"
    assert config.datasets["texts"].source.label is None


def test_init_of_an_empty_or_unknown_file_is_an_error(textmill, tmp_path):
    (tmp_path / "empty.csv").write_text("")
    assert "expected rows with texts" in textmill("init", "empty.csv", code=2)[1]
    (tmp_path / "a.docx").write_text("")
    assert (
        "expected a file that ends in .jsonl" in textmill("init", "a.docx", code=2)[1]
    )


def test_init_names_an_encoding_that_is_not_utf_8(textmill, tmp_path):
    text = "nachricht;thema\n" + "Die Küche ist schön;Möbel\nfür Äpfel;Obst\n" * 9
    (tmp_path / "a.csv").write_text(text, encoding="cp1252")
    textmill("init", "a.csv")
    source = load_config(tmp_path / "a.yaml").config.datasets["texts"].source
    assert (source.encoding, source.text, source.label) == (
        "cp1252",
        "nachricht",
        "thema",
    )


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


def test_a_column_of_a_usual_name_is_preferred_to_a_longer_one():
    rows = [
        {"url": f"https://example.org/{n:050}", "body": f"note {n}", "kind": n % 2}
        for n in range(9)
    ]
    columns = read_columns([*rows, {"topic": "rare"}])
    text = guess_text(columns)
    assert text.name == "body"
    assert guess_label(columns, text).name == "kind"
    assert guess_label(read_columns(rows[:2]), text) is None


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


def test_ctrl_c_in_any_command_is_exit_code_130(textmill, tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    (tmp_path / "t.csv").write_text(TICKETS)
    module = sys.modules["textmill.pipeline.cli.init"]
    monkeypatch.setattr(module, "read_rows", interrupt)
    assert textmill("init", "t.csv", code=130)[1] == "textmill: interrupted\n"
