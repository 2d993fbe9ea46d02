"""The cache: a node runs again only if something that its result depends on changed.

Reading order: ``key`` (all parts of a cache key), ``diff`` (why a key differs from the
last one), ``plan`` (what a run would do), ``code_digest`` and ``file_digests`` (source
code and external files). ``pipeline.publish`` writes and looks up the results.
"""
