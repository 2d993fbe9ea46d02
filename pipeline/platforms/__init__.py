"""Kubeflow, Vertex AI and TFJob: compiling and submitting a pipeline."""
