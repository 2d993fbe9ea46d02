"""The site is built without a warning, works offline, and has every key and command."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import typer

from tests.docs.pages import REPOSITORY
from textmill.pipeline.cli import app
from textmill.pipeline.config.schema import config_schema


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    sphinx = [sys.executable, "-m", "sphinx", "-qEW", "--keep-going"]
    command = [*sphinx, "-c", "docs/site", "docs", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag in ("img", "script", "iframe", "source"):
            self.addresses.append(values.get("src") or "")
        elif tag == "link" and values.get("rel") == "stylesheet":
            self.addresses.append(values.get("href") or "")


def test_no_page_loads_anything_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text("utf-8"))
        assert not [a for a in loaded.addresses if a.startswith(("http", "//"))]
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text("utf-8")


def test_the_config_reference_has_every_key(site):
    page = (site / "reference/config.html").read_text("utf-8")
    schema = config_schema()
    definitions = [schema, *schema["$defs"].values()]
    expected = sum(len(definition["properties"]) for definition in definitions)
    assert len(re.findall('id="key-', page)) == expected


def test_the_command_reference_has_every_command(site):
    page = (site / "reference/commands.html").read_text("utf-8")
    sections = re.findall(r'id="(textmill-[a-z-]+)"', page)

    def leaves(command, name):
        for word, inner in getattr(command, "commands", {}).items():
            yield from leaves(inner, f"{name}-{word}")
        if not hasattr(command, "commands"):
            yield name

    assert set(leaves(typer.main.get_command(app), "textmill")) <= set(sections)


def test_translated_pages_declare_their_language(site):
    page = (site / "zh/index.html").read_text("utf-8")
    assert re.search(r'<html[^>]* lang="zh-Hans"', page)
