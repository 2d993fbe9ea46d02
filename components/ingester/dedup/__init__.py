"""Deduplication and decontamination: exact, near (MinHash), repeated passages."""
