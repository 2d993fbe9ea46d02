"""Textmill as a library: ``import textmill as tm``."""
