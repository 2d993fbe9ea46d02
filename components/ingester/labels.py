"""Labels: the names that they may have, other spellings, and values for no label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from textmill.components.ingester.readers.records import BadRecord
from textmill.models.errors import did_you_mean

_NUM_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class LabelsConfig:
    """Rules for the labels of a data set, from whichever column they come."""

    strip: bool = True
    """Removes white space around names: ``"Billing "`` is the label ``Billing``."""
    map: Mapping[str, str] = field(default_factory=dict)
    """Names to replace, after ``strip``: ``{tecnical: technical, "True": "true"}``."""
    missing: tuple[str | int, ...] = ()
    """Values that stand for no label, such as -1 in the test files of GLUE, or "n/a".
    Null, empty and absent values always do."""
    allow: tuple[str | int, ...] | None = None
    """The only names: a record with another one is bad. Not set: any name."""
    rare: Literal["fail", "train", "drop"] = "fail"
    """For a label that the split leaves out of train: fail ends the run; train moves
    its documents there, with all that have the same value of ``split.by``; drop leaves
    them out."""

    def __post_init__(self) -> None:
        if "" in self.map.values():
            raise ValueError("a name for each label of map; missing lists the others")
        if self.allow is not None:
            names = {str(name) for name in self.allow}
            for name, target in self.map.items():
                if target not in names:
                    hint = did_you_mean(target, sorted(names))
                    raise ValueError(
                        f"a name of allow as the label for {name!r} in map, got "
                        f"{target!r}{hint}"
                    )


class LabelRules:
    """Applies the rules to the values of one column."""

    def __init__(self, config: LabelsConfig, column: str | None) -> None:
        self._config, self._column = config, column
        self._missing = {str(value).strip() for value in config.missing}
        self._allowed = None if config.allow is None else set(map(str, config.allow))
        self._names: dict[str, str] = {}

    def is_missing(self, value: Any) -> bool:
        """Returns whether the config names a value as no label."""
        if type(value) is float and value.is_integer():
            value = int(value)  # pandas writes -1 as -1.0 where others are missing
        return type(value) in (str, int, float) and str(value).strip() in self._missing

    def name(self, name: str) -> str:
        """Returns the label for a name in the data.

        Raises:
            BadRecord: label_not_allowed.
        """
        if name not in self._names:
            self._names[name] = self._resolve(name)
        return self._names[name]

    def _resolve(self, name: str) -> str:
        stripped = name.strip() if self._config.strip else name
        mapping = self._config.map
        label = mapping.get(name, mapping.get(stripped, stripped))
        if not label:
            detail = f"column {self._column!r}: expected a name, got {name!r}"
            raise BadRecord("label_not_allowed", detail)
        if self._allowed is not None and label not in self._allowed:
            names = sorted(self._allowed)
            listed = ", ".join(map(repr, names[:_NUM_NAMED]))
            more = len(names) - _NUM_NAMED
            raise BadRecord(
                "label_not_allowed",
                f"column {self._column!r}: expected {listed}"
                f"{f' or {more} more of labels.allow' if more > 0 else ''}, got "
                f"{label!r}{did_you_mean(label, names)}",
            )
        return label
