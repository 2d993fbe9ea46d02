"""Augmenter: copies that depend on their names alone, and the faults of its inputs."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.components.ingester.augment import (
    AugmentConfig,
    Augmenter,
    external_files,
)
from textmill.components.ingester.augment.synonyms import WORD
from textmill.models.errors import ConfigError, DataError
from textmill.models.hashing import StatelessRandom

FOX = "The quick, brown fox\njumps over  the lazy dog!"
TABLE = (
    "quick\tfast\trapid\n\nlazy\tidle\r\nDOG\thound\n"
    "房间\t客房\n不错\t挺好\n生气\t恼火\n学\t习\n"
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "synonyms.tsv"
    path.write_bytes(TABLE.encode())
    return str(path)


def copies(text, count=20, *, seed=17, **options):
    augmenter = Augmenter(AugmentConfig(**options), seed=seed)
    return [augmenter.augment(text, "d1", copy) for copy in range(count)]


def words(text):
    return [match[0] for match in WORD.finditer(text)]


def gaps(text):
    return WORD.sub("_", text)


def test_words_keep_their_apostrophes_and_lose_their_punctuation():
    assert words("“Don't,” said Ann-Marie (e.g. 3.5%) — 我爱NLP。かな हिन्दी") == [
        *("Don't", "said", "Ann-Marie", "e.g", "3.5"),
        *("我", "爱", "NLP", "か", "な", "हिन्दी"),
    ]


def test_swapping_keeps_every_word_and_all_between_them():
    for text in copies(FOX, swap=0.2):
        assert text != FOX
        assert gaps(text) == gaps(FOX)
        assert Counter(words(text)) == Counter(words(FOX))


def test_deleting_leaves_words_out_with_the_space_beside_them():
    for text in copies("one two three four", delete=0.25):
        rest = words(text)
        assert len(rest) == 3
        assert text == " ".join(rest)
    assert set(copies("one, two", delete=1.0)) == {"one,", ", two"}


def test_one_word_is_never_deleted():
    assert set(copies("word", delete=1.0)) == {"word"}
    assert all(len(words(text)) == 1 for text in copies("a b c d", delete=1.0))


def test_synonyms_take_over_capitals(table):
    texts = set(copies("Quick QUICK quick", 60, synonyms=table, synonym_rate=1.0))
    assert texts == {
        f"{title} {upper} {lower}"
        for title in ("Fast", "Rapid")
        for upper in ("FAST", "RAPID")
        for lower in ("fast", "rapid")
    }


def test_as_many_words_are_replaced_as_the_rate_says(table):
    text = "quick lazy dog and five more words that are not there"
    for copy in copies(text, synonyms=table, synonym_rate=0.2):
        changed = [a for a, b in zip(text.split(), copy.split(), strict=True) if a != b]
        assert len(changed) == 2


def test_inserting_puts_synonyms_between_words(table):
    for text in copies("The lazy cat.", synonyms=table, synonym_rate=0.0, insert=0.1):
        assert words(text).count("idle") == 1
        assert text.replace("idle ", "") == "The lazy cat."
    for text in copies("房间大", synonyms=table, synonym_rate=0.0, insert=0.1):
        assert text.replace("客房", "") == "房间大"


def test_the_longest_chinese_word_is_replaced(table):
    assert set(copies("房间很不错", 30, synonyms=table, synonym_rate=1.0)) == {
        "客房很挺好"
    }
    assert copies("学生气质", 1, synonyms=table, synonym_rate=1.0) == ["习恼火质"]


def test_jieba_tells_where_chinese_words_end(table):
    pytest.importorskip("jieba")
    options = {"synonyms": table, "synonym_rate": 1.0, "segment": "jieba"}
    assert copies("学生气质不错", 1, **options) == ["学生气质挺好"]


def test_noise_changes_single_letters():
    for text in copies(FOX, noise=0.01):
        assert text != FOX
        assert abs(len(text) - len(FOX)) <= 1
        same = sum(a == b for a, b in zip(text, FOX, strict=False))
        back = sum(a == b for a, b in zip(text[::-1], FOX[::-1], strict=False))
        assert same + back >= len(FOX) - 2
    assert all(gaps(text) == gaps(FOX) for text in copies(FOX, noise=0.1))


def test_noise_in_chinese_takes_characters_of_the_text():
    text = "希望酒店赶快装修"
    assert all(set(copy) <= set(text) for copy in copies(text, noise=0.3))


def test_a_copy_depends_on_seed_document_and_number_alone(table):
    config = AugmentConfig(swap=0.2, noise=0.1, synonyms=table, combine="all")
    augmenter = Augmenter(config, seed=1)
    texts, ids = [FOX, "other words here", FOX], ["a", "b", "c"]
    batch = augmenter.augment_batch(texts, ids, 3)
    again = Augmenter(config, seed=1)
    assert again.augment_batch(texts[::-1], ids[::-1], 3) == batch[::-1]
    assert [again.augment(t, i, 3) for t, i in zip(texts, ids, strict=True)] == batch
    assert batch[0] != batch[2]
    assert augmenter.augment(FOX, "a", 4) != batch[0]
    assert Augmenter(config, seed=2).augment(FOX, "a", 3) != batch[0]


def test_draws_are_the_same_on_every_machine():
    random = StatelessRandom(17, "d1", 0)
    assert [random.integer(100) for _ in range(10)] == [
        67,
        2,
        73,
        40,
        23,
        1,
        36,
        50,
        36,
        90,
    ]
    assert sorted(StatelessRandom(1).sample(5, 5)) == [0, 1, 2, 3, 4]
    assert StatelessRandom("a", "b").integer(1 << 60) != StatelessRandom(
        "a\0b"
    ).integer(1 << 60)


def test_copies_of_a_document_take_turns_through_the_operations(table):
    texts = copies("lazy", 4, noise=0.1, synonyms=table)
    assert [text == "idle" for text in texts] in ([True, False] * 2, [False, True] * 2)


def test_another_operation_steps_in_where_one_changes_nothing():
    assert all(text != "word" for text in copies("word", swap=0.5, noise=0.1))


def test_all_operations_work_on_one_copy(table):
    options = {"synonyms": table, "synonym_rate": 1.0, "delete": 0.1, "combine": "all"}
    for text in copies("quick lazy dog", **options):
        assert len(words(text)) == 2
        assert set(words(text)) <= {"fast", "rapid", "idle", "hound"}


@pytest.mark.parametrize("text", ["", " ", "\n\t", "...", "!?", "。"])
def test_a_text_without_words_comes_back_as_it_is(text, table):
    options = {"swap": 0.5, "delete": 0.5, "noise": 0.5, "synonyms": table}
    for combine in ("one", "all"):
        assert set(copies(text, 4, combine=combine, **options)) == {text}


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from("ab C,.\n中文é़\u0301\U0001f600_-'"), max_size=24),
    st.floats(0.01, 1),
    st.integers(0, 9),
)
def test_a_copy_is_never_empty(text, rate, copy):
    config = AugmentConfig(swap=rate, delete=rate, noise=rate, combine="all")
    changed = Augmenter(config).augment(text, "d", copy)
    assert bool(changed.strip()) == bool(text.strip())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True))
def test_distinct_words_always_change(letters):
    text = " ".join(letters)
    for name in ("swap", "delete", "noise"):
        assert text not in copies(text, 4, **{name: 0.1})


HOOKS = """
from hooks_shared import calls

