"""Predictions of written texts: metrics with their signatures, slices and losses."""

import math

import pytest
import sacrebleu

from tests.components.evaluator.test_engine import write
from textmill.components.evaluator import EvaluatorConfig
from textmill.components.evaluator.engine import measure

TEXTS = ["A dog runs.", "Two men talk now.", "She reads", "It is late already."]
REFERENCES = [
    "A dog is running.",
    "Two men talk now.",
    "She is reading.",
    "It is late.",
]


def measured(folder, texts=TEXTS, references=REFERENCES):
    columns = {
        "id": [str(i) for i in range(len(texts))],
        "target": references,
        "text": texts,
        "loss": [2.0] * len(texts),
        "weight": [4.0] * len(texts),
        "correct": [3.0] * len(texts),
        "source": ["news"] * 2 + ["mail"] * (len(texts) - 2),
    }
    facts = {"task": "seq2seq", "slices": ["source"], "tokens": 16, "bytes": 64}
    return measure(write(folder, columns, **facts), EvaluatorConfig())


def test_every_metric_has_an_interval_and_those_of_sacrebleu_a_signature(tmp_path):
    result = measured(tmp_path)
    metrics = result["metrics"]
    bleu = sacrebleu.corpus_bleu(TEXTS, [REFERENCES]).score
    assert metrics["bleu"]["value"] == pytest.approx(bleu, abs=1e-9)
    for name in ("bleu", "chrf", "ter", "rouge_1", "rouge_2", "rouge_l"):
        assert metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"]
    # Two nats for four tokens a text, and a token for four bytes.
    assert metrics["loss"]["value"] == 0.5
    bits = 0.5 / math.log(2) / 4
    assert metrics["bits_per_byte"]["value"] == pytest.approx(bits)
    assert metrics["accuracy"]["value"] == 0.75
    assert set(result["signatures"]) == {"bleu", "chrf", "ter"}
    assert "tok:13a" in result["signatures"]["bleu"]


def test_slices_are_measured_alike(tmp_path):
    slices = measured(tmp_path)["slices"]["source"]
    news = sacrebleu.corpus_bleu(TEXTS[:2], [REFERENCES[:2]]).score
    assert slices["news"]["bleu"]["value"] == pytest.approx(news, abs=1e-9)
    assert slices["mail"]["rows"] == 2


def test_chinese_references_are_compared_character_by_character(tmp_path):
    texts = ["我喜欢喝茶", "今天下雨了", "他在读一本书", "门是开着的"]
    references = ["我很喜欢喝茶", "今天下雨了", "他正在读一本书", "门开着"]
    result = measured(tmp_path, texts, references)
    bleu = sacrebleu.corpus_bleu(texts, [references], tokenize="zh").score
    assert bleu > 30
    assert result["metrics"]["bleu"]["value"] == pytest.approx(bleu, abs=1e-9)
    assert "tok:zh" in result["signatures"]["bleu"]
