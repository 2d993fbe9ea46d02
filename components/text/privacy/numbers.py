"""Telephone, card, account and identity numbers, by form and checksum."""

from __future__ import annotations

import re

from textmill.components.text.privacy.checksums import (
    IBAN_LENGTHS,
    is_chinese,
    is_iban,
    is_international,
    is_north_american,
    is_payment_card,
    is_resident_id,
    is_us_ssn,
)
from textmill.components.text.privacy.scan import Matches, Scan, is_word

_MAX_PHONE_DIGITS = 15
_CUE_CHARS = 32
_PHONE_CUE = re.compile(
    r"(?i:\b(?:tel|phone|telephone|call|cell|mobile|mob|fax|whatsapp|sms|contact|dial"
    r"|hotline)\b|电话|手机|联系|拨打|致电|热线|传真|微信)[^0-9]{0,16}$"
)
_SSN_CUE = re.compile(r"(?i:\bssn\b|social security)[^0-9]{0,20}$")
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .-]?)?(?:\(([2-9][0-9]{2})\)[ -]?([2-9][0-9]{2})[ .-]([0-9]{4})"
    r"|([2-9][0-9]{2})([.-])([2-9][0-9]{2})\5([0-9]{4})"
    r"|([2-9][0-9]{2}) ([2-9][0-9]{2})-([0-9]{4}))(?![0-9])"
)
_LOOSE = re.compile(r"(?:1[ .-]?)?[2-9][0-9]{2} ?[2-9][0-9]{2} ?[0-9]{4}(?![0-9])")
_CHINESE = re.compile(
    r"(?:(?:00)?86[ -]?)?(?:1[3-9][0-9]([ -]?)[0-9]{4}\1[0-9]{4}"
    r"|(?:\(0(?:10|2[0-9]|[3-9][0-9]{2})\)[ -]?|0(?:10|2[0-9]|[3-9][0-9]{2})-)"
    r"[2-8][0-9]{2,3}[ -]?[0-9]{4})(?![0-9])"
)
_GROUP = re.compile(r"[0-9]+")
_CARD = re.compile(
    r"(?<![0-9])(?:[0-9]{13,19}"
    r"|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(\1[0-9]{1,3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\3[0-9]{4,5})(?![0-9])"
)
_SSN = re.compile(r"(?<![0-9])[0-9]{3}([ -]?)[0-9]{2}\1[0-9]{4}(?![0-9])")
_RESIDENT = re.compile(r"(?<![0-9])[1-8][0-9]{5}([ -]?)[0-9]{8}\1[0-9]{3}[0-9Xx]")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
_NOT_A_DIGIT = re.compile(r"[^0-9]+")


def find_phones(scan: Scan) -> Matches:
    """Finds telephone numbers.

    With a plus sign: E.164 with separators. Without: North American ones that are
    punctuated as such, Chinese mobiles (bare, in threes and fours, with 86 or 0086)
    and Chinese fixed lines with their area; ten bare digits only after a word such as
    "call", as times and amounts look the same.
    """
    matches: Matches = []
    text = scan.text
    for begin, end in scan.runs:
        if begin and text[begin - 1] == "+":
            if span := _international(scan, begin, end):
                matches.append(span)
            continue
        if end - begin < 10:
            continue
        spans = _national(scan, begin, end)
        if not spans and _PHONE_CUE.search(text, max(0, begin - _CUE_CHARS), begin):
            spans = _matches(scan, _LOOSE, begin, end)
        matches.extend(spans)
    return matches


def _international(scan: Scan, begin: int, end: int) -> tuple[int, int] | None:
    """Returns the longest run of groups after a plus sign that is a number."""
    text = scan.text
    if begin > 1 and (is_word(text[begin - 2]) or text[begin - 2] in "+)"):
        return None
    digits, ends = "", []
    for group in _GROUP.finditer(text, begin, end):
        digits += group[0]
        if len(digits) > _MAX_PHONE_DIGITS:
            break
        ends.append((group.end(), digits))
    for stop, number in reversed(ends):
        if len(number) < 8:
            return None
        if is_international(_without_trunk(number, text[begin:stop])) and not (
            stop < len(text) and is_word(text[stop])
        ):
            return begin - 1, stop
    return None


