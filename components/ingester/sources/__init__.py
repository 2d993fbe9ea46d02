"""Sources: the files that documents come from, one origin per file.

Reading order: ``config``; ``files`` (paths and globs, on this machine and at URLs) with
``span_patterns`` ({SPAN} and dates in file names); then ``hub_layout``, ``tfds`` and
``installed_packages``, which list files in other ways.
"""
