"""Privacy: what in a text tells who somebody is or opens a door, and what replaces it.

| kind | what is found |
| --- | --- |
| email | mail addresses, also ``name [at] host [dot] org`` and ``<name at host.org>`` |
| phone | ``+`` and country code; North American; Chinese mobile and fixed lines |
| ipv4, ipv6 | public internet addresses, no versions and no private networks |
| payment_card | 13 to 19 digits of a known issuer with a valid Luhn digit |
| iban | account numbers of the country's length, valid modulo 97 |
| us_ssn | ``ddd-dd-dddd`` in the valid ranges; without hyphens only behind "SSN" |
| chinese_resident_id | 18 characters: a region, a birthday, a valid check character |
| url_credentials | ``user:password@`` and the values of ``?token=`` and the like |
| secret_key | keys by their issuer's prefix, JSON web tokens, private key blocks |

Rules find these, not names or street addresses; full-width forms are found once
``unicode: nfkc`` has made them ASCII.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from textmill.components.ingester.cleaning.privacy.credentials import (
    find_secret_keys,
    find_url_credentials,
)
from textmill.components.ingester.cleaning.privacy.network import (
    find_emails,
    of_scope,
)
from textmill.components.ingester.cleaning.privacy.numbers import (
    find_ibans,
    find_payment_cards,
    find_phones,
    find_resident_ids,
    find_us_ssns,
)
from textmill.components.ingester.cleaning.privacy.scan import Scan
from textmill.components.ingester.cleaning.privacy.surrogates import surrogate
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
    """What counts as personal, and what stands in its place."""

    kinds: tuple[Kind, ...] = KINDS
    """What is looked for."""
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
    """Something personal in a text."""

    begin: int
    """Its first character."""
    end: int
    """The character after its last one."""
    kind: Kind
    """What it is."""


class Redactor:
    """Finds what is personal in texts, and replaces it."""

    def __init__(self, config: PrivacyConfig, *, seed: int = 17) -> None:
        detectors = _DETECTORS | of_scope(config.addresses)
        self._detectors = [
            (kind, detectors[kind]) for kind in KINDS if kind in config.kinds
        ]
        self._style = config.style
        self._seed = seed

    def find(self, text: str) -> list[PersonalSpan]:
        """Returns what is personal, in order, none overlapping another.

        Of two that overlap the more specific kind wins (the order of KINDS: what has a
        prefix or a checksum before what only has a form), then the longer, then the
        earlier one.
        """
        scan = Scan(text)
        taken: list[PersonalSpan] = []
        for kind, detect in self._detectors:
            found = detect(scan)
            if found:
                found.sort(key=lambda span: (span[0] - span[1], span[0]))
                for begin, end in found:
                    _take(taken, PersonalSpan(begin, end, kind))
        return taken

    def mask(self, text: str, document_id: str) -> tuple[str, Counter[str]]:
        """Returns the text with everything personal replaced, and how many by kind.

        Masking what was masked changes nothing: placeholders and surrogates are not
        found, or stand for themselves; those that do are not counted.
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
        pieces, at = [], 0
        for begin, end, kind in spans:
            old = text[begin:end]
            new = f"<{kind.upper()}>"
            if self._style == "surrogate":
                new = surrogate(kind, old, seed=self._seed, document_id=document_id)
            pieces += [text[at:begin], new]
            at = end
            if new != old:
                counts[kind] += 1
        return "".join([*pieces, text[at:]])


def _take(taken: list[PersonalSpan], span: PersonalSpan) -> None:
    """Inserts a span where it overlaps none of those before it."""
    place = bisect_left(taken, span)
    if place and taken[place - 1].end > span.begin:
        return
    if place < len(taken) and taken[place].begin < span.end:
        return
    insort(taken, span)
