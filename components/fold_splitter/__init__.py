"""Fold splitting: labelled documents become folds, each held out from one training.

Train and eval are pooled and dealt to ``fold_1`` .. ``fold_K``; test stays as it is. A
fold has nearly the same share of every label. Documents that belong together are in
one fold: those with the same value of the data set's ``split.by`` column, the same
text, or nearly the same text, also by way of other documents. ``engine.py`` has the
rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from textmill.components.artifacts import Documents
from textmill.components.base import Component, Input, Output


@dataclass(frozen=True, kw_only=True)
class FoldSplitterConfig:
    """The number of folds, and which documents stay together."""

    num_folds: int
    """Number of folds."""
    group_by: str = "id"
    """Column whose values never straddle folds. ``id`` and ``source`` make no groups;
    ``position`` joins the parts of one document."""
    similarity: float = 0.5
    """Documents stay together if the Jaccard similarity of their shingles, as MinHash
    estimates it, is this or more."""
    ngrams: int = 3
    """Words per shingle; in scripts without spaces a character counts as a word."""
    seed: int = 17
    """Seed of the order in which groups are dealt."""


def split_folds(
    *,
    documents: Input[Documents],
    folds: Output[Documents],
    config: FoldSplitterConfig,
) -> None:
    """Writes a split for each fold, and test; documents without a label are left out.

    Raises:
        DataError: there are fewer groups than folds.
    """
    from textmill.components.fold_splitter.engine import deal_documents

    deal_documents(documents, folds, config)


class FoldSplitter(Component, executor=split_folds):
    """Documents -> documents in folds."""
