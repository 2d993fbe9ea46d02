"""The look-up baseline of tagging."""

from textmill.components.evaluator.lookup import learn_tags, tag_words


def document(text, *spans):
    keys = ("start", "end", "label")
    return {"text": text, "tags": [dict(zip(keys, s, strict=True)) for s in spans]}


KNOWN = learn_tags(
    [
        document("Ada met Bob in New York.", (0, 3, "name"), (15, 23, "place")),
        document("Ada likes New York", (0, 3, "name"), (10, 18, "place")),
        document("in May Bob met Ada", (3, 6, "month"), (7, 10, "name")),
        document("may Bob", (4, 7, "name")),
        document("我在北京。", (2, 4, "place")),
    ]
)


def test_a_word_has_its_most_frequent_tag():
    assert KNOWN == {
        "Ada": ("name", True),
        "Bob": ("name", True),
        "New": ("place", True),
        "York": ("place", False),
        "May": ("month", True),
        "北": ("place", True),
        "京": ("place", False),
    }


def test_spans_join_first_and_further_words():
    text = "Bob, Ada: New  York York 北京在京"
    spans = [(text[s["start"] : s["end"]], s["label"]) for s in tag_words(text, KNOWN)]
    assert spans == [
        ("Bob", "name"),
        ("Ada", "name"),
        ("New  York York", "place"),
        ("北京", "place"),
        ("京", "place"),
    ]
    assert tag_words("", KNOWN) == tag_words("nothing known", KNOWN) == []
