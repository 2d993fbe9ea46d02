"""Values that no task can learn end in one sentence with their file and line."""

import json

import pytest

from tests.components.ingester.test_ingester import ALL_TRAIN, run, write  # noqa: F401
from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.errors import DataError

TEXT = "Ada lives in Rome."


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "tags",
            [[2, 6, "b"], [0, 3, "a"]],
            "column 'of': expected spans that do not overlap, got 0 to 3 and 2 to 6",
        ),
        (
            "tags",
            [[13, 19, "place"]],
            "column 'of': expected a named span inside a text of 18 characters, got "
            "13 to 19",
        ),
        (
            "labels",
            '["a", "b"]',
            "column 'of': expected a list of labels, got a text that looks like one, "
            '\'["a", "b"]\'; write a list, or its names with labels_separator '
            "between them",
        ),
        ("number", "inf", "column 'of': expected a finite number, got str"),
        ("number", "many", "column 'of': expected a finite number, got str"),
        (
            "answers",
            [[3, 99]],
            "column 'of': expected an answer inside a text of 18 characters, got 3 to "
            "99",
        ),
        (
            "answers",
            {"text": ["Rome"], "answer_start": [0]},
            "column 'of': expected 'Rome' at character 0 of the text, got 'Ada '",
        ),
    ],
)
def test_a_bad_target_is_named_with_its_file_and_line(
    key,
    value,
    sentence,
    run,  # noqa: F811
    write,  # noqa: F811
):
    good = {"tags": [], "labels": ["a"], "number": 1, "answers": []}[key]
    rows = [{"text": TEXT, "of": v} for v in (good, value, value)]
    path = write(*rows)
    with pytest.raises(DataError) as error:
        run(SourceConfig(jsonl=path, **{key: "of"}), split=ALL_TRAIN)
    size = len(json.dumps(rows[0])) + 1
    assert f"first at {path}, line 2 (byte {size}): {sentence}" in str(error.value)
    assert "\n" not in str(error.value)


def test_targets_that_are_all_nan_end_in_a_sentence(run, tmp_path):  # noqa: F811
    (tmp_path / "a.csv").write_text("text,of\na,nan\nb,NaN\n")
    path = str(tmp_path / "a.csv")
    with pytest.raises(DataError) as error:
        run(SourceConfig(csv=path, number="of"), split=ALL_TRAIN)
    assert str(error.value).startswith(
        f"{path}: expected a number in column 'of' of some records, found none in 2"
    )
