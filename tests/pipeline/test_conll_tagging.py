"""Tagging from a CoNLL file: 2,000 sentences of a grammar with planted entities."""

import json
import re

import pytest

from tests.pipeline.planted import sentences
from tests.pipeline.test_end_to_end import textmill
from tests.pipeline.test_tagging import CONFIG

pytestmark = pytest.mark.slow

CHANGES = {
    "jsonl: notes.jsonl, text: text": "conll: notes.conll",
    "sequence_length: 32": "sequence_length: 40",
    "steps: 250": "steps: 500",
    ">= lookup + 0.05": ">= 0.99",
}
"""The config of ``test_tagging`` for a longer training on a CoNLL file."""


def conll_lines(document):
    """Yields a line for every token: the token, and its IOB2 tag."""
    starts = {tag["start"]: tag for tag in document["tags"]}
    label, end = None, 0
    for match in re.finditer(r"\w+|[^\w\s]", document["text"]):
        if match.start() in starts:
            tag = starts[match.start()]
            label, end = tag["label"], tag["end"]
            yield f"{match[0]}\tB-{label}"
        else:
            yield f"{match[0]}\tI-{label}" if match.start() < end else f"{match[0]}\tO"


def test_entities_of_a_conll_file_are_found(tmp_path):
    config = CONFIG
    for old, new in CHANGES.items():
        assert old in config
        config = config.replace(old, new)
    (tmp_path / "planted.yaml").write_text(config)
    blocks = ("\n".join(conll_lines(document)) for document in sentences(2000))
    (tmp_path / "notes.conll").write_text("\n\n".join(blocks) + "\n")
    done = textmill("run", "planted.yaml", "--root", "root", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.glob("root/artifacts/evaluate.entities/*/evaluation/metrics.json")
    result = json.loads(path.read_text())
    assert result["split"] == "test" and result["rows"] > 150
    assert result["metrics"]["span_f1"]["value"] >= 0.99
    assert set(result["per_class"]) == {"person", "firm", "place", "day"}
