"""Cleaning: what each step cuts, what it leaves, and what it counts."""

import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from textmill.components.ingester.cleaning import boilerplate, markup
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.cleaning.text_pipeline import (
    TextCleaner,
    strip_citations,
    strip_controls,
)
from textmill.models.errors import ConfigError

ALL = {"control": "strip", "citations": "strip", "boilerplate": "strip"}
PIECES = (
    *"<>[](){}*_`~#|&=:;./!-+'\"\\ \n\ta1A中。é\u0301\u200b\u200d",
    *("<b>", "</b>", "<a href='x'>", "<!--", "-->", "<script>", "</script>", "&amp;"),
    *("&#8203;", "[[", "]]", "{{", "}}", "[1]", "[edit]", "](", "**", "```", "\n\n"),
    *("::\n\n  ", ".. note:: ", ":role:`", "== h ==", "http://a.b", "Read more\n"),
    *("© 2020", "[1", ", 2]", "Ã©", "home | about | help\n"),
)
texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


def cleaned(text, **config):
    """Returns the clean text and what was cut."""
    cut = Counter()
    return TextCleaner(CleanConfig(**config)).clean(text, cut), dict(cut)


def stripped(text):
    """Returns a text without markup."""
    return markup.strip(text, Counter())


def test_the_default_removes_nothing():
    text = "<b>a</b> [1]\u200b\n© 2020 Mill\n"
    assert cleaned(text) == (text, {})


def test_nfc_leaves_full_width_forms_that_nfkc_folds():
    text = "ＡＢＣ，１２３。e\u0301"
    assert cleaned(text, unicode="none") == (text, {})
    assert cleaned(text, unicode="nfc") == ("ＡＢＣ，１２３。é", {})
    assert cleaned(text, unicode="nfkc") == ("ABC,123。é", {})


def test_repair_undoes_mojibake_and_leaves_all_else():
    text = "“Ｆull” ﬁne &amp; l’été … 中文，好"
    assert cleaned(text, repair=True) == (text, {})
    assert cleaned("schÃ¶n â€” cafÃ©", repair=True) == (
        "schön — café",
        {"repaired": 1},
    )


def test_repair_without_its_package_is_an_error_with_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(ConfigError, match=r"textmill\[data\]"):
        TextCleaner(CleanConfig(repair=True))


@pytest.mark.parametrize(
    ("text", "left", "num_cut"),
    [
        ("a\x00b\x1bc\x7fd\x85e\x9ff", "abcd\nef", 4),
        ("a\tb\nc\r\nd\re\x0cf", "a\tb\nc\nd\ne\nf", 0),
        ("a\u2028b\u2029c", "a\nb\nc", 0),
        ("soft\u00adhyphen\u200b\ufeff\u2060", "softhyphen", 4),
        ("\u202eabc\u202c \u2066x\u2069\u200e\u061c", "abc x", 6),
        ("می\u200cخواهم 👩\u200d👧", "می\u200cخواهم 👩\u200d👧", 0),
        ("lone\ud800", "lone", 1),
    ],
)
def test_controls_go_and_joiners_stay(text, left, num_cut):
    cut = Counter()
    assert strip_controls(text, cut) == left
    assert cut["control"] == num_cut


def test_characters_joined_by_a_removal_are_normalized():
    assert cleaned("e\u200b\u0301", control="strip") == ("é", {"control": 1})
    assert cleaned("e&#769; x&shy;y", markup="strip", control="strip") == (
        "é xy",
        {"html": 2, "control": 1},
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("It rained.[12] We left [3].", "It rained. We left."),
        ("one [1, 2] two[3–5] three[7]–[9]", "one two three"),
        ("fact [citation needed] History[edit]", "fact History"),
        ("word[note 3] end.[a] why[by whom?]", "word end. why"),
        ("首都[12]很大[来源请求]。", "首都很大。"),
        ("in[1[2]]side", "inside"),
        ("x[1] = 2; y[0].name; f[1](x)", "x[1] = 2; y[0].name; f[1](x)"),
        ("[12345] [a] [x, 1] [] [ 1 ]", "[12345] [a] [x, 1] [] [ 1 ]"),
    ],
)
def test_citations_are_removed_and_code_is_left(text, left):
    assert strip_citations(text, Counter()) == left


def test_every_citation_is_counted():
    assert cleaned("a[1] b[2][3]", citations="strip") == ("a b", {"citation": 3})


