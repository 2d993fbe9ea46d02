"""Ranks and the metrics of retrieval, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts
from textmill.models.ranking import Retrieval

SIZE = 40


@pytest.fixture
def scores():
    values = np.random.default_rng(2).normal(size=(SIZE, SIZE))
    values[np.arange(SIZE), np.arange(SIZE)] += 1.5
    return values.astype(np.float32)


@pytest.fixture
def ranks(scores):
    queries, texts = ([f"{side}{i}" for i in range(SIZE)] for side in "qt")
    return Retrieval.of(queries, texts).ranks(lambda block: scores[block])[0]


def interval(name, ranks):
    metric, facts = METRICS[name].load(), PredictionFacts()
    statistics = metric.statistics(PredictedRows({"rank": ranks}, facts))
    result = metric.interval(statistics, facts, seed=17)
    assert result["low"] < result["value"] < result["high"]
    [value] = metric.resampled(statistics, np.ones((1, len(ranks))), facts)
    assert value == pytest.approx(result["value"], abs=1e-12)
    return result["value"]


def test_mrr_and_ndcg_equal_those_of_scikit_learn(scores, ranks):
    right = np.eye(SIZE)
    mrr = label_ranking_average_precision_score(right, scores)
    assert interval("mrr", ranks) == pytest.approx(mrr, abs=1e-12)
    ndcg = ndcg_score(right, scores, k=10)
    assert interval("ndcg_10", ranks) == pytest.approx(ndcg, abs=1e-12)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_recall_counts_the_own_texts_among_the_first(k, scores, ranks):
    first = np.argsort(-scores, axis=1)[:, :k]
    hits = [i in row for i, row in enumerate(first)]
    assert interval(f"recall_{k}", ranks) == pytest.approx(np.mean(hits))


def test_texts_of_the_same_query_and_the_query_itself_do_not_compete():
    queries, texts = ["a", "a", "b", "c"], ["x", "y", "x", "b"]
    retrieval = Retrieval.of(queries, texts)
    assert retrieval.texts == ["x", "y", "b"]
    assert retrieval.own.tolist() == [0, 1, 0, 2]
    assert {k: v.tolist() for k, v in retrieval.excluded.items()} == {
        0: [1],
        1: [0],
        2: [2],
    }
    scores = np.array([[1, 9, 2], [9, 1, 0], [3, 4, 9], [5, 6, 7]], np.float32)
    ranks, best = retrieval.ranks(lambda block: scores[block])
    assert ranks.tolist() == [2, 1, 2, 1]
    assert best.tolist() == [2, 1, 1, 2]


def test_equal_scores_and_nan_find_nothing():
    retrieval = Retrieval.of(list("abc"), list("xyz"))
    for value in (0.0, np.nan):
        ranks, _ = retrieval.ranks(lambda block: np.full((3, 3), value)[block])  # noqa: B023
        assert ranks.tolist() == [3, 3, 3]
