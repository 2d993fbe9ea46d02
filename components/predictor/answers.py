"""Answers as fields of a row: merged with the input's columns, or flat for tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

_PREFIX = "predicted_"
_MOST_TERMS = 8


def top(answer: Mapping[str, Any], number: int | None) -> dict[str, Any]:
    """Returns an answer with its most probable labels alone; None keeps all."""
    if number is None:
        return dict(answer)
    return {
        name: dict(islice(value.items(), number))
        if name in ("probabilities", "scores")
        else value
        for name, value in answer.items()
    }


def merge(row: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row with an answer; a field that the row has too gets a prefix."""
    own = {_PREFIX + key if key in row else key: answer[key] for key in answer}
    return {**row, **own}


def flatten_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an answer as columns: ``probability`` of its label, ``p_<label>``.

    Several labels are one text, with ``|`` between them, and have ``score_<label>``;
    spans are a list as JSON text.
    """
    row: dict[str, Any] = {}
    for name, value in answer.items():
        if name == "probabilities":
            row["probability"] = max(value.values())
            row |= {f"p_{label}": value[label] for label in sorted(value)}
        elif name == "scores":
            row |= {f"score_{label}": value[label] for label in sorted(value)}
        elif name == "labels":
            row[name] = "|".join(value)
        elif name == "spans":
            row[name] = json.dumps(value, ensure_ascii=False)
        elif name == "because":
            terms = top_terms(value).items()
            row[name] = "; ".join(f"{ngram} {weight:+.2f}" for ngram, weight in terms)
        else:
            row[name] = value
    return row


def top_terms(because: Mapping[str, float]) -> dict[str, float]:
    """Returns the terms of an explanation that a person reads: the largest ones."""
    return dict(islice(because.items(), _MOST_TERMS))