BANNERS = """\
Home | About us | Contact
We use cookies to make this site better.
Read more »
© 2020 Example Ltd.
Copyright (c) 1999-2003 by The Mill
Please enable JavaScript.
首页 > 新闻 > 正文 > 帮助
版权所有 示例公司
沪ICP备12345678号
点击查看更多
分享到微信
责任编辑：张三
上一篇：春天来了"""


@pytest.mark.parametrize("line", BANNERS.split("\n"))
def test_a_line_of_boilerplate_goes(line):
    cut = Counter()
    assert boilerplate.strip(f"Before.\n{line}\nAfter.", cut) == "Before.\nAfter."
    assert cut == {"boilerplate_line": 1}


@pytest.mark.parametrize(
    "line",
    [
        "Copyright",
        "Name | Age | City",
        "| Home | 3 | 4 |",
        "a | b",
        "The history of copyright begins in 1710 with an act of parliament.",
        "She said that " + "the long story " * 12 + "ends with the privacy policy.",
        "作者在" + "很长的一段话里" * 12 + "提到了版权所有。",
        "Read more books, she said.",
        "",
    ],
)
def test_a_line_of_prose_is_left(line):
    assert boilerplate.strip(f"Before.\n{line}", Counter()) == f"Before.\n{line}"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<p>One &amp; <b>two</b>.<br>Three</p><p>Four", "One & two.\nThree\n\nFour"),
        ("<P CLASS='a > b'>x</P>", "x"),
        ("a<!-- <b> -->b<script>if (a<b) x()</script>c", "abc"),
        ("<!DOCTYPE html><html><head><title>T</title></head>x", "T\n\nx"),
        (
            "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>",
            "1\t2\n\n3",
        ),
        ("10<sup>6</sup> m<sup>2</sup> H<sub>2</sub>O", "10^6 m2 H2O"),
        ("&lt;b&gt; AT&T ?a=1&copy=2 &eacute;&#x4e2d;", "<b> AT&T ?a=1&copy=2 é中"),
        ("fact<ref name=a>Book</ref> and<ref name=a/> more", "fact and more"),
    ],
)
def test_html_becomes_its_text(text, left):
    assert stripped(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "if a < b and c > d: return a<b",
        "List<int> x; Map<String, List<a>> y; vector<T>",
        "cp <source> <target>; see <title>",
        "snake_case __init__ 2*3*4 f(*args, **kwargs) a ** b ** c",
        "{{ jinja }} {{x}} ''quoted'' '''doc''' a[i][j] x[0](1)",
        "* item\n- item\n1. item",
        "one. two: three; (four) [five] 'six' \"seven\" - eight",
        "C:\\dir\\_x_ ~user/a_b~ 5 > 4 | x",
        "<unclosed <!-- comment <script",
    ],
)
def test_plain_text_and_code_are_no_markup(text):
    assert stripped(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("# Title #\n\ntext\n## C#", "Title\n\ntext\nC#"),
        ("Title\n=====\ntext\n\n---\nmore", "Title\ntext\n\nmore"),
        ("*a* **b _c_** __d e__ _f_ ~~g~~ ***h***", "a b c d e f g h"),
        ("see [the *page*](http://a.b/c_(d) 'T') ![i](x.png)!", "see the page !"),
        ("[![badge](a.svg)](b) and [text][1]\n\n[1]: http://x", " and text"),
        ("> quoted\n> > twice\n>>> print(1)", "quoted\ntwice\n>>> print(1)"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a\tb\n1\t2"),
        (
            "use `x = *y*` and ``z`` at <http://a.b/_c_>",
            "use x = *y* and z at http://a.b/_c_",
        ),
        ("中文**粗体**和[链接](http://x.cn)。", "中文粗体和链接。"),
    ],
)
def test_markdown_becomes_its_text(text, left):
    assert stripped(text) == left


