import math
from collections import Counter

import numpy as np
import pytest

from textmill.components.text.bm25 import Bm25

TEXTS = [[1, 2, 2, 3], [2, 4], [5], [1, 1, 1, 6, 7, 8], []]


def by_formula(query, texts, *, k1=1.2, b=0.75):
    """The scores of the published formula, token by token."""
    mean = sum(map(len, texts)) / len(texts)
    scores = []
    for text in texts:
        score = 0.0
        for token in query:
            df = sum(token in other for other in texts)
            idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
            tf = Counter(text)[token]
            spread = k1 * (1 - b + b * len(text) / mean)
            score += idf * tf * (k1 + 1) / (tf + spread)
        scores.append(score)
    return scores


def arrays(texts):
    return [np.array(text, np.int32) for text in texts]


@pytest.mark.parametrize("knobs", [{}, {"k1": 0.9, "b": 0.4}])
def test_scores_are_those_of_the_formula(knobs):
    queries = [[2, 3], [1, 1, 6], [9], []]
    index = Bm25(arrays(TEXTS), vocabulary_size=10, **knobs)
    wanted = [by_formula(query, TEXTS, **knobs) for query in queries]
    np.testing.assert_allclose(index.scores(arrays(queries)), wanted, atol=1e-12)


def test_a_score_by_hand():
    # Two texts of one token; idf = ln(1 + 1.5 / 1.5), tf part = 2.2 / 2.2.
    index = Bm25(arrays([[0], [1]]), vocabulary_size=2)
    np.testing.assert_allclose(index.scores(arrays([[0]])), [[math.log(2), 0.0]])
