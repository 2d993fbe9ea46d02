"""Answers compared as SQuAD's published script does, on fixed predictions."""

import json

import numpy as np
import pytest

from textmill.models.metrics import METRICS
from textmill.models.metrics.answers import answer_words
from textmill.models.metrics.metric import PredictedRows, PredictionFacts

# Answer, right ones, exact match and F1 by the script's rules, by hand.
CASES = [
    ("the Eiffel Tower", ["Eiffel Tower"], 1, 1.0),
    ("Eiffel tower!", ["The Eiffel Tower"], 1, 1.0),
    ("in Paris, France", ["Paris"], 0, 2 * (1 / 3) * 1 / (1 / 3 + 1)),
    ("Paris", ["London", "in Paris"], 0, 2 * 1 * (1 / 2) / (1 + 1 / 2)),
    ("", [], 1, 1.0),
    ("Paris", [], 0, 0.0),
    ("", ["Paris"], 0, 0.0),
    ("the", ["a"], 1, 1.0),
    ("a b b", ["b b c c"], 0, 2 * (2 / 2) * (2 / 4) / (2 / 2 + 2 / 4)),
    ("U.S.", ["us"], 1, 1.0),
    ("twenty-one", ["twentyone"], 1, 1.0),
    ("上午九点", ["上午九点。"], 1, 1.0),
    ("上午九点", ["九点"], 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
]


def rows():
    answers, references, *_ = zip(*CASES, strict=True)
    return PredictedRows(
        {
            "answer": np.array(answers, object),
            "references": np.array([json.dumps(r) for r in references], object),
        },
        PredictionFacts(),
    )


@pytest.mark.parametrize(("name", "column"), [("exact_match", 2), ("token_f1", 3)])
def test_scores_are_those_of_the_published_rules(name, column):
    statistics = METRICS[name].load("answer").statistics(rows())
    wanted = [case[column] for case in CASES]
    np.testing.assert_allclose(statistics, [wanted, np.ones(len(CASES))])
    result = (
        METRICS[name].load("answer").interval(statistics, PredictionFacts(), seed=17)
    )
    assert result["low"] < result["value"] == pytest.approx(np.mean(wanted))


def test_words_of_a_script_without_spaces_are_its_characters():
    assert answer_words("The 北京，2008年") == ["北", "京", "2008", "年"]
    assert answer_words("A “quoted” an-swer") == ["“quoted”", "answer"]
