"""Sentences: one rule for deduplication, C4's filter and sentence pairs."""

import pytest

from textmill.components.text.sentences import sentences


def split(text):
    return [text[begin:end] for begin, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("no stop", ["no stop"]),
        ("1. Two! Three? Four", ["1.", "Two!", "Three?", "Four"]),
        ('He said "Go!" She went.', ['He said "Go!"', "She went."]),
        ("What?! Yes... No.", ["What?!", "Yes...", "No."]),
        ("Dr. Who met J. Smith at 3.14 p.m. there. End", None),
        ("See Fig. 3 and cf. Eq. 2. Then stop.", ["See Fig. 3 and cf. Eq. 2.", None]),
        ("In the U.S. Congress, i.e. there. So.", None),
        ("wait... what", ["wait... what"]),
        ("wait… what… No", ["wait… what…", "No"]),
        ("One. Two 3.5 three! 你好。再见？\n\nend", None),
        ("one\ntwo. Three\n\n\nfour.\n", ["one", "two.", "Three", "four."]),
        ("你好。今天好吗?好!“很好。”再见", None),
        ("很好！！走吧；来。", ["很好！！", "走吧；", "来。"]),
    ],
)
def test_sentences_end_at_stops_and_lines(text, expected):
    expected = {
        "One. ": ["One.", "Two 3.5 three!", "你好。", "再见？", "end"],
        "Dr. W": ["Dr. Who met J. Smith at 3.14 p.m. there.", "End"],
        "See F": ["See Fig. 3 and cf. Eq. 2.", "Then stop."],
        "In th": ["In the U.S. Congress, i.e. there.", "So."],
        "你好。今天": ["你好。", "今天好吗?好!“很好。”", "再见"],
    }.get(text[:5], expected)
    assert split(text) == expected


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ('"One." Two... (Three.)', 3),
        ("At 3.14 in www.example.org no end", 1),
        ("今天下雨了。我们没有出去！你呢？", 3),
        ("他说：“走吧。”然后就走了……", 2),
        ("......", 1),
        (" " * 1_000_000, 0),
        ("\n" * 1_000_000, 0),
    ],
)
def test_sentences_are_counted(line, count):
    assert len(sentences(line)) == count
