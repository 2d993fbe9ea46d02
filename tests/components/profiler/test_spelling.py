"""Labels in several spellings."""

import pytest

from textmill.components.profiler.anomalies import (
    Anomaly,
    find_repeated_ids,
    find_spellings,
)
from textmill.components.profiler.spelling import equal_but_for_form, likely_typos
from textmill.components.profiler.statistics import Statistics


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ({"Billing": 40, "billing": 3, "sales": 9}, [["Billing", "billing"]]),
        ({"new  york": 1, "New York": 2}, [["New York", "new  york"]]),
        ({"true": 5, "True": 4, "TRUE": 1}, [["true", "True", "TRUE"]]),
        ({"1": 5, "1.0": 3, "10": 4}, [["1", "1.0"]]),
        ({"a": 1, "b": 1}, []),
    ],
)
def test_labels_that_differ_in_form_alone_are_one_group(labels, groups):
    assert list(equal_but_for_form(labels)) == groups


@pytest.mark.parametrize(
    ("rare", "is_typo"),
    [
        ("tecnical", True),
        ("technicall", True),
        ("technicel", True),
        ("tehcnical", True),
        ("Technicl", True),
        ("tecnicel", False),
        ("clinical", False),
    ],
)
def test_a_rare_label_one_letter_from_a_frequent_one_is_a_typo(rare, is_typo):
    found = list(likely_typos({"technical": 157, rare: 3, "billing": 90}))
    assert found == ([(rare, "technical")] if is_typo else [])


def test_digits_short_names_and_frequent_names_are_no_typos():
    assert list(likely_typos({"part 1": 100, "part 2": 2})) == []
    assert list(likely_typos({"men": 100, "man": 2})) == []
    assert list(likely_typos({"sport": 100, "sports": 40})) == []


def test_spellings_are_anomalies_with_their_counts_and_their_split():
    train, test = Statistics(), Statistics()
    train.labels.update({"technical": 150, "Billing": 30})
    test.labels.update({"technical": 7, "tecnical": 3, "billing": 2})
    assert list(find_spellings({"train": train, "test": test})) == [
        Anomaly(
            "spelling",
            "labels 'Billing' (30) and 'billing' (2) differ in case, white space or "
            "number format alone; labels.map makes them one",
            "test",
        ),
        Anomaly(
            "spelling",
            "label 'tecnical' (3) looks like 'technical' (157); labels.map makes them "
            "one",
            "test",
        ),
    ]


def test_repeated_ids_are_an_anomaly():
    [anomaly] = find_repeated_ids({"read": 625, "dropped": {"duplicate_id": 25}})
    assert anomaly.kind == "ids"
    assert anomaly.what.startswith("25 of 625 documents have the id of an earlier one")
    assert not list(find_repeated_ids({"read": 3, "dropped": {"too_short": 1}}))
