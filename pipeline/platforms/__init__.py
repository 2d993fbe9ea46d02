"""Platforms: compiles a pipeline for Kubeflow, Vertex AI or TFJob, and submits it.

Reading order: ``compile`` (config to file), ``spec`` (the KFP specification), then
``kubeflow``, ``vertex`` and ``tfjob`` (each platform's own part), ``config`` (the knobs
of ``run.nodes``, ``run.kubeflow`` and ``run.vertex``), ``yaml`` and ``secret_scan``
(what is written), ``submission`` with ``kubeflow_client`` and ``vertex_client``.
"""
