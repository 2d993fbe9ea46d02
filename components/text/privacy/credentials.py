"""Credentials: passwords and tokens in addresses, and keys of well-known services."""

from __future__ import annotations

import re

from textmill.components.text.privacy.scan import Matches, Scan

_USER_PASSWORD = re.compile(
    r"://([^\s/@:?#<>\"'`]{1,128}:[^\s/@?#<>\"'`]{1,256})@[\w\[]"
)
_NAMES = (
    r"(?i:(?:x[-_])?api[-_]?key|(?:access|auth|refresh|id|session|secret|bearer)"
    r"[-_]?token|token|password|passwd|pwd|(?:client|app)[-_]?secret|secret(?:[-_]?key)?"
    r"|x-amz-(?:signature|credential|security-token)|sig|signature|access[-_]?key)"
)
_VALUE = r"=([^\s&#<>\"'`\\]{6,2048})"
_PARAMETERS = tuple(re.compile(rf"\{sign}{_NAMES}{_VALUE}") for sign in "?&")
_TEMPLATE = re.compile(
    r"[{}$\[\]*…]|\.\.\.|%[sd]|^[xX]+$|(?i:^your|^my[-_]|^insert|^xxx|placeholder|redacted)"
)
_TRAILING = ".,;:!?)]}。,"

_KEY_CHARS = 20
_KEY = re.compile(
    # Every branch begins with a letter, for a fast search, and then looks behind it.
    r"A(?<![A-Za-z0-9]A)(?:KIA|SIA|GPA|IDA|ROA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|g(?<![A-Za-z0-9]g)(?:h[pousr]_[A-Za-z0-9]{36,255}"
    r"|ithub_pat_[A-Za-z0-9_]{36,255}|lpat-[A-Za-z0-9_-]{20,255})"
    r"|x(?<![A-Za-z0-9]x)ox[abeoprs]-[A-Za-z0-9-]{16,255}"
    r"|A(?<![A-Za-z0-9]A)Iza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"
    r"|s(?<![A-Za-z0-9]s)k-(?=[A-Za-z0-9_-]{0,64}?[0-9])"
    r"(?=[A-Za-z0-9_-]{0,64}?[A-Z])[A-Za-z0-9_-]{20,255}"
    r"|[rs](?<![A-Za-z0-9][rs])k_(?:live|test)_[A-Za-z0-9]{16,255}"
    r"|n(?<![A-Za-z0-9]n)pm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"
    r"|h(?<![A-Za-z0-9]h)f_[A-Za-z]{34}(?![A-Za-z0-9])"
)
_WEB_TOKEN = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{8,4096}"
)
_ASSIGNED = re.compile(
    r"(?i:aws_secret_access_key)['\"]? ?[:=] ?['\"]?"
    r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_END = re.compile(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"[A-Za-z0-9+/]{32}")
_LINES = re.compile(r"(?:\s{1,8}[A-Za-z0-9+/=]{16,128}){1,400}")
_MAX_BLOCK_CHARS = 16384


def find_url_credentials(scan: Scan) -> Matches:
    """Finds ``user:password`` before a host, and the values of secret parameters.

    Templates to be filled in (``{user}:{password}``, ``token=<...>``,
    ``key=YOUR_KEY``) do not count.
    """
    text = scan.text
    matches: Matches = []
    if "://" in text and "@" in text:
        for match in _USER_PASSWORD.finditer(text):
            if not _TEMPLATE.search(match[1]):
                matches.append(match.span(1))
    if "=" in text:
        for pattern in _PARAMETERS:
            for match in pattern.finditer(text):
                value = match[1].rstrip(_TRAILING)
                if len(value) >= 6 and not _TEMPLATE.search(value):
                    matches.append((match.start(1), match.start(1) + len(value)))
    return matches


def find_secret_keys(scan: Scan) -> Matches:
    """Finds keys of services by their prefix, web tokens, and private key blocks."""
    text, tokens = scan.text, scan.tokens
    matches = _find_blocks(text) if "PRIVATE KEY" in text else []
    begin = tokens.find(b"a" * _KEY_CHARS)
    while begin >= 0:
        end = tokens.find(b" ", begin + _KEY_CHARS)
        end = len(tokens) if end < 0 else end
        spans = _find_in_token(text, begin, end)
        matches.extend(spans)
        end = max(end, spans[-1][1]) if spans else end
        begin = tokens.find(b"a" * _KEY_CHARS, end)
    return matches


def _find_in_token(text: str, begin: int, end: int) -> Matches:
    """Finds keys in a run of letters, digits, ``_`` and ``-`` of a key's length."""
    web = text.find("eyJ", begin, end)
    if web >= 0 and (match := _WEB_TOKEN.match(text, web)):
        return [match.span()]
    matches = [match.span() for match in _KEY.finditer(text, begin, end)]
    if not matches and (match := _ASSIGNED.search(text, begin, end + 48)):
        matches.append(match.span(1))
    return matches


def _find_blocks(text: str) -> Matches:
    """Finds private keys between their BEGIN and END, or truncated ones."""
    matches: Matches = []
    for begin in _BLOCK.finditer(text):
        if matches and begin.start() < matches[-1][1]:
            continue
        last = _BLOCK_END.search(text, begin.end(), begin.end() + _MAX_BLOCK_CHARS)
        if last and _BODY.search(text, begin.end(), last.start()):
            matches.append((begin.start(), last.end()))
        elif lines := _LINES.match(text, begin.end()):
            matches.append((begin.start(), lines.end()))
    return matches
