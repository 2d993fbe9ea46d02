"""Submitting: compiled pipelines become runs of a service."""