def upper(texts):
    calls.append(list(texts))
    return [text.upper() for text in texts]

def short(texts):
    return texts[1:]

def numbers(texts):
    return [1 for _ in texts]

def nothing(texts):
    return None

def blank(texts):
    return [" " for _ in texts]

constant = 3
"""


@pytest.fixture
def hooks(tmp_path, monkeypatch):
    """A module of functions for back translation; returns the list of their calls."""
    import sys

    (tmp_path / "hooks_shared.py").write_text("calls = []\n")
    (tmp_path / "hooks.py").write_text(HOOKS)
    (tmp_path / "hooks_broken.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    import hooks_shared

    yield hooks_shared.calls
    for name in ("hooks", "hooks_shared"):
        sys.modules.pop(name, None)


def test_back_translation_sees_a_batch_at_once(hooks):
    augmenter = Augmenter(AugmentConfig(back_translate="hooks:upper"))
    assert augmenter.augment_batch(["a", " ", "b"], ["1", "2", "3"], 0) == [
        *("A", " ", "B")
    ]
    assert hooks == [["a", "b"]]
    assert augmenter.augment("c", "1", 0) == "C"


def test_back_translation_takes_turns_with_other_operations(hooks):
    config = AugmentConfig(back_translate="hooks:upper", swap=0.1)
    augmenter = Augmenter(config)
    ids = [str(number) for number in range(40)]
    for copy in (0, 1):
        texts = augmenter.augment_batch(["x y"] * 40, ids, copy)
        assert set(texts) == {"X Y", "y x"}
        assert len(hooks[copy]) == texts.count("X Y")
    assert len(hooks[0]) + len(hooks[1]) == 40


def test_a_blank_answer_leaves_the_text(hooks):
    config = AugmentConfig(back_translate="hooks:blank")
    assert Augmenter(config).augment("a b", "1", 0) == "a b"


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ("no_such_package.there:f", "no_such_package"),
        ("hooks:absent", "absent"),
        ("hooks:constant", "constant is int, not a function"),
        ("hooks_broken:f", "no_such_module"),
    ],
)
def test_a_function_that_cannot_be_imported_is_a_fault_of_the_config(
    hooks, hook, reason
):
    augmenter = Augmenter(AugmentConfig(back_translate=hook))
    with pytest.raises(ConfigError, match=reason):
        augmenter.augment("a b", "1", 0)


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ("hooks:short", "expected 2 texts from hooks:short, received 1"),
        ("hooks:numbers", "expected strings from hooks:numbers, received int"),
        ("hooks:nothing", "expected 2 texts from hooks:nothing, received None"),
    ],
)
def test_wrong_answers_are_a_fault_of_the_data(hooks, hook, reason):
    augmenter = Augmenter(AugmentConfig(back_translate=hook))
    with pytest.raises(DataError, match=reason):
        augmenter.augment_batch(["a", "b"], ["1", "2"], 0)


def test_the_cache_sees_the_table_and_the_source_of_the_function(
    hooks, table, tmp_path
):
    config = AugmentConfig(synonyms=table, back_translate="hooks:upper")
    assert [path.name for path in external_files(config)] == [
        "synonyms.tsv",
        "hooks.py",
    ]
    assert external_files(AugmentConfig(swap=0.1)) == []
    for missing in (
        AugmentConfig(synonyms=str(tmp_path / "absent")),
        AugmentConfig(back_translate="no_such_package.there:f"),
        AugmentConfig(back_translate="no_such_module:f"),
    ):
        with pytest.raises(ConfigError):
            external_files(missing)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"alone", "found none"),
        (b"word\t", "empty one"),
        (b"word\ta\t\tb", "empty one"),
        (b"word\tWord", "itself"),
        (b"\tsynonym", "expected one word"),
        (b"two words\tsynonym", "expected one word"),
        (b"caf\xe9\tbar", "expected UTF-8"),
    ],
)
def test_a_malformed_line_of_the_table_is_named(tmp_path, line, reason):
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"good\tfine\n\n" + line + b"\n")
    with pytest.raises(DataError, match=rf"bad\.tsv:3: .*{reason}"):
        Augmenter(AugmentConfig(synonyms=str(path)))


def test_a_missing_table_is_a_fault_of_the_config(tmp_path):
    with pytest.raises(ConfigError, match="expected a file, found none"):
        Augmenter(AugmentConfig(synonyms=str(tmp_path / "absent.tsv")))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "an operation"),
        ({"synonyms": "t.tsv", "synonym_rate": 0.0}, "an operation"),
        ({"swap": 1.5}, "swap of 1 or less, got 1.5"),
        ({"noise": float("nan")}, "noise of 0 or more, got nan"),
        ({"swap": 0.1, "copies": 0}, "copies of 1 or more, got 0"),
        ({"swap": 0.1, "insert": 0.1}, "a table of synonyms for insert"),
        ({"back_translate": "package.function"}, "package.module:function"),
    ],
)
def test_configs_that_make_no_sense_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        AugmentConfig(**options)


@pytest.mark.parametrize("unit", ["a", "a.", ".", "a!", "中。", " ", "-", "_", "a "])
def test_a_megabyte_of_one_thing_is_copied_in_linear_time(unit):
    text = (unit * (1 << 20))[: 1 << 18]
    (copy,) = copies(text, 1, swap=0.01, delete=0.01, noise=0.01, combine="all")
    assert bool(copy.strip()) == bool(text.strip())
