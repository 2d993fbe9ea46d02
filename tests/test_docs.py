"""The Markdown pages name files, links, keys, commands and codes that exist."""

import json
import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from tests.docs.pages import (
    PAGES,
    REPOSITORY,
    arguments,
    blocks,
    commands,
    example_config,
)
from textmill.models import errors
from textmill.models.errors import ConfigError, TextmillError
from textmill.models.metrics import METRICS
from textmill.models.tasks import TASKS
from textmill.pipeline.cli import app
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.config.schema import DatasetConfig, PipelineConfig, StageConfig

PATH = re.compile(
    r"[`(](\.?/?(?:pipeline|components|models|tests|configs|docs)/[\w./-]*)[`)]"
)
YAML_BLOCKS = [
    block
    for block in blocks("yaml")
    if not re.search(r"^name: \w+$", block.text.strip().splitlines()[-1])
]


def read(page):
    return (REPOSITORY / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_in_a_page_exists(page):
    missing = [p for p in PATH.findall(read(page)) if not (REPOSITORY / p).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page):
    tokens = [t for t in MarkdownIt().parse(read(page)) if t.type == "inline"]
    links = [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in tokens
        for child in token.children
        if child.type in ("link_open", "image")
    ]
    folder = (REPOSITORY / page).parent
    files = [unquote(link.partition("#")[0]) for link in links if "://" not in link]
    assert [file for file in files if not (folder / file).exists()] == []


def fragments(text):
    """Yields the keys of a block, those that occur twice as alternatives."""
    parts = re.split(r"(?m)^(?=[a-z])", text)
    keys = [part.partition(":")[0] for part in parts[1:]]
    whole = len(set(keys)) == len(keys)
    for part in [text] if whole else parts[1:]:
        yield YAML(typ="safe").load(part)


def completed(fragment, task):
    """Returns the example config with the keys of a fragment in their places."""
    config = example_config()
    dataset, stage = config["datasets"]["texts"], config["stages"]["category"]
    config["datasets"]["benchmark"] = {"source": {"jsonl": "benchmark.jsonl"}}
    if task != "classify":
        stage |= {"task": task, "evaluate": {}}
        config["model"]["family"] = "gpt" if task == "causal_lm" else "bert"
    places = {
        **{field.name: config for field in fields(PipelineConfig)},
        **{field.name: dataset for field in fields(DatasetConfig)},
        **{field.name: stage for field in fields(StageConfig)},
    }
    if "sources" in fragment:
        del dataset["source"]
    for key, value in fragment.items():
        places[key][key] = value
    return config


def mistakes(fragment, task):
    """Returns the errors of ``config check``; none if the fragment passes."""
    text = json.dumps(completed(fragment, task))
    try:
        parse_config(text, Path("page.yaml"), with_environment=False)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=[b.name for b in YAML_BLOCKS])
def test_every_config_snippet_passes_config_check(block):
    for fragment in fragments(block.text):
        outcomes = (mistakes(fragment, task) for task in TASKS)
        assert not all(outcomes), mistakes(fragment, "classify")


CONSOLE = {command for block in blocks("console") for command in commands(block)}


@pytest.mark.parametrize("command", sorted(filter(arguments, CONSOLE)))
def test_every_command_line_can_be_parsed(command):
    group, words = typer.main.get_command(app), arguments(command)
    while hasattr(group, "commands") and words:
        group = group.commands[words.pop(0)]
    group.make_context("textmill", words)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.name)
def test_every_python_block_compiles(block):
    compile(block.text, block.name, "exec")


def first_column(page):
    rows = re.findall(r"(?m)^\| `?(\w+)`? \|", read(page))
    return set(rows) - {"metric"}


def test_the_table_of_exit_codes_is_complete():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {k.exit_code for k in kinds if issubclass(k, TextmillError)}
    expected = {str(code) for code in codes | {0, 130}}
    assert first_column("docs/reference/exit_codes.md") == expected


def test_the_table_of_metrics_is_complete():
    assert first_column("docs/reference/metrics.md") == set(METRICS)
