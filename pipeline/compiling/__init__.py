"""Compiling: what an engine is told, whichever it is."""
