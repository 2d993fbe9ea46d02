"""Surveys data before a config exists, for ``textmill init`` and ``fit``.

Reading order: ``survey`` (all of it), ``source`` (files, encoding, delimiter),
``sample`` (a bounded number of rows), ``columns`` (texts, labels, ids, groups),
``statistics`` (lengths, language, duplicates, balance, leaks), ``remarks`` (sentences
for people). Readers are those of the ingester, without Beam.
"""
