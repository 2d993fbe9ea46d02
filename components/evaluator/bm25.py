"""The BM25 baseline of retrieval: ranks second texts by the tokens that they share.

Tokens are those of the model's tokenizer; k1 and b are in ``components/text/bm25.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from textmill.components.artifacts import Documents, Predictions, TrainedModel
from textmill.components.text.bm25 import Bm25


def bm25_chunks(
    documents: Documents, predictions: Predictions, model: TrainedModel
) -> Iterator[dict[str, Any]]:
    """Yields the columns of predictions, with BM25's ``rank`` of each second text."""
    from textmill.models.inference import tokenize_texts
    from textmill.models.ranking import Retrieval
    from textmill.models.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(model.path / model.TOKENIZER)
    splits = documents.splits_of(predictions.facts["split"])
    queries, texts = [], []
    for document in documents.read(*splits):
        queries.append(document["text"])
        texts.append(document["text_2"])
    retrieval = Retrieval.of(queries, texts)
    index = Bm25(
        list(tokenize_texts(tokenizer, retrieval.texts)),
        vocabulary_size=tokenizer.size,
    )
    tokens = list(tokenize_texts(tokenizer, queries))
    ranks, _ = retrieval.ranks(lambda block: index.scores(tokens[block]))
    start = 0
    for chunk in predictions.read_groups():
        size = len(chunk["id"])
        yield {**chunk, "rank": np.array(ranks[start : start + size])}
        start += size
