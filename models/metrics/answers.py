"""Answers to questions compared as SQuAD's evaluation compares them.

The rules are those of the published script (Rajpurkar et al., 2016; version 2.0): lower
case, without ASCII punctuation and the articles a, an and the; words between spaces.
Characters of scripts without spaces are words of their own, and Unicode's punctuation
goes too in an answer that has one.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable

import numpy as np

from textmill.models.metrics.metric import PredictedRows
from textmill.models.unspaced import UNSPACED, character_class

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ALONE = re.compile(f"([{character_class(*UNSPACED)}])")
_ASCII = str.maketrans("", "", string.punctuation)


def answer_words(text: str) -> list[str]:
    """Returns the words of an answer."""
    text = text.lower().translate(_ASCII)
    if _ALONE.search(text):
        marks = (" " if unicodedata.category(c)[0] == "P" else c for c in text)
        text = _ALONE.sub(r" \1 ", "".join(marks))
    return _ARTICLES.sub(" ", text).split()


def exact_match(answer: str, reference: str) -> float:
    """Returns 1 if an answer has the words of a reference, else 0."""
    return float(answer_words(answer) == answer_words(reference))


def token_f1(answer: str, reference: str) -> float:
    """Returns the F1 of the words that an answer and a reference share."""
    words, wanted = answer_words(answer), answer_words(reference)
    if not words or not wanted:
        return float(words == wanted)
    shared = (Counter(words) & Counter(wanted)).total()
    return 2.0 * shared / (len(words) + len(wanted))


def best_scores(rows: PredictedRows, score: Callable[[str, str], float]) -> np.ndarray:
    """Returns the best score over the references of each row, float64 ``[rows]``.

    Without a reference, the right answer is the empty text.
    """
    pairs = zip(rows["answer"], rows["references"], strict=True)
    scores = [
        max(score(answer, reference) for reference in json.loads(references) or [""])
        for answer, references in pairs
    ]
    return np.array(scores, np.float64)
