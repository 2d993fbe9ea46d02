"""A toy filter: documents must not shout."""

from dataclasses import dataclass

from textmill.components.ingester.filters.filter import Filter, Violation


@dataclass(frozen=True, kw_only=True)
class QuietConfig:
    """How loud a document may be."""

    max_marks: int = 0
    """Documents with more exclamation marks are dropped."""


class Quiet(Filter):
    """Drops documents with exclamation marks."""

    config_class = QuietConfig

    def check(self, view):
        """Returns the rule that a loud document breaks."""
        count = view.text.count("!")
        if count > self.config.max_marks:
            return Violation("loud", f"{count} marks > {self.config.max_marks}")
        return None
