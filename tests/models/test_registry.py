import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated

import pytest

from tests.plugins import install
from textmill.models.errors import ConfigError
from textmill.models.registry import NameIn, Table
from textmill.pipeline.cache.code_digest import CodeReader
from textmill.pipeline.config.types import type_adapter

TABLE = Table("textmill.toys", "toy", {"ball": "round", "brick": "square"})


@dataclass(frozen=True)
class Toys:
    """A config with the name of a row."""

    toy: Annotated[str, NameIn(TABLE)] = "ball"


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    module = tmp_path / "source" / "spinning_top.py"
    module.parent.mkdir()
    module.write_text('import json\n\nROW = "pointed"\n')
    site = tmp_path / "site"
    install(site, "textmill.toys", "top", "spinning_top:ROW", module)
    monkeypatch.syspath_prepend(str(site))
    yield site / module.name
    sys.modules.pop("spinning_top", None)


def test_own_rows_come_first_and_plugged_in_ones_by_name(plugged):
    assert list(TABLE) == ["ball", "brick", "top"]
    assert "top" in TABLE
    assert TABLE["top"] == "pointed"


def test_a_row_is_imported_when_it_is_looked_up(plugged):
    assert "top" in TABLE
    assert "spinning_top" not in sys.modules


def test_an_unknown_name_is_an_error_with_a_suggestion():
    expected = r"expected a toy \(ball, brick\), got 'bal'; did you mean 'ball'\?"
    with pytest.raises(ConfigError, match=expected):
        TABLE["bal"]


def test_a_config_takes_names_of_rows_alone(plugged):
    adapter = type_adapter(Toys)
    assert adapter.validate_json('{"toy": "top"}').toy == "top"
    with pytest.raises(ValueError, match=r"a toy \(ball, brick, top\), got 'bal'"):
        adapter.validate_json('{"toy": "bal"}')
    schema = adapter.json_schema()["properties"]["toy"]
    assert schema["enum"] == ["ball", "brick", "top"]


def test_another_process_on_the_same_path_sees_the_row(plugged):
    script = (
        "from textmill.models.registry import Table;"
        "print(Table('textmill.toys', 'toy', {})['top'])"
    )
    path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "pointed\n"


def test_a_code_digest_covers_the_rows_of_the_tables_that_are_read(
    plugged, tmp_path, monkeypatch
):
    reads = tmp_path / "reads_toys.py"
    reads.write_text('GROUP = "textmill.toys"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("reads_toys")
    before = CodeReader({}).read("reads_toys").modules
    assert list(before) == ["reads_toys", "spinning_top"]
    plugged.write_text('import json\n\nROW = "pointed"  # a comment\n')
    assert CodeReader({}).read("reads_toys").modules == before
    plugged.write_text('import json\n\nROW = "blunt"\n')
    assert CodeReader({}).read("reads_toys").modules != before
