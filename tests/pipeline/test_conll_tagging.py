"""Tagging from a CoNLL file: 2,000 sentences of a grammar with planted entities."""

import json
import re

import pytest

from tests.pipeline.planted import sentences
from tests.pipeline.test_end_to_end import textmill

pytestmark = pytest.mark.slow

CONFIG = """
name: planted
seed: 3
datasets:
  notes:
    source: {conll: notes.conll, tags: tags}
    clean: {dedup: none}
    split: {train: 0.8, eval: 0.1, test: 0.1}
vocabulary: {kind: wordpiece, size: 400, learn_from: notes, lowercase: false}
model: {family: bert, layers: 2, width: 64, heads: 4, sequence_length: 40, dropout: 0.0}
stages:
  entities:
    task: tag
    dataset: notes
    train: {steps: 500, global_batch: 32, learning_rate: 3e-3, xla: false}
    evaluate: {thresholds: {span_f1: ">= 0.99"}}
    export: {}
    push: {}
"""


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
    (tmp_path / "planted.yaml").write_text(CONFIG)
    blocks = ("\n".join(conll_lines(document)) for document in sentences(2000))
    (tmp_path / "notes.conll").write_text("\n\n".join(blocks) + "\n")
    done = textmill("run", "planted.yaml", "--root", "root", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.glob("root/artifacts/evaluate.entities/*/evaluation/metrics.json")
    result = json.loads(path.read_text())
    assert result["split"] == "test" and result["rows"] > 150
    assert result["metrics"]["span_f1"]["value"] >= 0.99
    assert set(result["per_class"]) == {"person", "firm", "place", "day"}
