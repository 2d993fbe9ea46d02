"""The look-up baseline of tagging: every word gets its most frequent tag in train.

Words are runs of letters, digits and marks; a letter of a script without spaces, and
any other character but white space, is a word by itself. An unknown word is outside of
spans, and so is one that was outside as often as inside.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.models.errors import IntegrityError
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS
from textmill.models.unspaced import UNSPACED, character_class

_UNSPACED = f"[{character_class(*UNSPACED)}]"
_WORD = re.compile(rf"{_UNSPACED}|(?:(?!{_UNSPACED})\w)+|\S")
_OUTSIDE = "", False
_FIELD = TARGETS["tags"].field

Tag = tuple[str, bool]
"""A label, empty outside of spans, and whether it begins a span."""


def lookup_chunks(
    documents: Documents, predictions: Predictions
) -> Iterator[dict[str, Any]] | None:
    """Returns the columns of predictions, with the spans of words known from train.

    None for a task without spans.
    """
    if TASKS[predictions.facts["task"]].target != "tags":
        return None
    known = learn_tags(documents.read_with(_FIELD, *(documents.folds or ["train"])))
    return _chunks(documents, predictions, known)


def _chunks(
    documents: Documents, predictions: Predictions, known: Mapping[str, Tag]
) -> Iterator[dict[str, Any]]:
    splits = documents.splits_of(predictions.facts["split"])
    remaining = documents.read_with(_FIELD, *splits)
    for chunk in predictions.read_groups():
        spans = []
        for id in chunk["id"]:
            document = next(remaining, {"id": None})
            if document["id"] != id:
                raise IntegrityError(
                    f"evaluate: the predictions are for document {id}, expected "
                    f"{document['id']}; run the pipeline again"
                )
            spans.append(json.dumps(tag_words(document["text"], known)))
        yield {**chunk, "spans": spans}


def learn_tags(documents: Iterable[Mapping[str, Any]]) -> dict[str, Tag]:
    """Returns the most frequent tag of every word that is mostly inside of spans."""
    counts: defaultdict[str, Counter[Tag]] = defaultdict(Counter)
    for document in documents:
        for word, tag in _tagged_words(document["text"], document[_FIELD]):
            counts[word][tag] += 1
    tags = {
        word: max(sorted(counter), key=counter.__getitem__)
        for word, counter in counts.items()
    }
    return {word: tag for word, tag in tags.items() if tag != _OUTSIDE}


def _tagged_words(
    text: str, spans: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Tag]]:
    """Yields the words of a text, each with the tag of its first character."""
    bounds = chain(sorted((s["start"], s["end"], s["label"]) for s in spans))
    start, end, label = next(bounds, (len(text), len(text), ""))
    before = -1
    for word in _WORD.finditer(text):
        while word.start() >= end and start < len(text):
            start, end, label = next(bounds, (len(text), len(text), ""))
        if word.start() < start:
            yield word[0], _OUTSIDE
        else:
            yield word[0], (label, start != before)
            before = start


def tag_words(text: str, known: Mapping[str, Tag]) -> list[dict[str, Any]]:
    """Returns the spans of a text's known words."""
    spans: list[dict[str, Any]] = []
    before = ""
    for word in _WORD.finditer(text):
        label, begins = known.get(word[0], _OUTSIDE)
        if label and (begins or label != before):
            span = {"start": word.start(), "end": word.end(), "label": label}
            spans.append(span)
        elif label:
            spans[-1]["end"] = word.end()
        before = label
    return spans
