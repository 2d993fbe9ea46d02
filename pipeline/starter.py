"""A starter config: a table of texts and labels becomes a trained, pushed classifier.

``tm.fit`` writes it, and a run keeps it as its ``config.yaml``: the first file of a
project that grows out of a notebook.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textmill.pipeline.publish import write_atomically
from textmill.pipeline.tables import check_columns, to_rows
from textmill.pipeline.text_files import file_source


def starter_config(
    source: Mapping[str, str], *, name: str, text: str, label: str, budget: str
) -> dict[str, Any]:
    """Returns a config with one data set and one classifier, as written in YAML.

    Args:
        source: a file by its format, ``{csv: tickets.csv}``.
        name: the pipeline's and the stage's name; others are derived by ``to_name``.
        text: the column of the texts.
        label: the column of the labels.
        budget: the time of the training, ``5m``.
    """
    return {
        "name": name,
        "datasets": {
            "texts": {
                "source": {**source, "text": text, "label": label},
                "split": {"train": 0.8, "eval": 0.1, "test": 0.1},
            }
        },
        "vocabulary": {"kind": "wordpiece", "size": 8000, "learn_from": "texts"},
        "model": {"family": "bert", "layers": 1, "width": 256, "sequence_length": 128},
        "stages": {
            name: {
                "task": "classify",
                "dataset": "texts",
                "train": {
                    "budget": budget,
                    "learning_rate": 1e-3,
                    "length_buckets": True,
                    "xla": False,  # Compiling would take most of a short budget.
                    "eval_every": 20,
                    "best_metric": "loss",
                },
                "export": {},
                "push": {},
            }
        },
    }


def to_name(text: str) -> str:
    """Returns a name of small letters, digits and ``_`` for the title of a column."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"label_{name}".rstrip("_")


def source_of(data: Any, folder: Path, *, text: str, label: str) -> dict[str, str]:
    """Returns the file of the data by its format, ``{"csv": "/data/tickets.csv"}``.

    Args:
        data: a DataFrame, a list of dicts, or the path of a file.
        folder: gets a file with the rows of a DataFrame or a list.
        text: the column of the texts.
        label: the column of the labels.

    Raises:
        ConfigError: no format has such a file, or the rows lack a column.
        TypeError: the data are something else.
    """
    if isinstance(data, str | Path):
        is_url = "://" in str(data)
        return file_source(str(data) if is_url else str(Path(data).absolute()))
    rows = to_rows(data)
    check_columns("fit", dict.fromkeys(key for row in rows for key in row), text, label)
    rows = [{**row, label: _whole(row.get(label))} for row in rows]
    return {"jsonl": str(_write_rows(rows, folder))}


def _write_rows(rows: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Writes rows as JSON Lines, in a file that is named by their content.

    The same rows have the same path, so that a second call finds its results cached.
    """
    data = b"".join(_encode(row) for row in rows)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    return path


def _encode(row: Mapping[str, Any]) -> bytes:
    import orjson

    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(row, default=_plain, option=options) + b"\n"


def _plain(value: Any) -> str | None:
    """Returns the text of a value that JSON lacks; pandas' missing values are null."""
    text = str(value)
    return None if text in ("NaT", "<NA>") else text


def _whole(value: Any) -> Any:
    """Returns 3 for 3.0: pandas' integers are floats where a value is missing."""
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def render_yaml(values: Mapping[str, Any]) -> str:
    """Returns values as YAML, with inner mappings of plain values on one line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    def styled(value: Any, depth: int) -> Any:
        if not isinstance(value, Mapping):
            return value
        mapping = CommentedMap({k: styled(v, depth + 1) for k, v in value.items()})
        if depth and not any(isinstance(v, Mapping) for v in value.values()):
            mapping.fa.set_flow_style()
        return mapping

    yaml = YAML()
    yaml.width = 1000
    stream = io.StringIO()
    yaml.dump(styled(values, 0), stream)
    return stream.getvalue()
