"""Config classes in general: inherited sentences, former keys, checks and paths."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from textmill.models.errors import Violation
from textmill.models.paths import FilePath
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.schema import config_schema
from textmill.pipeline.config.types import check_types, map_paths, run_checks
from textmill.pipeline.config.yaml import read_yaml


@dataclass(frozen=True, kw_only=True)
class Slice:
    RENAMED: ClassVar[Mapping[str, str]] = {"pace": "rate"}

    rate: float = 1.0

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Violation]:
        if values.get("rate") == 0:
            yield Violation("rate", "more than 0", 0)


@dataclass(frozen=True, kw_only=True)
class Whole(Slice):
    files: FilePath | tuple[FilePath, ...] | None = None
    named: Mapping[str, FilePath] | None = None
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class File:
    parts: Mapping[str, Whole]


def sentences(text):
    tree = read_yaml(text, "c.yaml")
    violations = Violations(tree)
    run_checks(tree.value, File, violations)
    check_types(tree.value, File, violations)
    try:
        violations.raise_any("c.yaml")
    except Exception as error:
        return str(error).splitlines()
    return []


def test_a_former_key_of_an_inherited_slice_names_the_new_one():
    [line] = sentences("parts: {a: {pace: 3.0}}")
    assert line.endswith(
        "parts.a.pace: expected a known key, got 'pace'; did you mean 'rate'?"
    )


def test_an_inherited_check_reports_the_place_of_its_knob():
    assert sentences("parts: {a: {rate: 0}}") == [
        "c.yaml:1:13 parts.a.rate: expected more than 0, got 0"
    ]


def test_paths_are_found_by_their_type():
    value = {"parts": {"a": {"files": ["x", "y"], "named": {"n": "z"}, "title": "t"}}}
    seen = {}
    changed = map_paths(
        value, File, lambda path, text: seen.setdefault(path, text + "!")
    )
    assert seen == {
        "parts.a.files.0": "x!",
        "parts.a.files.1": "y!",
        "parts.a.named.n": "z!",
    }
    assert changed["parts"]["a"] == {
        "files": ["x!", "y!"],
        "named": {"n": "z!"},
        "title": "t",
    }


def test_every_field_of_the_schema_has_its_sentence():
    schema = config_schema()
    for name, definition in schema["$defs"].items():
        for key, field in definition["properties"].items():
            assert field["description"], f"{name}.{key}"
