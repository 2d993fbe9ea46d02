"""The answers of an export are held against the trained model's."""

from pathlib import Path

import pytest

from textmill.components.infra_validator.comparison import compare
from textmill.models.errors import IntegrityError

EXPECTED = {
    "texts": ["a", "b"],
    "answers": [
        {"label": "x", "probabilities": [0.75, 0.25], "confident": True},
        {"label": "y", "probabilities": [0.5, 0.5], "confident": False},
    ],
}
GIVEN = ("label", "probabilities")


def answers(first, second):
    return [
        {"label": "x", "probabilities": first},
        {"label": "y", "probabilities": second},
    ]


def test_the_largest_difference_is_that_of_any_number():
    other = answers([0.75, 0.25], [0.5, 0.4375])
    largest = compare(Path("f"), EXPECTED, other, tolerance=0.125, given=GIVEN)
    assert largest == 0.0625


def test_texts_that_disagree_are_counted():
    other = answers([0.5, 0.25], [0.25, 0.5])
    with pytest.raises(
        IntegrityError,
        match=r"f: probabilities of 'a' differs by 0\.25 .* answers to 2 of 2 texts",
    ):
        compare(Path("f"), EXPECTED, other, tolerance=0.125, given=GIVEN)


def test_an_output_that_is_missing_disagrees():
    with pytest.raises(IntegrityError, match="confident of 'a' differs by inf"):
        compare(
            Path("f"),
            EXPECTED,
            answers([0.75, 0.25], [0.5, 0.5]),
            tolerance=0.125,
            given=None,
        )
