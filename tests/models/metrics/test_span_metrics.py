"""Metrics of spans: strict, and equal to conlleval's counts."""

import itertools
import json
import random

import numpy as np
import pytest
from nervaluate import Evaluator

from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts
from textmill.models.metrics.spans import counts_by_label

LABELS = ("LOC", "PER")
FACTS = PredictionFacts(labels=LABELS)


def random_tags(draw, length):
    """Returns legal IOB2 tags."""
    tags = ["O"]
    for _ in range(length):
        choices = ["O", "O", "B-LOC", "B-PER"]
        if tags[-1] != "O":
            choices += [f"I-{tags[-1][2:]}"] * 3
        tags.append(draw.choice(choices))
    return tags[1:]


def spans_of(tags):
    """Returns spans of words of one letter, with a space after each."""
    spans = []
    for i, tag in enumerate(tags):
        if tag[0] == "B":
            spans.append({"start": 2 * i, "end": 2 * i + 1, "label": tag[2:]})
        elif tag[0] == "I":
            spans[-1]["end"] = 2 * i + 1
    return spans


def split_tag(tag):
    return ("O", "") if tag == "O" else (tag[0], tag[2:])


def chunk_ends(before, now):
    """Rule of conlleval's ``endOfChunk``, for IOB tags."""
    (tag, kind), (next_tag, next_kind) = before, now
    return (tag in "BI" and next_tag in "BO") or (tag != "O" and kind != next_kind)


def chunk_starts(before, now):
    """Rule of conlleval's ``startOfChunk``, for IOB tags."""
    (tag, kind), (next_tag, next_kind) = before, now
    return (
        next_tag == "B"
        or (tag == "O" and next_tag == "I")
        or (next_tag != "O" and kind != next_kind)
    )


def conlleval(sentences):
    """Returns correct, guessed and true chunks, by conlleval's one pass over tokens."""
    correct = guessed = true = 0
    before = ("O", ""), ("O", "")
    is_open = False
    for sentence in sentences:
        for pair in [*sentence, ("O", "O")]:  # a blank line ends all chunks
            now = tuple(map(split_tag, pair))
            ends = [chunk_ends(*x) for x in zip(before, now, strict=True)]
            starts = [chunk_starts(*x) for x in zip(before, now, strict=True)]
            if is_open and all(ends):
                is_open = False
                correct += 1
            elif is_open and (any(ends) or now[0][1] != now[1][1]):
                is_open = False
            if all(starts) and now[0][1] == now[1][1]:
                is_open = True
            true += starts[0]
            guessed += starts[1]
            before = now
    return correct, guessed, true


def rows_of(pairs):
    columns = {
        name: np.array([json.dumps(spans_of(pair[i])) for pair in pairs], object)
        for i, name in enumerate(("target", "spans"))
    }
    return PredictedRows(columns, FACTS)


def values_of(rows):
    return {
        name: metric.interval(metric.statistics(rows), FACTS, seed=1)["value"]
        for name in ("span_f1", "span_precision", "span_recall")
        for metric in [METRICS[name].load()]
    }


@pytest.fixture(scope="module")
def pairs():
    """200 true taggings, each with another, the same, or one with an entity broken."""
    draw = random.Random(0)
    pairs = []
    for _ in range(200):
        true = random_tags(draw, draw.randint(0, 20))
        other = random_tags(draw, len(true))
        noisy = other if draw.random() < 0.3 else true
        if noisy is true and true and draw.random() < 0.5:
            at = draw.randrange(len(true))
            noisy = [*true[:at], "O", *true[at + 1 :]]
            following = itertools.takewhile(lambda t: t[0] == "I", true[at + 1 :])
            for i, tag in enumerate(following, at + 1):
                noisy[i] = f"B{tag[1:]}" if i == at + 1 else tag
        pairs.append((true, noisy))
    return pairs


def test_values_equal_conllevals_on_random_taggings(pairs):
    correct, guessed, true = conlleval([zip(*p, strict=True) for p in pairs])
    precision, recall = correct / guessed, correct / true
    assert 0.3 < precision < 0.9
    assert values_of(rows_of(pairs)) == pytest.approx(
        {
            "span_f1": 2 * precision * recall / (precision + recall),
            "span_precision": precision,
            "span_recall": recall,
        },
        abs=1e-12,
    )


def test_values_equal_nervaluates_on_random_taggings(pairs):
    true, predicted = map(list, zip(*pairs, strict=True))
    evaluator = Evaluator(true, predicted, tags=list(LABELS), loader="list")
    strict = evaluator.evaluate()["overall"]["strict"]
    values = {
        "span_f1": strict.f1,
        "span_precision": strict.precision,
        "span_recall": strict.recall,
    }
    assert values_of(rows_of(pairs)) == pytest.approx(values, abs=1e-12)


def test_a_span_counts_only_with_its_bounds_and_its_label():
    pairs = [
        (["B-LOC", "I-LOC"], ["B-LOC", "I-LOC"]),
        (["B-LOC", "I-LOC"], ["B-LOC", "O"]),
        (["B-LOC", "I-LOC"], ["B-PER", "I-PER"]),
        (["B-LOC", "I-LOC"], ["O", "O"]),
        (["O", "O"], ["O", "B-PER"]),
    ]
    rows = rows_of(pairs)
    assert values_of(rows) == pytest.approx(
        {"span_f1": 2 / 8, "span_precision": 1 / 4, "span_recall": 1 / 4}
    )
    assert counts_by_label(rows).sum(axis=2).tolist() == [[1, 2, 4], [0, 2, 0]]


def test_texts_without_spans_have_no_score_but_no_error():
    assert values_of(rows_of([(["O"], ["O"])])) == {
        "span_f1": 0.0,
        "span_precision": 0.0,
        "span_recall": 0.0,
    }
