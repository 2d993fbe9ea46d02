"""Tokenizers of every kind, hostile strings and real paragraphs."""

import gzip
import json
from itertools import islice

import pytest
from hypothesis import strategies as st

from tests.conftest import write_documents
from textmill.components.base import Context
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.models.tokenizers import SPECIAL_TOKENS

KINDS = ("wordpiece", "fast", "cased", "sentencepiece", "bpe", "nfkc", "character")
LEARNED_FROM = (
    "The old mill by the river grinds the baker's wheat; it's been there for years.\n"
    "They'll say we've seen 12 boats, 345 mice and 6,789 sparrows since 1999!\n"
    "def mill(grain: int) -> int:\n    return grain * 2  # twice\n\n\tdone\r\n"
    "河边的老磨坊磨着面包师的小麦。船在水上漂,孩子们在桥上看着。\n"
    "Die alte Mühle am Fluß mahlt; café, naïve, élève, 東京 and Москва.\n"
    '<p class="mill">Flour &amp; water</p> {"key": [1, 2.5e-3, null]} ~~~~ ====\n'
)
HOSTILE = (
    *SPECIAL_TOKENS,
    *("<|endoftext|>", "<|pad|>", "<s>", "</s>", "<unk>", "<0x41>", "##ing", "▁", "Ġ"),
    *(" ", "  ", "   \n", "\t", "\r\n", "\r", "\n\n", "\x0b", "\x85", "\u2028", "\0"),
    *("\u00a0", "\u3000", "\u1680", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060"),
    *("e\u0301", "\u0301", "\u0345", "\u096c", "\u0966", "¼", "Ⅷ", "²", "٣", "߉"),
    *("中文", "東京", "\U00020000", "한국어", "カタカナ", "ไทย", "हिन्दी", "עברית"),
    *("👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "🇫🇷", "ﬁ", "ß", "ẞ", "İ", "ΟΔΟΣ", "Ǆ", "…", "K", "Ω"),
    *("'s", "'S", "'ll", "'l", "'re", "'", "''s", " 's", "’s", "\n's", "'veg", "x'd'm"),
    *(
        "a" * 99,
        "a" * 100,
        "a" * 101,
        "é" * 50,
        "é" * 51,
        "a1b2",
        "1,000.5",
        "_",
        "~" * 9,
    ),
    *("\ue000", "\ufffd", "\uffff", "\U0010ffff", "\U0001fae8", "\U00031350", "\ua7cb"),
)
TEXTS = st.lists(
    st.sampled_from(HOSTILE)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    max_size=12,
).map("".join)
_KNOBS = {
    "wordpiece": {"size": 150},
    "fast": {"size": 150, "kind": "wordpiece", "normalization": "fast"},
    "cased": {"size": 150, "kind": "wordpiece", "lowercase": False},
    "sentencepiece": {"size": 120},
    "bpe": {"size": 360},
    "nfkc": {"size": 360, "kind": "bpe", "normalization": "nfkc", "lowercase": True},
    "character": {"normalization": "nfc"},
}


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """Returns a tokenizer of a kind, learned from a few lines in several scripts."""
    from textmill.components.vocabulary_learner.engine import learn_tokenizer

    rows = [{"id": str(i), "text": LEARNED_FROM} for i in range(4)]
    documents = write_documents(tmp_path_factory.mktemp("kinds"), {"train": rows})
    made = {}

    def find(kind):
        if kind not in made:
            knobs = {"kind": kind, "learn_from": "x", **_KNOBS[kind]}
            config = VocabularyConfig(**knobs)
            made[kind] = learn_tokenizer(documents, config, Context())
        return made[kind]

    return find


def paragraphs(data, number):
    """Yields real paragraphs in turn: markup, Chinese, German, news."""

    def lines(name, opened):
        with opened(data / name, "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file if line.strip())

    def specs():
        for line in lines("specs_documents.jsonl.gz", gzip.open):
            yield from json.loads(line)["text"].split("\n\n")

    german = next(data.glob("multi30k/*train*de*.gz"), None)
    sources = [
        specs(),
        lines("thucnews/" + sorted(p.name for p in data.glob("thucnews/*"))[0], open),
        lines("chnsenticorp/hotel_reviews.csv", open),
        lines("agnews/agnews_7600.csv", open),
        *([lines(german.relative_to(data), gzip.open)] if german else []),
    ]
    found = []
    while sources and len(found) < number:
        for source in list(sources):
            taken = list(islice(source, 500))
            found += taken
            if not taken:
                sources.remove(source)
    return found[:number]


@pytest.fixture(scope="session")
def real(data):
    return paragraphs(data, 3000)
