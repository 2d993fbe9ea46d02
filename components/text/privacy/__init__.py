"""Finds and replaces personal data and credentials in texts.

| kind | found |
| --- | --- |
| email | mail addresses, also ``name [at] host [dot] org`` and ``<name at host.org>`` |
| phone | ``+`` and country code; North American; Chinese mobile and fixed lines |
| ipv4, ipv6 | public internet addresses, no versions and no private networks |
| payment_card | 13 to 19 digits of a known issuer with a valid Luhn digit |
| iban | account numbers of the country's length, valid modulo 97 |
| us_ssn | ``ddd-dd-dddd`` in the valid ranges; without hyphens only after "SSN" |
| chinese_resident_id | 18 characters: a region, a birthday, a valid check character |
| url_credentials | ``user:password@`` and the values of ``?token=`` and the like |
| secret_key | keys by their issuer's prefix, JSON web tokens, private key blocks |

Rules find these, not names or street addresses; full-width forms are found once
``unicode: nfkc`` has made them ASCII.

Reading order: this file; ``scan`` (a text prepared for searches); the detectors in
``numbers`` (with ``checksums``), ``network`` and ``credentials``; ``surrogates``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from textmill.components.text.privacy.credentials import (
    find_secret_keys,
    find_url_credentials,
)
from textmill.components.text.privacy.network import find_emails, of_scope
from textmill.components.text.privacy.numbers import (
    find_ibans,
    find_payment_cards,
    find_phones,
    find_resident_ids,
    find_us_ssns,
)
from textmill.components.text.privacy.scan import Scan
from textmill.components.text.privacy.surrogates import surrogate
from textmill.models.errors import did_you_mean

Kind = Literal[
    "secret_key",
    "url_credentials",
    "email",
    "iban",
    "chinese_resident_id",
    "payment_card",
    "us_ssn",
    "ipv6",
    "ipv4",
    "phone",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind, the most specific first."""

_DETECTORS = {
    "secret_key": find_secret_keys,
    "url_credentials": find_url_credentials,
    "email": find_emails,
    "iban": find_ibans,
    "chinese_resident_id": find_resident_ids,
    "payment_card": find_payment_cards,
    "us_ssn": find_us_ssns,
    "phone": find_phones,
}
_MAX_ROUNDS = 8


@dataclass(frozen=True, kw_only=True)
class PrivacyConfig:
    """The kinds of personal data, and their replacements."""

    kinds: tuple[Kind, ...] = KINDS
    """The kinds that are looked for."""
    style: Literal["placeholder", "surrogate"] = "placeholder"
    """Masks with ``<EMAIL>`` and the like, or with values of the same form that belong
    to nobody (user4821@example.org), which keep the text natural."""
    addresses: Literal["public", "all"] = "public"
    """Whether internet addresses of private networks count too: they name nobody."""

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError(f"at least one of {', '.join(KINDS)} as kinds, got none")
        for kind in self.kinds:
            if kind not in KINDS or self.kinds.count(kind) > 1:
                raise ValueError(
                    f"each of {', '.join(KINDS)} once, got {kind!r}"
                    f"{'' if kind in KINDS else did_you_mean(kind, KINDS)}"
                )


class PersonalSpan(NamedTuple):
    """A piece of personal data in a text."""

    begin: int
    """Its first character."""
    end: int
    """The character after its last one."""
    kind: Kind
    """Its kind."""


class Redactor:
    """Finds and replaces personal data in texts."""

    def __init__(self, config: PrivacyConfig, *, seed: int = 17) -> None:
        detectors = _DETECTORS | of_scope(config.addresses)
        self._detectors = [
            (kind, detectors[kind]) for kind in KINDS if kind in config.kinds
        ]
        self._style = config.style
        self._seed = seed

    def find(self, text: str) -> list[PersonalSpan]:
        """Returns the personal data of a text, in order and without overlaps.

        Of two that overlap the more specific kind wins (the order of KINDS: a prefix or
        checksum before a mere form), then the longer, then the earlier one.
        """
        scan = Scan(text)
        taken: list[PersonalSpan] = []
        for kind, detect in self._detectors:
            matches = detect(scan)
            if matches:
                matches.sort(key=lambda span: (span[0] - span[1], span[0]))
                for begin, end in matches:
                    _take(taken, PersonalSpan(begin, end, kind))
        return taken

    def mask(self, text: str, document_id: str) -> tuple[str, Counter[str]]:
        """Returns the text with personal data replaced, and counts by kind.

        Masking a masked text changes nothing: placeholders and surrogates are not
        found, or replaced by themselves and not counted.
        """
        counts: Counter[str] = Counter()
        # A replacement may uncover what it overlapped: again, until nothing changes.
        for _ in range(_MAX_ROUNDS):
            spans = self.find(text)
            masked = self._replace(text, spans, document_id, counts) if spans else text
            if masked == text:
                break
            text = masked
        return text, counts

    def _replace(
        self,
        text: str,
        spans: list[PersonalSpan],
        document_id: str,
        counts: Counter[str],
    ) -> str:
        pieces, position = [], 0
        for begin, end, kind in spans:
            old = text[begin:end]
            new = f"<{kind.upper()}>"
            if self._style == "surrogate":
                new = surrogate(kind, old, seed=self._seed, document_id=document_id)
            pieces += [text[position:begin], new]
            position = end
            if new != old:
                counts[kind] += 1
        return "".join([*pieces, text[position:]])


def _take(taken: list[PersonalSpan], span: PersonalSpan) -> None:
    """Inserts a span unless it overlaps one that is there."""
    index = bisect_left(taken, span)
    if index and taken[index - 1].end > span.begin:
        return
    if index < len(taken) and taken[index].begin < span.end:
        return
    insort(taken, span)
