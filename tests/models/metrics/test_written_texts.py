"""Exact match and repetition of written texts, counted by hand."""

import pytest

from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts

FACTS = PredictionFacts()


def measured(name, pairs):
    texts, references = map(list, zip(*pairs, strict=True))
    metric = METRICS[name].load()
    statistics = metric.statistics(PredictedRows({"text": texts, "target": references}))
    return metric.interval(statistics, FACTS, seed=17)


def test_case_and_punctuation_do_not_matter_to_an_exact_match():
    pairs = [
        ("We refund it today!", "we refund it today."),
        ("We refund it today", "We will refund it today."),
        ("", "We refund it."),
        ("我们今天退款", "我们今天退款。"),
        (":-)", ":-)"),
        (":-(", ":-)"),
    ]
    assert measured("exact_match", pairs)["value"] == pytest.approx(3 / 6)


def test_a_repetition_is_a_run_of_four_words_that_the_text_has_already():
    pairs = [
        # Runs: abca bcab cabc abca bcab, of which the last two are repeated.
        ("a b c a b c a b", "x"),
        ("one two three", "x"),
        ("one two three four five", "x"),
    ]
    assert measured("repetition_rate", pairs)["value"] == pytest.approx(2 / 7)


def test_characters_of_a_script_without_spaces_are_words():
    pairs = [("很好很好很好", "x")]
    assert measured("repetition_rate", pairs)["value"] == pytest.approx(1 / 3)


def test_texts_without_a_run_repeat_nothing():
    assert measured("repetition_rate", [("", "x"), ("a b", "x")])["value"] == 0.0
