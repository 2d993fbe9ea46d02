"""Sequence to sequence from YAML to a served translation, on a small grammar."""

import itertools
import json
import re
from pathlib import Path

import pytest
import sacrebleu

from tests.pipeline.test_end_to_end import textmill

pytestmark = pytest.mark.slow

CONFIG = """
name: tiny
seed: 3
datasets:
  pairs:
    source: {jsonl: pairs.jsonl, text: english, target_text: german}
    clean: {dedup: none}
    split: {train: 0.8, eval: 0.1, test: 0.1}
vocabulary: {kind: bpe, size: 400, learn_from: pairs, lowercase: false}
model:
  family: encoder_decoder
  recipe: modern
  layers: 1
  width: 32
  heads: 2
  sequence_length: 16
  target_length: 12
  dropout: 0.0
stages:
  german:
    task: seq2seq
    dataset: pairs
    train: {steps: 300, global_batch: 32, learning_rate: 1e-2, xla: false}
    evaluate: {thresholds: {bleu: ">= 80"}}
    export: {}
    push: {}
"""
WORDS = (
    {"one": "ein", "my": "mein", "your": "dein", "the": "der"},
    {"red": "rote", "old": "alte", "small": "kleine", "quiet": "leise"},
    {"dog": "Hund", "man": "Mann", "bird": "Vogel", "baker": "Bäcker"},
    {"sings": "singt", "sleeps": "schläft", "waits": "wartet", "laughs": "lacht"},
)


def pairs():
    """Yields 256 pairs; German puts the verb first."""
    for number, words in enumerate(itertools.product(*(w.items() for w in WORDS))):
        english, german = zip(*words, strict=True)
        *others, verb = german
        yield {
            "id": str(number),
            "english": " ".join(english).capitalize() + ".",
            "german": " ".join([verb.capitalize(), *others]) + "?",
        }


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seq2seq")
    (folder / "tiny.yaml").write_text(CONFIG)
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs())
    (folder / "pairs.jsonl").write_text(lines)
    done = textmill("run", "tiny.yaml", "--root", "root", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_grammar_is_learned_exported_and_pushed(project):
    [path] = Path(project).glob("root/artifacts/evaluate.german/*/evaluation")
    result = json.loads((path / "metrics.json").read_text())
    assert result["blessed"] is True
    assert result["metrics"]["bleu"]["value"] >= 80
    assert "tok:13a" in result["signatures"]["bleu"]
    [version] = project.glob("root/pushed/german/1/saved_model.pb")
    # In a fresh process, every text was the trainer's.
    [path] = project.glob("root/artifacts/validate.german/*/validation")
    validation = json.loads((path / "validation.json").read_text())
    assert validation["texts"] > 0 and validation["largest_difference"] == 0
    assert version.stat().st_size > 0


def test_a_fresh_process_writes_the_translation(project):
    sources = [pair for pair in pairs() if int(pair["id"]) % 64 == 5]
    texts = [pair["english"] for pair in sources]
    done = textmill(
        "predict", "--root", "root", "german", *texts, "--json", cwd=project
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line)["predicted_text"] for line in done.stdout.splitlines()]
    references = [pair["german"] for pair in sources]
    assert sacrebleu.corpus_bleu(answers, [references]).score > 60


def test_the_report_quotes_sources_references_and_written_texts(project):
    [page] = project.glob("root/runs/*/report.html")
    text = re.sub(r"<[^>]*>", " ", page.read_text())
    assert "Least like their references" in text and "Written texts" in text
    by_english = {pair["english"]: pair["german"] for pair in pairs()}
    quoted = [english for english in by_english if english in text]
    assert len(quoted) >= 10
    assert all(by_english[english] in text for english in quoted)


def test_targets_may_have_a_vocabulary_of_their_own(project, tmp_path):
    config = CONFIG.replace(
        "learn_from: pairs,", "learn_from: pairs, target: {kind: bpe, size: 350},"
    )
    (tmp_path / "tiny.yaml").write_text(config)
    (tmp_path / "pairs.jsonl").write_bytes((project / "pairs.jsonl").read_bytes())
    done = textmill("run", "tiny.yaml", "--root", "root", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.glob("root/artifacts/evaluate.german/*/evaluation")
    result = json.loads((path / "metrics.json").read_text())
    assert result["metrics"]["bleu"]["value"] >= 80
    [path] = tmp_path.glob("root/artifacts/validate.german/*/validation")
    validation = json.loads((path / "validation.json").read_text())
    assert validation["texts"] > 0 and validation["largest_difference"] == 0
