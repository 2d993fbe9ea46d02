"""Metrics of texts equal those of independent packages on fixed predictions."""

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts
from textmill.models.metrics.words import words, writing

ENGLISH = [
    ("A dog runs over the wet grass.", "A dog is running across the wet grass."),
    ("Two men are talking.", "Two men talk on a bench, in the sun."),
    ("", "Nobody answered."),
    ("the the the the the", "The cat sat on the mat: it didn't move."),
    ("She doesn't like 3.5 of the 12 songs", "She does not like 3.5 of 12 songs!"),
    ("A man in a red shirt plays the guitar.", "A man in a red shirt plays guitar."),
    ("\u201cWhere?\u201d he asked & left.", "\u201cWhere?\u201d she asked &amp; left."),
]
CHINESE = [
    ("一个男人在公园里跑步。", "一名男子正在公园里跑步。"),
    ("两只狗在草地上玩。", "两只狗正在草地上玩耍,很开心。"),
    ("孩子们吃苹果", "孩子们在厨房里吃苹果。"),
]
SETS = {"english": (ENGLISH, "spaced"), "chinese": (CHINESE, "han")}


def rows_of(pairs, facts):
    texts, references = map(list, zip(*pairs, strict=True))
    return PredictedRows({"text": texts, "target": references}, facts)


def measured(name, pairs, facts=None):
    facts = facts or PredictionFacts(writing=writing(b for _, b in pairs))
    metric = METRICS[name].load()
    statistics = metric.statistics(rows_of(pairs, facts))
    return metric.interval(statistics, facts, seed=17)


def corpus(name, pairs, how):
    texts, references = map(list, zip(*pairs, strict=True))
    if name == "bleu":
        tokenize = {"spaced": "13a", "han": "zh", "unspaced": "char"}[how]
        return sacrebleu.corpus_bleu(texts, [references], tokenize=tokenize).score
    if name == "chrf":
        return sacrebleu.corpus_chrf(texts, [references]).score
    unspaced = how != "spaced"
    return sacrebleu.corpus_ter(
        texts, [references], normalized=unspaced, asian_support=unspaced
    ).score


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
@pytest.mark.parametrize("language", SETS)
def test_the_value_is_that_of_sacrebleu(name, language):
    pairs, how = SETS[language]
    for part in (pairs, pairs[:2], pairs[2:3], pairs[:1] * 3 + pairs[1:]):
        interval = measured(name, part)
        assert interval["value"] == pytest.approx(corpus(name, part, how), abs=1e-9)
        assert interval["low"] <= interval["value"] <= interval["high"]


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
def test_a_draw_is_the_value_of_the_texts_that_it_takes(name):
    metric, facts = METRICS[name].load(), PredictionFacts()
    counts = np.random.default_rng(0).poisson(1.0, (5, len(ENGLISH)))
    statistics = metric.statistics(rows_of(ENGLISH, facts))
    draws = metric.resampled(statistics, counts.astype(float), facts)
    for value, taken in zip(draws, counts, strict=True):
        pairs = [p for p, n in zip(ENGLISH, taken, strict=True) for _ in range(n)]
        assert value == pytest.approx(corpus(name, pairs, "spaced"), abs=1e-9)


@pytest.mark.parametrize("text", ["Nothing in common", ""])
def test_texts_without_a_match_have_no_bleu_and_no_chrf(text):
    pairs = [(text, "zzz yyy")]
    assert measured("bleu", pairs)["value"] == 0.0
    assert measured("chrf", pairs)["value"] == 0.0


def test_signatures_are_those_of_sacrebleu():
    version = sacrebleu.__version__
    bleu, han = METRICS["bleu"].load(), PredictionFacts(writing="han")
    assert bleu.signature(PredictionFacts()) == (
        f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    )
    assert "tok:zh" in bleu.signature(han)
    assert METRICS["chrf"].load().signature(han) == (
        f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"
    )
    assert "norm:yes|punct:yes|asian:yes" in METRICS["ter"].load().signature(han)
    assert METRICS["rouge_1"].load().signature(han) is None


@pytest.mark.parametrize("name", ["rouge_1", "rouge_2", "rouge_l"])
def test_rouge_on_english_is_that_of_rouge_score(name):
    kind = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}[name]
    scorer = RougeScorer([kind])
    scores = [scorer.score(b, a)[kind].fmeasure for a, b in ENGLISH]
    interval = measured(name, ENGLISH)
    assert interval["value"] == pytest.approx(np.mean(scores), abs=1e-12)
    assert interval["low"] < interval["value"] < interval["high"]


def test_rouge_compares_chinese_character_by_character():
    # All six characters are among the reference's ten; four of five pairs are too.
    pairs = [("孩子们吃苹果", "孩子们在厨房里吃苹果。")]
    assert measured("rouge_1", pairs)["value"] == pytest.approx(2 * 6 / (6 + 10))
    assert measured("rouge_2", pairs)["value"] == pytest.approx(2 * 4 / (5 + 9))
    assert measured("rouge_l", pairs)["value"] == pytest.approx(2 * 6 / (6 + 10))


def test_words_of_all_scripts():
    assert words("Don't “stop”, naïve_Żółw 3rd!") == (
        ["don", "t", "stop", "naïve", "żółw", "3rd"]
    )
    assert words("我爱NLP和2个") == ["我", "爱", "nlp", "和", "2", "个"]
    assert words("co\u00adop हिन्दी") == ["coop", "हिन्दी"]


def test_the_script_of_most_letters_decides():
    assert writing(["A dog", "Ein Hund 狗"]) == "spaced"
    assert writing(["两只狗 OK", "一个人"]) == "han"
    assert writing(["これは本です"]) == "unspaced"
    assert writing([]) == writing(["...", "12"]) == "spaced"
