"""Deduplication and decontamination: exact, near (MinHash), repeated passages.

Read ``config.py``, then ``clusters.py`` (near duplicates by the MinHash of
``components/text``, and the document that represents them),
``passages.py`` (paragraphs and sentences seen in an earlier document), and
``decontamination.py`` (documents that share n-grams with another set's test split).
"""
