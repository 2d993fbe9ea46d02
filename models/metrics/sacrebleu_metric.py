"""Base class of metrics that sacrebleu computes: statistics of each text, their sums.

sacrebleu (Post, 2018) fixes the tokenization of BLEU, chrF and TER and names it in a
signature, so that values of different papers and programs compare. Its statistics of a
text add up, so one pass serves the whole split, slices and every bootstrap resample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictedRows, PredictionFacts, SumMetric
from textmill.models.metrics.words import Writing


class SacrebleuMetric(SumMetric):
    """Base class: compares the column ``text`` with the column ``target``."""

    def scorer(self, writing: Writing) -> Any:
        """Returns sacrebleu's metric for references that are written so."""
        raise NotImplementedError

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        scorer = self.scorer(rows.facts.writing)
        # sacrebleu resamples by this method too (significance.py); it has no public
        # one for the statistics of a text.
        statistics = scorer._extract_corpus_statistics(
            list(rows["text"]), [list(rows["target"])]
        )
        return np.array(statistics, np.float64).T

    @override
    def signature(self, facts: PredictionFacts) -> str:
        """Returns sacrebleu's signature: settings, tokenizer and version."""
        scorer = self.scorer(facts.writing)
        scorer.num_refs = 1
        return str(scorer.get_signature())
