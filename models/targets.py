"""TARGETS: the kinds of value that a document carries for a task to learn.

One class a kind, which checks the value of a source's column, names its labels, and
turns documents' values into a column of token rows and back. Loads no NumPy, which
the planner does without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from textmill.models.spans import answer_places, mismatch, tagged_span

if TYPE_CHECKING:
    import numpy as np

_LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


class Target:
    """Base class: a kind of target. By itself it is the kind ``none``.

    Attributes:
        field: its key in documents, and the key of a source that names its column.
        packings: packings whose rows can hold it; none where no row can yet.
        has_labels: whether its values are names that rows hold as numbers.
        suits_parts: whether a part or a changed copy of a text has the same target.
        has_spans: whether its values count the characters of the text, so that rows
            hold it by the places of their tokens.
    """

    field = ""
    packings: tuple[str, ...] = (
        "pad",
        "concat",
        "best_fit",
        "sentence_pair",
        "response",
        "pair",
        "texts",
    )
    has_labels = False
    suits_parts = True
    has_spans = False

    def parse(self, value: Any, text: str) -> Any:
        """Returns the JSON value that a document holds for a source's value.

        Raises:
            ValueError: it is not of this kind; the message says what was expected.
        """
        raise NotImplementedError

    def is_missing(self, value: Any) -> bool:
        """Returns True for a source's value without a target."""
        if type(value) is str:
            return not value or value.isspace()
        return value is None or (type(value) is float and math.isnan(value))

    def labels_of(self, value: Any) -> tuple[str, ...]:
        """Returns the names in a document's value."""
        return ()

    def rename(self, value: Any, name: Callable[[str], str]) -> Any:
        """Returns a document's value with other names."""
        return value

    def row_fields(self, num_labels: int, sequence_length: int = 0) -> list[Any]:
        """Returns its NumPy fields of a row, one or none.

        Args:
            num_labels: names of the documents' labels.
            sequence_length: tokens of a row.
        """
        return []

    def encode(self, values: Sequence[Any], labels: Sequence[str]) -> list[Any]:
        """Returns the column of documents' values, as numbers ``[n]`` or ``[n, ...]``.

        Args:
            values: of n documents.
            labels: the names, in the order of their numbers.
        """
        raise NotImplementedError

    def unpack(self, column: np.ndarray) -> np.ndarray:
        """Returns a column of rows in the type of features and predictions."""
        return column

    def decode(self, column: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """Returns the values of documents for an unpacked column."""
        raise NotImplementedError


class Label(Target):
    """One name of several: int32 in rows."""

    field = "label"
    packings = ("pad", "pair", "texts")
    has_labels = True

    def parse(self, value: Any, text: str) -> str:
        """Returns a string, a whole number or a boolean as a name."""
        return label_name(value)

    def labels_of(self, value: Any) -> tuple[str, ...]:
        """Returns the one name."""
        return (value,)

    def rename(self, value: Any, name: Callable[[str], str]) -> str:
        """Returns the other name."""
        return name(value)

    def row_fields(self, num_labels: int, sequence_length: int = 0) -> list[Any]:
        """Returns one number."""
        return [(self.field, "<i4")]

    def encode(self, values: Sequence[Any], labels: Sequence[str]) -> list[Any]:
        """Returns the numbers of names, ``[n]``."""
        number = {name: i for i, name in enumerate(labels)}
        return [number[value] for value in values]

    def unpack(self, column: np.ndarray) -> np.ndarray:
        """Returns int32 ``[n]``."""
        return column.astype("int32")

    def decode(self, column: np.ndarray, labels: Sequence[str]) -> list[str]:
        """Returns names."""
        return [labels[number] for number in column.tolist()]


class Labels(Target):
    """Any number of names: one uint8 for each in rows, 1 where the document has it."""

    field = "labels"
    packings = ("pad", "pair", "texts")
    has_labels = True

    def parse(self, value: Any, text: str) -> list[str]:
        """Returns sorted names, each once; a single value is the only name."""
        if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
            raise ValueError(
                "expected a list of labels, got a text that looks like one, "
                f"{value!r}; "
                "write a list, or its names with labels_separator between them"
            )
        values = value if isinstance(value, list) else [value]
        return sorted({label_name(name) for name in values})

    def labels_of(self, value: Any) -> tuple[str, ...]:
        """Returns the names."""
        return tuple(value)

    def rename(self, value: Any, name: Callable[[str], str]) -> list[str]:
        """Returns the other names, sorted, each once."""
        return sorted(set(map(name, value)))

    def row_fields(self, num_labels: int, sequence_length: int = 0) -> list[Any]:
        """Returns a number for each name."""
        return [(self.field, "u1", (num_labels,))]

    def encode(self, values: Sequence[Any], labels: Sequence[str]) -> list[Any]:
        """Returns 1 for names that a document has, else 0, ``[n, labels]``."""
        return [[int(name in value) for name in labels] for value in values]

    def unpack(self, column: np.ndarray) -> np.ndarray:
        """Returns uint8 ``[n, labels]``."""
        return column.astype("uint8")

    def decode(self, column: np.ndarray, labels: Sequence[str]) -> list[list[str]]:
        """Returns sorted lists of names."""
        return [
            [name for name, has in zip(labels, row, strict=True) if has]
            for row in column.tolist()
        ]


def label_name(value: Any) -> str:
    """Returns the name of a label: 1 and 1.0 are one, as are true and ``"true"``.

    Raises:
        ValueError: it is neither text, a whole number nor a boolean.
    """
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float and value.is_integer():
        return str(int(value))
    if type(value) not in (str, int) or value == "":
        raise ValueError(mismatch("a string or an integer", value))
    return str(value)


class Number(Target):
    """A number, for regression: float32 in rows."""

    field = "number"
    packings = ("pad", "pair", "texts")

    def is_missing(self, value: Any) -> bool:
        """Returns True without a number; pandas writes NaN as a text."""
        is_nan = type(value) is str and value.strip().casefold() == "nan"
        return is_nan or super().is_missing(value)

    def parse(self, value: Any, text: str) -> float:
        """Returns a finite number; text is read as one, since csv has only text."""
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not abs(number) <= _LARGEST_FLOAT32:
            raise ValueError(mismatch("a finite number", value))
        return number

    def row_fields(self, num_labels: int, sequence_length: int = 0) -> list[Any]:
        """Returns one number."""
        return [(self.field, "<f4")]

    def encode(self, values: Sequence[Any], labels: Sequence[str]) -> list[Any]:
        """Returns the numbers, ``[n]``."""
        return list(values)

    def unpack(self, column: np.ndarray) -> np.ndarray:
        """Returns float32 ``[n]``."""
        return column.astype("float32")

    def decode(self, column: np.ndarray, labels: Sequence[str]) -> list[float]:
        """Returns numbers, rounded to float32."""
        values: list[float] = column.tolist()
        return values


class Tags(Target):
    """Spans of characters with names: in rows, uint8 for each token.

    0 is a token outside of spans, 1 + 2k the first one of a span of label k, 2 + 2k a
    further one, and 255 a control token or padding.
    """

    field = "tags"
    packings = ("pad", "strides")
    has_labels = True
    suits_parts = False
    has_spans = True
    IGNORED = 255
    MAX_LABELS = 127

    def parse(self, value: Any, text: str) -> list[dict[str, Any]]:
        """Returns spans in the order of the text, which may not overlap.

        A span is ``{"start": 0, "end": 5, "label": "place"}`` or ``[0, 5, "place"]``.
        """
        if not isinstance(value, list):
            raise ValueError(mismatch("a list of spans", value))
        spans = sorted(
            (tagged_span(item, text) for item in value), key=lambda s: s["start"]
        )
        for before, after in pairwise(spans):
            if after["start"] < before["end"]:
                raise ValueError(
                    "expected spans that do not overlap, got "
                    f"{before['start']} to {before['end']} and "
                    f"{after['start']} to {after['end']}"
                )
        return spans

    def labels_of(self, value: Any) -> tuple[str, ...]:
        """Returns the names of the spans, each once."""
        return tuple(sorted({span["label"] for span in value}))

    def rename(self, value: Any, name: Callable[[str], str]) -> list[dict[str, Any]]:
        """Returns the spans with other names."""
        return [span | {"label": name(span["label"])} for span in value]

    def row_fields(self, num_labels: int, sequence_length: int = 0) -> list[Any]:
        """Returns a number for each token."""
        return [(self.field, "u1", (sequence_length,))]

    def unpack(self, column: np.ndarray) -> np.ndarray:
        """Returns int32 ``[n, length]``."""
        return column.astype("int32")


class Answer(Target):
    """Places of an answer in the text, none without one: int32 ``[2]`` in rows.

    Rows hold the first and the last token of the answer; both are 0, the start token,
    where a row does not hold it whole.
    """

    field = "answers"
    packings = ("strides",)
    suits_parts = False
    has_spans = True

    def parse(self, value: Any, text: str) -> list[dict[str, int]]:
        """Returns the different places; see ``answer_places``."""
        return answer_places(value, text)

    def row_fields(self, num_labels: int, sequence_length: int = 0) -> list[Any]:
        """Returns two numbers, and 1 for the first row of a document."""
        return [("span", "<i4", (2,)), ("opens", "u1")]


class Text(Target):
    """The text to write for a text: rows hold both, in one sequence or in two."""

    field = "target_text"
    packings = ("response", "encoder_decoder")
    suits_parts = False

    def parse(self, value: Any, text: str) -> str:
        """Returns the text."""
        if type(value) is not str or not value:
            raise ValueError(mismatch("a string", value))
        if "\0" in value:
            raise ValueError("expected a string without NUL characters")
        return value


TARGETS: dict[str, Target] = {
    "none": Target(),
    "label": Label(),
    "labels": Labels(),
    "number": Number(),
    "tags": Tags(),
    "answer": Answer(),
    "text": Text(),
}
"""Every kind by the name under which rows of ``TASKS`` give it."""