def _without_trunk(digits: str, written: str) -> str:
    """Removes the 0 of "+44 (0)20 ...", as it is not dialled from abroad."""
    if "(0)" not in written:
        return digits
    return _NOT_A_DIGIT.sub("", written.replace("(0)", "", 1))


def _national(scan: Scan, begin: int, end: int) -> Matches:
    begin -= scan.text.startswith("(", begin - 1) if begin else 0
    matches = _matches(scan, _NORTH_AMERICAN, begin, end)
    for span in _matches(scan, _CHINESE, begin, end):
        if not any(span[0] < taken[1] and taken[0] < span[1] for taken in matches):
            matches.append(span)
    return matches


def _matches(scan: Scan, pattern: re.Pattern[str], begin: int, end: int) -> Matches:
    """Returns the numbers of a run that stand alone and follow their plan."""
    matches = []
    text = scan.text
    for match in pattern.finditer(text, begin, end):
        first, last = match.span()
        if not scan.is_free(first, last):
            continue
        digits = _NOT_A_DIGIT.sub("", match[0])
        if pattern is _CHINESE:
            valid = is_chinese(re.sub("^(?:00)?86(?=.{10})|^0", "", digits))
        else:
            valid = is_north_american(digits[-10:])
        if valid:
            matches.append((first, last))
    return matches


def find_payment_cards(scan: Scan) -> Matches:
    """Finds card numbers: bare or grouped as on cards, of a known issuer, Luhn-valid.

    A group with more digits before it is a row of a table, not a card.
    """
    matches: Matches = []
    text = scan.text
    for begin, end in scan.runs:
        if end - begin < 13:
            continue
        for match in _CARD.finditer(text, begin, end):
            first, last = match.span()
            grouped = match[1] or match[3]
            if grouped and first - begin >= 2:
                continue
            # "4111 1111 1111 1111 12/27": the last group may not belong to the card.
            shorter = last - len(match[2] or "")
            matches.extend(
                (first, stop)
                for stop in sorted({shorter, last})
                if is_payment_card(_NOT_A_DIGIT.sub("", text[first:stop]))
                and scan.is_free(first, stop)
            )
    return matches


def find_us_ssns(scan: Scan) -> Matches:
    """Finds US social security numbers with hyphens; others only after "SSN"."""
    matches = []
    for begin, end in scan.runs:
        if end - begin < 9:
            continue
        for match in _SSN.finditer(scan.text, begin, end):
            first, last = match.span()
            cue = match[1] == "-" or _SSN_CUE.search(
                scan.text, max(0, first - _CUE_CHARS), first
            )
            digits = _NOT_A_DIGIT.sub("", match[0])
            if cue and is_us_ssn(digits) and scan.is_free(first, last):
                matches.append((first, last))
    return matches


def find_resident_ids(scan: Scan) -> Matches:
    """Finds Chinese resident identity numbers of 18 characters."""
    matches = []
    for begin, end in scan.runs:
        if end - begin < 17:
            continue
        for match in _RESIDENT.finditer(scan.text, begin, end + 1):
            first, last = match.span()
            value = match[0].replace(" ", "").replace("-", "")
            if is_resident_id(value) and scan.is_free(first, last):
                matches.append((first, last))
    return matches


def find_ibans(scan: Scan) -> Matches:
    """Finds international bank account numbers, bare or in groups of four."""
    matches: Matches = []
    text, shape = scan.text, scan.shape
    begin = shape.find(b"AA00")
    while begin >= 0:
        if text[begin : begin + 2] in IBAN_LENGTHS and (
            begin == 0 or not is_word(text[begin - 1])
        ):
            end = _iban_end(text, begin)
            if end:
                matches.append((begin, end))
        begin = shape.find(b"AA00", begin + 4)
    return matches


def _iban_end(text: str, begin: int) -> int:
    """Returns where the account number of a country's length ends, or 0."""
    match = _IBAN.match(text, begin)
    if not match:
        return 0
    length = int(IBAN_LENGTHS[text[begin : begin + 2]])
    value, end = "", begin
    while len(value) < length and end < match.end():
        value += text[end].strip()
        end += 1
    whole = end == len(text) or not is_word(text[end])
    return end if whole and is_iban(value) else 0