def test_fenced_code_is_left_unchanged():
    code = "# no heading\nx = a[1] * b * <b>\n&amp; **kept**"
    assert stripped(f"*a*\n```python\n{code}\n```\n*b*") == f"a\n{code}\nb"
    assert stripped(f"*a*\n~~~\n{code}\n```") == f"a\n{code}\n```"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (":func:`~a.b.c` :pep:`8` :ref:`text <target>`", "c 8 text"),
        (
            "``lit*eral*`` `text <http://x>`_ `ref`_ note [1]_",
            "lit*eral* text ref note [1]",
        ),
        (".. note:: Careful.\n   :class: x\n\n   Really.", "Careful.\n\n   Really."),
        ("a\n\n.. image:: x.png\n   :width: 3\n\nb", "a\n\nb"),
        ("a\n\n..\n   Local Variables:\n   mode: x\n\nb", "a\n\nb"),
        (".. _target: http://x\n.. [1] A book.", "[1] A book."),
        ("So::\n\n    *x* `y`\n\n*z*", "So:\n\n    *x* `y`\n\nz"),
        (
            ".. code-block:: c\n   :linenos:\n\n   *p = **q**;\n\n*z*",
            "   *p = **q**;\n\nz",
        ),
        ("=====  ===\na      b\n=====  ===\n+---+\n| c |\n+---+", "a      b\n| c |"),
    ],
)
def test_restructured_text_becomes_its_text(text, left):
    assert stripped(text) == left


def test_mediawiki_becomes_its_text():
    page = (
        "'''Mill''' is a [[building|large ''building'']] in [[Town]].{{cite|{{a}}|b}}\n"
        "== History ==\n[[File:a.jpg|thumb|A [[cat]]]]\n"
        '{| class="x"\n|-\n! a !! b\n|-\n| 1 || 2\n|}\n'
        "[http://x.y label] [[Category:Mills]]"
    )
    assert stripped(page) == (
        "Mill is a large building in Town.\nHistory\n\na\tb\n1\t2\nlabel "
    )


def test_white_space_collapses_last():
    config = {"markup": "strip", "whitespace": "collapse"}
    assert cleaned("<p>a</p>\n\n<p>b</p>", **config) == ("a b", {"html": 4})


HOSTILE = (
    *(
        "<",
        "[",
        "*",
        "_",
        "`",
        "&",
        "{{",
        "|",
        "=",
        " ",
        "\n",
        "~",
        ">",
        "<a '",
        "<!--",
    ),
    *("<script>", "[a](b ", "![", "**a", "__a", "`a <", ":a:`", "[[a|", "[1,", "(c) "),
    *("a::\n", "a | b | ", "http://", ".. a\n", "[a][", "::\n\n ", "[[1]", "'''"),
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_one_mark_is_cleaned(piece):
    text = piece * (1_000_000 // len(piece)) + "x"
    left, _ = cleaned(text, markup="strip", **ALL)
    assert len(left) <= len(text)


@given(texts)
def test_no_text_breaks_a_step_or_grows(text):
    cut = Counter()
    for step in (strip_controls, strip_citations, boilerplate.strip):
        assert len(step(text, cut)) <= len(text)
    # Entities are the longer of the two, but for a few: &nGt; is two characters.
    assert len(markup.strip(text, cut)) <= len(text)
    assert all(count > 0 for count in (+cut).values())


@given(texts)
@example("[12[3]] e\u200b\u0301")
def test_cleaning_twice_is_cleaning_once(text):
    for config in (
        {"control": "strip"},
        {"citations": "strip"},
        {"boilerplate": "strip"},
        {"whitespace": "collapse"},
    ):
        once, _ = cleaned(text, **config)
        assert cleaned(once, **config) == (once, {})


@given(texts)
def test_a_clean_text_is_normalized(text):
    for form in ("nfc", "nfkc"):
        left, _ = cleaned(text, unicode=form, markup="strip", **ALL)
        assert unicodedata.is_normalized(form.upper(), left)


@given(st.text(alphabet="abc DEF 012 .,;:!?()'\"-\n中文。，é"))
def test_text_without_marks_passes_markup_unchanged(text):
    lines = [line for line in text.split("\n") if len(set(line.strip())) != 1]
    plain = "\n".join(lines).replace("::", ":")
    assert stripped(plain) == plain


def test_real_proposals_lose_their_marks_and_keep_their_words(data):
    import gzip
    import json

    with gzip.open(data / "specs_documents.jsonl.gz") as file:
        proposals = [
            json.loads(line)["text"] for line, _ in zip(file, range(60), strict=False)
        ]
    left = [stripped(text) for text in proposals]
    assert 0.9 < sum(map(len, left)) / sum(map(len, proposals)) < 0.99
    assert not any("\n====\n" in text for text in left)
