"""Deduplication and decontamination: exact, near (MinHash), repeated passages.

Read ``config.py``, then ``minhash.py`` (signatures and bands of a document) with
``clusters.py`` (duplicates of duplicates, and the document that represents them),
``passages.py`` (paragraphs and sentences seen in an earlier document), and
``decontamination.py`` (documents that share n-grams with another set's test split).
"""
