"""The config: one YAML file, checked as a whole and loaded into frozen dataclasses.

Reading order: ``schema`` (the dataclasses of a file), ``load`` (a file to its config),
``yaml`` (values and their positions), ``types`` (keys and types, by pydantic),
``references`` (names and cycles), ``errors`` (violations, reported together). A rule
about one config class is a check in that class.
"""
