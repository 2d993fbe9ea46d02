"""Quality: what each preset says of hand-written documents, and every threshold."""

import json
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.filters import (
    PRESETS,
    C4Config,
    FineWebConfig,
    GopherQualityConfig,
    GopherRepetitionConfig,
    QualityConfig,
    QualityFilter,
)
from textmill.components.ingester.filters.n_grams import NGrams
from textmill.components.ingester.filters.text_view import TextView
from textmill.models.errors import ConfigError

CONFIGS = {
    "gopher_quality": GopherQualityConfig,
    "gopher_repetition": GopherRepetitionConfig,
    "c4": C4Config,
    "fineweb": FineWebConfig,
}
RULES = {
    "gopher_quality": "min_words mean_word_length hashes ellipses bullet_lines"
    " ellipsis_lines words_with_letter stop_words",
    "gopher_repetition": "repeated_lines repeated_paragraphs repeated_line_chars"
    " repeated_paragraph_chars top_2_gram top_3_gram top_4_gram repeated_5_grams"
    " repeated_6_grams repeated_7_grams repeated_8_grams repeated_9_grams"
    " repeated_10_grams",
    "c4": "sentences lorem_ipsum curly_bracket",
    "fineweb": "ended_lines short_lines repeated_lines newlines",
}
"""Every rule but max_words and bad_words, which have tests of their own."""
DOCUMENTS = [
    json.loads(line)
    for line in (Path(__file__).parent / "quality_documents.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
LINE = "The old mill beside the river has been closed for years."


def broken_rule(text, preset, **config):
    """Returns the reason of one preset without its name, None where it passes."""
    result = QualityFilter(QualityConfig(**{preset: CONFIGS[preset](**config)})).check(
        text, Counter()
    )
    assert result.reason is None or result.reason.startswith(f"{preset}:")
    return result.reason and result.reason.partition(":")[2]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["id"])
def test_presets_decide_as_written(document):
    decisions = {preset: broken_rule(document["text"], preset) for preset in PRESETS}
    assert {k: v for k, v in decisions.items() if v} == document["fails"]


def test_the_documents_fire_every_rule_of_every_preset():
    fired = {
        preset: {d["fails"][preset] for d in DOCUMENTS if preset in d["fails"]}
        for preset in PRESETS
    }
    assert fired == {preset: set(rules.split()) for preset, rules in RULES.items()}
    assert len(DOCUMENTS) >= 60


def test_without_presets_every_document_passes():
    config = QualityConfig()
    assert config.is_empty
    assert QualityFilter(config).check("{", Counter()) == ("{", None, None)


def test_a_result_says_value_and_threshold():
    config = QualityConfig(gopher_quality=GopherQualityConfig())
    result = QualityFilter(config).check("two words", Counter())
    assert result == ("two words", "gopher_quality:min_words", "2 words < 50")


def test_presets_run_in_order_and_the_first_one_is_the_reason():
    every = QualityConfig(**{name: config() for name, config in CONFIGS.items()})
    assert (
        QualityFilter(every).check("Hi", Counter()).reason == "gopher_quality:min_words"
    )
    good = next(d for d in DOCUMENTS if d["id"] == "prose_four_paragraphs")["text"]
    kept = good.replace("\n\n", "\n")
    assert QualityFilter(every).check(good, Counter()) == (kept, None, None)


def test_fineweb_checks_the_lines_that_c4_leaves():
    text = "\n".join([*[f"{LINE} It is number {i}." for i in range(3)], *"abcdefgh"])
    assert broken_rule(text, "fineweb") == "short_lines"
    both = QualityFilter(QualityConfig(c4=C4Config(), fineweb=FineWebConfig()))
    cut = Counter()
    assert both.check(text, cut).reason is None
    assert cut == {"c4:no_end_line": 8}


ELLIPSES = {"min_words": 9, "max_ellipses_per_word": 1}
WORD_BOUNDS = [
    ("the of " * 25, {}, None),
    ("the of " * 24 + "it", {}, "min_words"),
    ("the of " * 25, {"max_words": 50}, None),
    ("the of " * 25 + "it", {"max_words": 50}, "max_words"),
    ("的" * 25 + "在" * 25, {}, None),
    ("的" * 25 + "在" * 24 + "。，！", {}, "min_words"),
    ("the and " * 25, {"min_mean_word_length": 3}, None),
    ("the and " * 25 + "of", {"min_mean_word_length": 3}, "mean_word_length"),
    ("the and " * 25, {"max_mean_word_length": 3}, None),
    ("the and " * 25 + "with", {"max_mean_word_length": 3}, "mean_word_length"),
    ("the and # " + "word " * 7, {"min_words": 10}, None),
    ("the and ## " + "word " * 7, {"min_words": 10}, "hashes"),
    ("the and a... " + "word " * 7, {"min_words": 10}, None),
    ("the and a… b... " + "word " * 6, {"min_words": 10}, "ellipses"),
    ("- the and of it or as\n" * 9 + "with", {"min_words": 9}, None),
    ("- the and of it or as\n" * 10 + "with", {"min_words": 9}, "bullet_lines"),
    ("the and...\n" * 3 + "word\n" * 7, ELLIPSES, None),
    ("the and...\n" * 4 + "word\n" * 9, ELLIPSES, "ellipsis_lines"),
    ("the and four five " * 10 + "100 " * 10, {}, None),
    ("the and four five " * 10 + "100 " * 11, {}, "words_with_letter"),
    ("the of " + "word " * 48, {}, None),
    ("The Of, " + "word " * 48, {}, None),
    ("the the " + "word " * 48, {}, "stop_words"),
    ("word " * 50, {"min_stop_words": 0}, None),
    ("der und " + "Wort " * 48, {"stop_words": ("der", "und")}, None),
    ("房间" * 30, {}, "stop_words"),
    ("房间的" * 20 + "是", {}, None),
]


@pytest.mark.parametrize(("text", "config", "rule"), WORD_BOUNDS)
def test_gopher_quality_bounds_are_exact(text, config, rule):
    # One rule at a time: the mean word length of these is what it is.
    lengths = {"min_mean_word_length": 0, "max_mean_word_length": 99}
    assert broken_rule(text, "gopher_quality", **(lengths | config)) == rule


def distinct(count, length=9):
    """Returns lines that share no word, each of so many characters."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return [
        (alphabet[i // 26] + alphabet[i % 26]) + "x" * (length - 2)
        for i in range(count)
    ]


SHORT = ["aaaaaaaa", "bbbbbbbb", "ccccccc"]


@pytest.mark.parametrize(
    ("parts", "separator", "rule"),
    [
        ([*distinct(7), *["aa"] * 4], "\n", None),
        ([*distinct(6), *["aa"] * 5], "\n", "repeated_lines"),
        ([*distinct(7), *["aa"] * 4], "\n\n", None),
        ([*distinct(6), *["aa"] * 5], "\n\n\n", "repeated_paragraphs"),
        ([*SHORT, "d" * 9, "d" * 9], "\n", None),
        ([*SHORT, "d" * 10, "d" * 10], "\n", "repeated_line_chars"),
        ([*SHORT[:2], "ccc", "d" * 9, "d" * 9], "\n\n", None),
        ([*SHORT[:2], "ccc", "d" * 10, "d" * 10], "\n\n", "repeated_paragraph_chars"),
        ([""], "", None),
        (["one"], "", None),
    ],
)
def test_gopher_repetition_counts_lines_and_paragraphs(parts, separator, rule):
    n_grams = {f"top_{n}_gram": 1 for n in (2, 3, 4)}
    n_grams |= {f"repeated_{n}_grams": 1 for n in range(5, 11)}
    text = separator.join(parts)
    assert broken_rule(text, "gopher_repetition", **n_grams) == rule


def test_a_top_n_gram_at_its_threshold_passes():
    text = "aa bb " + " ".join(distinct(1, 14)) + " aa bb " + " ".join(distinct(2, 11))
    assert len(text) == 50
    assert broken_rule(text, "gopher_repetition") is None
    assert broken_rule(text[:-1], "gopher_repetition") == "top_2_gram"


def test_an_n_gram_that_occurs_once_is_no_repetition():
    assert broken_rule("one two", "gopher_repetition") is None


def test_chinese_n_grams_are_twice_as_many_characters():
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏天地玄"
    assert broken_rule(text, "gopher_repetition") is None
    assert broken_rule(text, "gopher_repetition", cjk_chars_per_word=1) == "top_3_gram"


def slow_top(words, n):
    """Returns what the rule says, word by word."""
    counts = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    top = max(counts.values(), default=0)
    if top < 2:
        return 0
    return top * max(len(gram) for gram, count in counts.items() if count == top)


def slow_repeated(words, n):
    """Returns what the rule says, word by word."""
    seen, num_chars, i = set(), 0, 0
    while i <= len(words) - n:
        gram = " ".join(words[i : i + n])
        if gram in seen:
            num_chars += len(gram)
            i += n
        else:
            seen.add(gram)
            i += 1
    return num_chars


def assert_same_as_slow(words):
    n_grams = NGrams(words, spaces=True)
    for n in (2, 3, 4):
        top = slow_top(words, n)
        assert n_grams.top_chars(n, above=0) == top
        assert n_grams.top_chars(n, above=top) in (0, top)
        if top:
            assert n_grams.top_chars(n, above=top - 1) == top
    for n in range(5, 11):
        assert n_grams.repeated_chars(n) == slow_repeated(words, n)
        least = max(slow_repeated(words, longer) for longer in range(n, 11))
        assert n_grams.covered_chars(n) >= least


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=60))
def test_n_grams_are_those_of_the_slow_way(words):
    assert_same_as_slow(words)


@given(st.lists(st.integers(0, 30), min_size=401, max_size=420))
def test_many_n_grams_are_those_of_the_slow_way(numbers):
    assert_same_as_slow([f"{number:x}" for number in numbers] + ["a"] * 12)


def test_real_documents_have_the_n_grams_of_the_slow_way(data):
    import gzip

    with gzip.open(data / "specs_documents.jsonl.gz") as file:
        for line, _ in zip(file, range(12), strict=False):
            assert_same_as_slow(json.loads(line)["text"].split())


C4_TEXT = "\n".join([LINE, f"{LINE} Nobody knows why.", LINE])


def c4_lines(*lines, **config):
    """Returns which lines C4 keeps of these, and what it counts of the others."""
    cut = Counter()
    config = {"min_sentences": 0} | config
    quality = QualityFilter(QualityConfig(c4=C4Config(**config)))
    result = quality.check("\n".join(lines), cut)
    return result.text.split("\n"), dict(cut)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("It has five words now.", None),
        ("It has four words.", "few_words"),
        ('He said "it is five"', None),
        ("It does not end here", "no_end"),
        ("It trails off like this...", "no_end"),
        ("It trails off like this…", "no_end"),
        ("他慢慢地走回家了。", None),
        ("后来的事情谁也不知道……", None),
        ("他走了。", "few_words"),
        ("他慢慢地走回家了", "no_end"),
        (f"It has a long {'x' * 1000}.", "long_word"),
        (f"It has a long {'x' * 999}.", None),
        ("好" * 1001 + "。", None),
        ("Turn on JavaScript to see this.", "javascript"),
        ("You can read our Privacy Policy.", "policy"),
        ("This site {uses} JavaScript a lot.", "javascript"),
    ],
)
def test_c4_removes_a_line_by_its_rule(line, rule):
    kept, cut = c4_lines(LINE, line)
    assert kept == ([LINE, line] if rule is None else [LINE])
    assert cut == ({} if rule is None else {f"c4:{rule}_line": 1})


def test_c4_removes_citations_before_it_looks_for_the_end():
    assert c4_lines("It has five words now.[12][edit]") == (
        ["It has five words now."],
        {},
    )
    assert c4_lines("It has five words now.[12]", citations=False)[1] == {
        "c4:no_end_line": 1
    }


def test_c4_thresholds_are_exact():
    assert broken_rule("One is here, she said. Two is there.", "c4") == "sentences"
    assert broken_rule("One is here, she said. Two is there. Three!", "c4") is None
    assert broken_rule(C4_TEXT, "c4", min_sentences=4) is None
    assert broken_rule(C4_TEXT, "c4", min_sentences=5) == "sentences"
    assert broken_rule(C4_TEXT + "\nIt has a { in it.", "c4") == "curly_bracket"
    assert broken_rule(C4_TEXT + "\n{", "c4") is None
    assert (
        broken_rule(C4_TEXT + "\nIt has a { in it.", "c4", curly_bracket=False) is None
    )
    assert broken_rule(C4_TEXT.replace("\n", " Lorem Ipsum.\n"), "c4") == "lorem_ipsum"


def test_c4_without_line_ends_keeps_lines_as_fineweb_does():
    assert c4_lines("a line of five words", line_ends=()) == (
        ["a line of five words"],
        {},
    )


def test_bad_words_come_from_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("Mildew\nold boot\n脏话\n\n", encoding="utf-8")
    config = {"bad_words": str(path)}
    assert QualityConfig(c4=C4Config(**config)).files == (path,)
    assert broken_rule(C4_TEXT, "c4", **config) is None
    assert broken_rule(C4_TEXT + "\nThe walls are full of MILDEW.", "c4", **config) == (
        "bad_words"
    )
    assert (
        broken_rule(C4_TEXT + "\nThe walls are full of mildews.", "c4", **config)
        is None
    )
    assert broken_rule(C4_TEXT + "\nThere was an old boot there.", "c4", **config) == (
        "bad_words"
    )
    assert (
        broken_rule(C4_TEXT + "\nThere was a cold boot there.", "c4", **config) is None
    )
    assert broken_rule(C4_TEXT + "\n他从来不说脏话的。", "c4", **config) == "bad_words"


def test_a_missing_file_of_bad_words_is_named(tmp_path):
    path = tmp_path / "none.txt"
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        QualityFilter(QualityConfig(c4=C4Config(bad_words=str(path))))


def lines(*lengths, end="."):
    """Returns different lines of these lengths with an end mark."""
    return [
        f"{'ab'[i % 2] * (i + 1)} ".ljust(length - 1, "x") + end
        for i, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("\n".join([*lines(*[40] * 12), *lines(*[41] * 88, end=",")]), "ended_lines"),
        ("\n".join([*lines(*[40] * 13), *lines(*[41] * 87, end=",")]), None),
        ("\n\n".join([*lines(*[40] * 13), *lines(*[41] * 87, end=",")]), None),
        ("\n".join([*lines(*[99] * 33), *lines(*[70] * 67)]), None),
        ("这是一个有十五个字的短的句子。\n" * 1, "short_lines"),
        ("这是一个有十六个字的短的句子了。\n" * 1, None),
        (" \n ", "ended_lines"),
    ],
)
def test_fineweb_bounds_are_exact(text, rule):
    assert broken_rule(text, "fineweb", max_newlines_per_word=9) == rule


def test_fineweb_shares_at_their_thresholds():
    short = [f"{i:02d}".ljust(29, "x") + "." for i in range(67)]
    long = [f"{i:02d}".ljust(30, "x") + "." for i in range(34)]
    config = {"max_newlines_per_word": 9}
    assert (
        broken_rule("\n".join(short + long[:33]), "fineweb", **config) == "short_lines"
    )
    assert broken_rule("\n".join(short[:66] + long), "fineweb", **config) is None
    twice = ["x" * 38 + f"{i:01d}." for i in range(10)]
    text = "\n".join([*twice, "y" * 587 + ".", "again.", "z.", "again."])
    assert len(text) - 13 == 1002
    assert broken_rule(text, "fineweb", max_repeated_chars=0.006, **config) is None
    config["max_repeated_chars"] = 6 / 1002
    assert broken_rule(text, "fineweb", **config) == "repeated_lines"


def test_fineweb_counts_line_breaks_by_words():
    words = [f"{i}".ljust(31, "x") + "." for i in range(10)]
    text = " ".join([*words[:7], "\n".join(words[7:])])
    assert broken_rule(text + "\n", "fineweb") is None
    assert broken_rule(text + "\n\n", "fineweb") == "newlines"


@given(st.text())
def test_no_text_breaks_a_preset(text):
    for preset, config in CONFIGS.items():
        loose = {f.name: 0 for f in fields(config) if f.name.startswith("min_words")}
        broken_rule(text, preset, **loose)
    view = TextView(text)
    assert view.num_cjk <= len(text)
    assert all(line in text for line in view.lines)
