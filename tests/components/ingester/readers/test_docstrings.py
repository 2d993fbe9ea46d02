"""Prose found in the docstrings of Python source."""

import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import Ingester, IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.readers.python_source import prose, read_source
from textmill.components.ingester.readers.reader import FileRange, read_ranges
from textmill.components.ingester.readers.records import DeadLetter, LimitsConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import find_files
from textmill.models.errors import ConfigError

SENTENCE = "This is a sentence that is long enough to be kept."


@pytest.mark.parametrize(
    "block",
    [
        "Too short to keep.",
        "word " * 500,
        f">>> {SENTENCE}",
        f"```python\n{SENTENCE}\n\n{SENTENCE}\n```",
        "result = function(argument, key=[value[0], value[1]]) + {other_value: 1}",
        "=====  =====\nname   value\n=====  =====\none    two or three or four words",
        f"| {SENTENCE} |",
        "Parameters\n----------\nx : array_like\n    The data to be smoothed in time.",
        "See Also\n--------\nother_function, yet_another_function, and_a_third_one",
        ".. note:: a directive that has a long text in its own line here",
        f":param name: {SENTENCE}",
        f"{SENTENCE[:-1]}::\n\n    {SENTENCE}\n",
    ],
)
def test_what_is_not_running_text_is_left_out(block):
    kept = [SENTENCE[:-1] + "::"] if "::\n\n" in block else []
    docstring = f"{SENTENCE}\n\n{block}\n\nAnd {SENTENCE}"
    assert list(prose(docstring)) == [SENTENCE, *kept, f"And {SENTENCE}"]


def test_white_space_is_collapsed_and_the_line_under_a_heading_goes():
    docstring = f"""Summary line of the function, which is short.

    Notes
    -----
    {SENTENCE}
    It goes  on.

        An indented paragraph of prose explains the argument above it.
    """
    assert list(prose(docstring)) == [
        "Summary line of the function, which is short.",
        f"{SENTENCE} It goes on.",
        "An indented paragraph of prose explains the argument above it.",
    ]


SOURCE = f'''"""{SENTENCE} It is the module's."""
class Outer:
    """{SENTENCE} It is the class's."""
    def method(self):
        """{SENTENCE}

        {SENTENCE}
        """
        def inner():
            """{SENTENCE} It is inside."""
    f"""{SENTENCE} Not a docstring."""
if True:
    async def waits():
        """{SENTENCE} It waits."""
else:
    async def waits():
        """{SENTENCE} It waits, too."""
def silent():
    return """{SENTENCE}"""
'''


def test_every_definition_is_named_by_module_and_qualified_name():
    rows = read_source(SOURCE.encode(), name="lib/deep/code.py")
    assert [(row["id"], row["kind"]) for row in rows] == [
        ("lib.deep.code#0", "module"),
        ("lib.deep.code:Outer#0", "class"),
        ("lib.deep.code:Outer.method#0", "function"),
        ("lib.deep.code:Outer.method#1", "function"),
        ("lib.deep.code:Outer.method.inner#0", "function"),
        ("lib.deep.code:waits#0", "function"),
        ("lib.deep.code:waits#1", "function"),
    ]
    assert {row["library"] for row in rows} == {"lib"}
    assert {row["module"] for row in rows} == {"lib.deep.code"}


@pytest.mark.parametrize(
    ("name", "library", "module"),
    [
        ("stdlib/json/__init__.py", "stdlib", "json"),
        ("stdlib/ast.py", "stdlib", "ast"),
        ("lib/__init__.py", "lib", "lib"),
        ("six.py", "six", "six"),
    ],
)
def test_modules_are_named_as_they_are_imported(name, library, module):
    [row] = read_source(f'"""{SENTENCE}"""'.encode(), name=name)
    assert (row["library"], row["module"]) == (library, module)
    assert row["id"] == f"{module}#0"


def test_source_that_cannot_be_parsed_is_a_dead_letter_among_good_files(tmp_path):
    sources = {
        "good.py": f'"""{SENTENCE}"""'.encode(),
        "python2.py": b"print 'hello'",
        "deep.py": b"(" * 500 + b")" * 500,
        "latin.py": f'# coding: latin-1\n"""{SENTENCE} \xe9"""'.encode("latin-1"),
    }
    spans = []
    for name, source in sources.items():
        (tmp_path / name).write_bytes(source)
        spans.append(FileRange(str(tmp_path / name), f"lib/{name}", "docstrings"))
    found = [
        record.reason if isinstance(record, DeadLetter) else record.row["text"]
        for _, record in read_ranges(
            spans,
            source=SourceConfig(docstrings=("lib",)),
            limits=LimitsConfig(),
            block_bytes=1,
        )
    ]
    assert found == [SENTENCE, "bad_python", "bad_python", f"{SENTENCE} é"]


def test_packages_are_found_without_importing_them():
    files = find_files(SourceConfig(docstrings=("stdlib", "sklearn")))
    names = {file.name for file in files}
    assert {"stdlib/json/decoder.py", "sklearn/linear_model/_base.py"} <= names
    parts = {part for name in names for part in name.split("/")}
    assert not parts & {"site-packages", "tests", "test", "idlelib", "__pycache__"}
    assert files == sorted(files)


def test_a_package_that_is_not_installed_is_refused():
    config = IngesterConfig(
        dataset=DatasetConfig(source=SourceConfig(docstrings=("sklaern",)))
    )
    with pytest.raises(
        ConfigError, match="'sklaern' is installed; did you mean 'sklearn'"
    ):
        Ingester.external_files(config)


def test_docstrings_are_documents_split_by_module(tmp_path):
    documents = Documents(tmp_path / "documents")
    source = SourceConfig(docstrings=("zstandard", "typer"), label="library")
    ingest(
        documents=documents,
        config=IngesterConfig(
            dataset=DatasetConfig(source=source, split=SplitConfig(train=1, eval=0))
        ),
        context=Context(),
    )
    assert documents.facts["labels"] == ["typer", "zstandard"]
    assert documents.facts["columns"] == ["kind", "module"]
    assert documents.facts["splits"]["train"] > 20
