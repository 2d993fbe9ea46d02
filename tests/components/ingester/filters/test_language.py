"""Language: codes and confidences, by model, by script, and without either."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.components.ingester.filters import language
from textmill.components.ingester.filters.language import (
    LanguageConfig,
    LanguageIdentifier,
    resolved_method,
)
from textmill.components.text import unicode_scripts as scripts
from textmill.models.errors import ConfigError

SENTENCES = {
    "en": "We will meet again next week at the station.",
    "de": "Wir treffen uns nächste Woche wieder am Bahnhof.",
    "fr": "Nous nous reverrons la semaine prochaine à la gare.",
    "es": "Los niños juegan en el jardín de la casa.",
    "it": "Ci rivedremo la prossima settimana alla stazione.",
    "pt": "Ela abriu a janela e olhou para fora, mas não viu ninguém.",
    "nl": "We zien elkaar volgende week weer op het station.",
    "ru": "Мы снова встретимся на вокзале на следующей неделе.",
    "uk": "Її брат працює в маленькій пекарні біля вокзалу.",
    "zh": "我们下周在车站再见。",
    "ja": "来週また駅で会いましょう。",
    "ko": "다음 주에 역에서 다시 만납시다.",
    "ar": "سنلتقي مرة أخرى الأسبوع القادم في المحطة.",
    "hi": "हम अगले हफ्ते स्टेशन पर फिर मिलेंगे।",
    "th": "เราจะพบกันอีกที่สถานีในสัปดาห์หน้า",
    "el": "Θα ξανασυναντηθούμε την επόμενη εβδομάδα στον σταθμό.",
    "he": "ניפגש שוב בשבוע הבא בתחנה.",
}
NOTHING = ["", " \n", "123 + 456 = 579", "!!! ... ???", "😀 🎉", "\ud800"]


@pytest.fixture(scope="module", params=["script", "model"])
def identifier(request):
    """An identifier by each method; the model's needs its package."""
    if request.param == "model":
        pytest.importorskip("py3langid")
    return LanguageIdentifier(LanguageConfig(method=request.param))


@pytest.mark.parametrize("code", SENTENCES)
def test_both_methods_identify_a_sentence(code, identifier):
    language, confidence = identifier.identify(SENTENCES[code])
    assert language == code
    assert 0 < confidence <= 1


@pytest.mark.parametrize("text", NOTHING)
def test_a_text_without_letters_is_undetermined(text, identifier):
    assert identifier.identify(text) == ("und", 0.0)


def test_scripts_of_one_language_need_no_model():
    by_script = LanguageIdentifier(LanguageConfig(method="script"))
    assert by_script.identify("我们在 Python 里写程序，它很有用。") == ("zh", 0.6471)
    assert by_script.identify("東京都庁") == ("zh", 1.0)
    assert by_script.identify("東京へ") == ("ja", 1.0)
    assert by_script.identify("สวัสดี") == ("th", 1.0)


def test_shares_are_of_letters_alone():
    assert scripts.script_shares("abc 中文 12!。") == {"latin": 0.6, "han": 0.4}
    assert scripts.script_shares("a𠀀") == {"latin": 0.5, "han": 0.5}
    assert scripts.script_shares("١٢ 12 ।") == {}
    assert scripts.script_shares("ﷺ ㄅㄆ ᲐᲑ") == {
        "georgian": 0.4,
        "bopomofo": 0.4,
        "arabic": 0.2,
    }


def test_the_beginning_of_a_text_decides():
    english = SENTENCES["en"] * 30
    config = LanguageConfig(method="script", examined_chars=len(english))
    language = LanguageIdentifier(config).identify(english)
    assert (
        LanguageIdentifier(config).identify(english + SENTENCES["zh"] * 300) == language
    )


@pytest.mark.parametrize(
    ("config", "language", "reason"),
    [
        ({}, ("xx", 0.0), None),
        ({"keep": ("en", "zh")}, ("zh", 0.65), None),
        ({"keep": ("en", "zh")}, ("zh", 0.6499), "language_confidence"),
        ({"keep": ("en", "zh")}, ("de", 1.0), "language"),
        ({"keep": ("en",)}, ("und", 0.0), "language"),
        ({"keep": ("en", "und")}, ("und", 0.0), None),
        ({"keep": ("en",), "min_confidence": 0}, ("en", 0.0), None),
    ],
)
def test_languages_are_kept_at_their_threshold(config, language, reason):
    identifier = LanguageIdentifier(LanguageConfig(method="script", **config))
    assert identifier.drop_reason(*language) == reason


def test_a_threshold_is_a_share():
    with pytest.raises(ValueError, match="min_confidence of 1 or less, got 65"):
        LanguageConfig(min_confidence=65)


def test_the_resolved_method_names_the_package_and_version():
    pytest.importorskip("py3langid")
    named = resolved_method(LanguageConfig(method="model"))
    assert named.startswith("py3langid 0.")
    assert resolved_method(LanguageConfig(method="auto")) == named
    assert resolved_method(LanguageConfig(method="script")) == "script"


def test_without_the_package_auto_is_script_and_model_is_an_error(monkeypatch):
    monkeypatch.setattr(language.util, "find_spec", lambda name: None)
    assert resolved_method(LanguageConfig(method="auto")) == "script"
    with pytest.raises(ConfigError, match=r"textmill\[data\]"):
        LanguageIdentifier(LanguageConfig(method="model"))


def test_telling_by_script_loads_no_model():
    loaded = {name for name in sys.modules if name.startswith("py3langid")}
    LanguageIdentifier(LanguageConfig(method="script")).identify(SENTENCES["en"])
    assert {name for name in sys.modules if name.startswith("py3langid")} == loaded


@settings(deadline=None)
@given(text=st.text())
def test_no_text_breaks_identification(identifier, text):
    code, confidence = identifier.identify(text)
    assert 2 <= len(code) <= 3
    assert 0 <= confidence <= 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("multi30k/m30k_val.en.gz", "en"),
        ("multi30k/m30k_val.de.gz", "de"),
        ("thucnews/test_10k.tsv", "zh"),
    ],
)
def test_real_sentences_are_identified(data, identifier, path, code):
    import gzip

    opened = gzip.open if path.endswith(".gz") else open
    with opened(data / path, "rt", encoding="utf-8") as file:
        lines = [line for line, _ in zip(file, range(1000), strict=False)]
    language = [identifier.identify(line.split("\t")[0])[0] for line in lines]
    assert language.count(code) / len(language) >= 0.97
