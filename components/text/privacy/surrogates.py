"""Surrogates: stand-ins of the same form, from ranges that belong to nobody.

Which one is a function of the seed, the document's id, the kind and the text that is
replaced: one name stays one name throughout a document. A surrogate stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from textmill.models.hashing import StatelessRandom

_HOSTS = ("example.com", "example.org", "example.net")
_RESERVED_MAIL = re.compile(
    r"(?i:[@.]example\.(?:com|org|net)|\.(?:example|test|invalid|localhost))$"
)
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
_AREAS = ("202", "206", "212", "303", "312", "404", "415", "617")
_HEX, _DIGITS = "0123456789abcdef", "0123456789"
_UPPER, _LOWER = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz"
_MARK = "EXAMPLE"
_CREDENTIAL = re.compile(r"user[0-9]{4}:redacted[0-9a-f]{8}|redacted[0-9a-f]{8}")
_PREFIX = re.compile(
    r"A[A-Z]{3}(?=[A-Z0-9]{16}$)|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|AIza|sk-|[rs]k_"
    r"(?:live|test)_|npm_|hf_|eyJ"
)


def _digits(random: StatelessRandom, count: int) -> str:
    return "".join(random.choice(_DIGITS) for _ in range(count))


def _like(random: StatelessRandom, text: str) -> str:
    """Returns other ASCII letters and digits in the same places."""
    return "".join(_like_char(random, char) for char in text)


def _like_char(random: StatelessRandom, char: str) -> str:
    if not char.isascii() or not char.isalnum():
        return char
    alphabet = _DIGITS if char.isdigit() else _UPPER if char.isupper() else _LOWER
    return random.choice(alphabet)


def _fill(form: str, digits: str) -> str:
    """Puts digits into the places of those of a form."""
    rest = iter(digits)
    return "".join(next(rest) if char.isdigit() else char for char in form)


def _digits_of(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _email(text: str, random: StatelessRandom) -> str:
    if _RESERVED_MAIL.search(text):
        return text
    return f"user{_digits(random, 4)}@{random.choice(_HOSTS)}"


def _phone(text: str, random: StatelessRandom) -> str:
    """North American: an area and 555-01xx; others: a code or prefix nobody has."""
    digits = _digits_of(text)
    if _is_north_american(text, digits):
        if digits[-7:-2] == "55501":
            return text
        area = random.choice(_AREAS)
        return _fill(text, f"{digits[:-10]}{area}55501{_digits(random, 2)}")
    abroad = text[0] == "+"
    if abroad and digits[:2] != "86":
        return _fill(text, "999" + _digits(random, len(digits) - 3))
    code = re.match("(?:00)?86", digits) if abroad or len(digits) > 12 else None
    code_digits = code[0] if code else ""
    mobile = digits.startswith("1", len(code_digits))
    fresh = code_digits + ("100" if mobile else "000")
    return _fill(text, fresh + _digits(random, len(digits) - len(fresh)))


def _is_north_american(text: str, digits: str) -> bool:
    """Separates 1-415-555-0132 from 14155550132, a mobile in China."""
    if text[0] == "+":
        return digits[0] == "1"
    if len(digits) == 11:
        return digits[0] == "1" and not text[:3].isdigit()
    return len(digits) == 10 and digits[0] != "0"


def _ipv4(text: str, random: StatelessRandom) -> str:
    if text.rpartition(".")[0] in _NETWORKS:
        return text
    return f"{random.choice(_NETWORKS)}.{1 + random.integer(254)}"


def _ipv6(text: str, random: StatelessRandom) -> str:
    if re.match(r"2001:0?db8:", text, re.IGNORECASE):
        return text
    groups = ["".join(random.choice(_HEX) for _ in range(4)) for _ in range(3)]
    return f"2001:db8:{groups[0]}:{groups[1]}::{groups[2]}"


def _payment_card(text: str, random: StatelessRandom) -> str:
    """No issuer's numbers begin with 9."""
    return _fill(text, "9" + _digits(random, len(_digits_of(text)) - 1))


def _iban(text: str, random: StatelessRandom) -> str:
    """Check digits 00 are never given out."""
    return text[:2] + "00" + _like(random, text[4:])


def _us_ssn(text: str, random: StatelessRandom) -> str:
    """No group is 00, and no area begins with 9."""
    return _fill(text, "9" + _digits(random, 2) + "00" + _digits(random, 4))


def _chinese_resident_id(text: str, random: StatelessRandom) -> str:
    """No region begins with 99."""
    return "99" + _like(random, text[2:])


def _url_credentials(text: str, random: StatelessRandom) -> str:
    if _CREDENTIAL.fullmatch(text):
        return text
    word = "redacted" + "".join(random.choice(_HEX) for _ in range(8))
    return f"user{_digits(random, 4)}:{word}" if ":" in text else word


def _secret_key(text: str, random: StatelessRandom) -> str:
    """Ends in EXAMPLE, as the keys in the documentation of Amazon Web Services do."""
    if text.startswith("-----"):
        head, _, rest = text[5:].partition("-----")
        body, end, foot = rest.partition("-----END")
        if _MARK in body:
            return text
        body = _like(random, body)[: -len(_MARK) - 1] + _MARK
        return f"-----{head}-----{body}\n{end}{foot}"
    if text.endswith(_MARK):
        return text
    prefix = match[0] if (match := _PREFIX.match(text)) else ""
    return prefix + _like(random, text[len(prefix) : -len(_MARK)]) + _MARK


_SURROGATES: dict[str, Callable[[str, StatelessRandom], str]] = {
    "email": _email,
    "phone": _phone,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "payment_card": _payment_card,
    "iban": _iban,
    "us_ssn": _us_ssn,
    "chinese_resident_id": _chinese_resident_id,
    "url_credentials": _url_credentials,
    "secret_key": _secret_key,
}


def surrogate(kind: str, text: str, *, seed: int, document_id: str) -> str:
    """Returns the replacement of a text of this kind in this document."""
    return _SURROGATES[kind](text, StatelessRandom(seed, document_id, kind, text))
