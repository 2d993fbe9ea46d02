"""Redactor: overlaps, replacements that depend on nothing but their names, faults."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.components.text.privacy import (
    KINDS,
    PersonalSpan,
    PrivacyConfig,
    Redactor,
)
from textmill.components.text.privacy.checksums import (
    is_iban,
    is_payment_card,
    luhn,
    resident_check,
)

ONE_OF_EACH = {
    "email": "jane@mail.example.io",
    "phone": "+44 20 7946 0958",
    "ipv4": "93.184.216.34",
    "ipv6": "2a00:1450:4001:80b::200e",
    "payment_card": "4111-1111-1111-1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "us_ssn": "078-05-1120",
    "chinese_resident_id": "11010519491231002X",
    "url_credentials": "app:hunter22",
    "secret_key": "AKIA" + "ABCDEFGH23456723",
}
KEY_BLOCK = (
    "-----BEGIN PRIVATE " + "KEY-----\n" + "MIIBVAIBADANBgkq" * 8 + "\n"
    "-----END PRIVATE " + "KEY-----"
)


def placed(kind):
    value = ONE_OF_EACH[kind]
    return f"https://{value}@host/" if kind == "url_credentials" else f"see {value} now"


def masker(style="surrogate", *, seed=17, **options):
    return Redactor(PrivacyConfig(style=style, **options), seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_placeholder_names_the_kind(kind):
    text = placed(kind)
    masked, counts = masker("placeholder").mask(text, "d1")
    assert masked == text.replace(ONE_OF_EACH[kind], f"<{kind.upper()}>")
    assert counts == {kind: 1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_surrogate_depends_on_seed_document_and_value_alone(kind):
    text = placed(kind)
    masked, counts = masker().mask(text, "d1")
    assert counts == {kind: 1}
    assert ONE_OF_EACH[kind] not in masked
    assert masker().mask(text, "d1")[0] == masked
    around = f"before {text} after {text}"
    assert masker().mask(around, "d1")[0] == f"before {masked} after {masked}"
    assert masker().mask(text, "d2")[0] != masked
    assert masker(seed=18).mask(text, "d1")[0] != masked


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("jane@mail.example.io", r"user\d{4}@example\.(com|org|net)"),
        ("+1 (734) 763-4321", r"\+1 \(\d{3}\) 555-01\d\d"),
        ("734.763.4321", r"\d{3}\.555\.01\d\d"),
        ("+49 30 901820", r"\+99 9\d \d{6}"),
        ("13800138000", r"100\d{8}"),
        ("+86 138 0013 8000", r"\+86 100 \d{4} \d{4}"),
        ("0755-82550000", r"000\d-\d{8}"),
        ("93.184.216.34", r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+"),
        ("2a00:1450:4001:80b::200e", r"2001:db8:[\da-f]{4}:[\da-f]{4}::[\da-f]{4}"),
        ("4111 1111 1111 1111", r"9\d{3} \d{4} \d{4} \d{4}"),
        ("GB82 WEST 1234 5698 7654 32", r"GB00 [A-Z]{4}( \d{4}){3} \d\d"),
        ("078-05-1120", r"9\d\d-00-\d{4}"),
        ("11010519491231002X", r"99\d{15}[A-Z]"),
        ("ftp://a:hunter22@host", r"ftp://user\d{4}:redacted[\da-f]{8}@host"),
        ("?token=0123456789", r"\?token=redacted[\da-f]{8}"),
        ("ghp_" + "aB1" * 12, r"ghp_([a-z][A-Z]\d){9}[a-z][A-Z]EXAMPLE"),
    ],
)
def test_a_surrogate_has_the_form_of_the_original(text, pattern):
    assert re.fullmatch(pattern, masker().mask(text, "d1")[0])


def test_the_surrogate_of_a_private_key_is_a_block():
    masked, counts = masker().mask(f"a\n{KEY_BLOCK}\nb", "d1")
    lines = masked.split("\n")
    assert [lines[i] for i in (0, 1, -2, -1)] == [
        "a",
        "-----BEGIN PRIVATE " + "KEY-----",
        "-----END PRIVATE " + "KEY-----",
        "b",
    ]
    assert lines[2].endswith("EXAMPLE") and "MIIB" not in masked
    assert counts == {"secret_key": 1}


@pytest.mark.parametrize(
    "text",
    [
        "user1@example.org",
        "+1 212 555 0187",
        "203.0.113.7",
        "2001:db8::1",
        "AKIA" + "IOSFODNN7EXAMPLE",
    ],
)
def test_reserved_values_are_their_own_surrogates(text):
    assert masker().mask(text, "d1") == (text, {})
    assert masker("placeholder").mask(text, "d1")[0].startswith("<")


def test_the_more_specific_kind_wins():
    spans = masker().find("https://jane:pw4567@example.com/ and 11010519491231002X")
    assert spans == [
        PersonalSpan(8, 19, "url_credentials"),
        PersonalSpan(37, 55, "chinese_resident_id"),
    ]


def test_spans_are_in_order_and_apart():
    text = "; ".join(placed(kind) for kind in reversed(KINDS))
    spans = masker().find(text)
    assert sorted(kind for _, _, kind in spans) == sorted(KINDS)
    assert spans == sorted(spans)
    ends = [0, *(span.end for span in spans)]
    assert all(span.begin >= end for span, end in zip(spans, ends, strict=False))
    assert [text[b:e] for b, e, _ in spans] == [ONE_OF_EACH[k] for _, _, k in spans]


def test_only_the_configured_kinds_are_found():
    text = " ".join(placed(kind) for kind in KINDS)
    for kind in KINDS:
        spans = masker(kinds=(kind,)).find(text)
        assert ONE_OF_EACH[kind] in [text[b:e] for b, e, _ in spans]
        assert {span.kind for span in spans} == {kind}


def test_private_addresses_are_found_in_the_scope_all():
    text = "10.0.0.1:80, 192.168.200.7 and fe80::1ff:fe23:4567:890a"
    assert masker("placeholder").mask(text, "d") == (text, {})
    assert masker("placeholder", addresses="all").mask(text, "d") == (
        "<IPV4>:80, <IPV4> and <IPV6>",
        {"ipv4": 2, "ipv6": 1},
    )


def test_text_without_anything_personal_comes_back_as_it_is():
    text = "Nothing here, 中文也没有, \ud800 nor \U0001f600 in 2025."
    assert masker().mask(text, "d1") == (text, {})
    assert masker().mask("", "d1") == ("", {})


def test_lone_surrogates_do_no_harm():
    masked, counts = masker("placeholder").mask("\ud800jane@example.io\udfff", "\ud800")
    assert (masked, counts) == ("\ud800<EMAIL>\udfff", {"email": 1})
    assert masker().mask("\ud800jane@a.io", "\ud800")[1] == {"email": 1}


PIECES = [
    *ONE_OF_EACH.values(),
    KEY_BLOCK,
    *"@.:/-+(?=&\n 1aA中",
    "://",
    "(415) 555-0132",
    "13800138000",
    "010-62550000",
    "?token=",
    "SSN ",
    "call ",
    " 12/27",
    "4111111111111111",
    "1.1.1.1",
    "::1",
]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.sampled_from(["placeholder", "surrogate"]),
)
def test_masking_twice_changes_nothing(text, style):
    masked, counts = masker(style).mask(text, "d1")
    assert masker(style).mask(masked, "d1") == (masked, {})
    assert masker(style).mask(masked, "d2") == (masked, {})
    assert (masked == text) == (counts == {})


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(max_codepoint=0x2FFF), max_size=60))
def test_any_text_can_be_searched(text):
    spans = masker().find(text)
    assert spans == sorted(spans)
    assert all(0 <= begin < end <= len(text) for begin, end, _ in spans)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(list(ONE_OF_EACH.values())), min_size=1, max_size=6),
    st.sampled_from([" and ", "\n", ", ", "。"]),
)
def test_nothing_personal_is_left_after_masking(values, between):
    masked, counts = masker("placeholder").mask(between.join(values), "d1")
    left = [value for value in values if value in masked]
    assert set(left) <= {ONE_OF_EACH["url_credentials"]}
    assert counts.total() == len(values) - len(left)


HOSTILE = (
    "1 @ a.a.a - : a A . 1. 1- 1: f: :// ://a:b = ?token= eyJ eyJa. sk- sk-1A ghp_ _"
    " AA00 DE89 +1 ( < [at] [at]a. a@ @a. 4111 2001:: aws_secret_access_key= 中 中1 a%"
)


@pytest.mark.parametrize("unit", [*HOSTILE.split(), "1 ", "<a at ", "DE89 ", "tel 1"])
def test_a_megabyte_of_one_thing_is_searched_in_linear_time(unit):
    text = (unit * (1 << 20))[: 1 << 20]
    assert len(masker().find(text)) < 200_000


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kinds": ()}, "at least one of"),
        ({"kinds": ("mail",)}, "got 'mail'; did you mean 'email'"),
        ({"kinds": ("email", "email")}, "got 'email'"),
    ],
)
def test_kinds_that_make_no_sense_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        PrivacyConfig(**options)


def test_checksums_agree_with_the_examples_of_their_standards():
    assert luhn("79927398713") and not luhn("79927398710")
    assert resident_check("11010519491231002") == "X"
    assert is_iban("GB82WEST12345698765432")
    assert not is_iban("GB82WEST12345698765423")
    assert is_payment_card("2221000000000009") and not is_payment_card(
        "2220990000000007"
    )


def test_importing_privacy_imports_the_standard_library_only():
    script = (
        "import sys; before = set(sys.modules)\n"
        "import textmill.components.text.privacy\n"
        "import textmill.components.ingester.augment\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["textmill"]


def test_real_text_of_plays_holds_nothing_personal(data):
    text = (data / "tinyshakespeare.txt").read_text()
    assert masker().find(text) == []
