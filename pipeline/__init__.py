"""The pipeline: config, graph, cache, metadata store, runners and command line.

Reading order: ``create_pipeline`` and ``stage`` (config to graph), ``pipeline`` (the
graph), ``config``, ``cache``, ``runners``, ``publish`` (how artifacts become visible),
``store`` and ``run_log`` (the history), ``platforms`` and ``remote`` (Kubeflow, Vertex,
buckets), ``cli``.
"""
