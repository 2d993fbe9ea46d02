"""Mail addresses and internet addresses."""

from __future__ import annotations

import re
from functools import partial

from textmill.components.text.privacy.scan import Matches, Scan, is_word

_LETTERS = "\u00c0-\u024f\u0370-\u052f"
_LOCAL_BACKWARD = re.compile(rf"[A-Za-z0-9_.%+'{_LETTERS}-]{{1,65}}")
_LABEL = rf"[A-Za-z0-9{_LETTERS}-]{{1,63}}"
_END = r"(?![A-Za-z0-9_@(]|-[A-Za-z0-9])"
_AT = re.compile(rf"@((?:{_LABEL}\.){{1,8}}([A-Za-z]{{2,24}})){_END}")
_DOT = r"(?:\.| ?[\[({<] ?(?:dot|DOT) ?[\])}>] ?)"
_WRITTEN_AT = tuple(
    # Each begins with one character, for a fast search.
    re.compile(
        rf"\{sign} ?(?:at|AT) ?[\])}}>] ?"
        rf"(?:{_LABEL}{_DOT}){{1,8}}[A-Za-z]{{2,24}}{_END}"
    )
    for sign in "[({<"
)
_SPOKEN_AT = re.compile(
    rf"<([A-Za-z0-9_.%+{_LETTERS}-]{{1,64}}+ at (?:{_LABEL}\.){{1,8}}[A-Za-z]{{2,24}})>"
)
_FILE_ENDINGS = (
    "avif bmp css csv dll exe flac gif gz htm html ico jar jpeg jpg js json jsx lock"
    " log mjs mkv mp3 mp4 mpeg ogg pdf png ppt pptx rst svg tar tgz tif tiff toml ts"
    " tsx txt wav webm webp whl woff woff2 xlsx xml yaml yml"
)
_NO_DOMAINS = frozenset(_FILE_ENDINGS.split())
_SERVICE = frozenset(("git", "svn", "hg"))

_QUAD = re.compile(rb"\.0{1,3}+\.0{1,3}+\.0{1,3}+(?!0)")
_VERSION_BEFORE = re.compile(
    r"(?:[=<>~!^]=?|(?i:\b(?:v|version|ver|release|revision|rev|build|section|sec|chapter"
    r"|clause|oid|python|firmware|driver|kernel|update|upgrade)s?\.?:?)|§) ?['\"]?$"
)
_ADDRESS_CUE = re.compile(
    r"(?i:\bip(?:v4)?\b|address|\baddr\b|\bhosts?\b|server|connect|\bping\b|\bdns\b"
    r"|client|subnet|gateway|\bnode\b|\bpeer\b|://|地址|服务器)[^\n]{0,12}$"
)
_PORT = re.compile(r":[0-9]{2,5}(?![0-9.])|/(?:[89]|[12][0-9]|3[0-2])(?![0-9.])")
_NOT_PUBLIC = (
    (0x00000000, 8),  # this network
    (0x0A000000, 8),  # private
    (0x64400000, 10),  # shared
    (0x7F000000, 8),  # loopback
    (0xA9FE0000, 16),  # link local
    (0xAC100000, 12),  # private
    (0xC0000000, 24),  # protocol assignments
    (0xC0A80000, 16),  # private
    (0xC6120000, 15),  # benchmarks
    (0xE0000000, 3),  # multicast, reserved, broadcast
)
_GROUPS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_ADDRESS_CHARS = re.compile(r"[0-9A-Fa-f:]{1,48}")
_LARGEST_VERSION = 49


def find_emails(scan: Scan) -> Matches:
    """Finds mail addresses, ``name [at] host [dot] org`` and ``<name at host.org>``.

    Not ``git@host:path``, names after ``//``, names that end like a file
    (``icon@2x.png``), or calls (``a@b.dot(c)``).
    """
    text = scan.text
    matches: Matches = []
    if "@" in text:
        for match in _AT.finditer(text):
            begin = _local_begin(text, match.start())
            if begin < 0 or match[2].lower() in _NO_DOMAINS or ".." in match[1]:
                continue
            named = text[begin : match.start()] in _SERVICE
            if not named and text[max(0, begin - 2) : begin] != "//":
                matches.append((begin, match.end(1)))
    for pattern in _WRITTEN_AT:
        for match in pattern.finditer(text):
            end = match.start()
            begin = _local_begin(text, end - text.endswith(" ", 0, end))
            if begin >= 0:
                matches.append((begin, match.end()))
    if " at " in text:
        matches.extend(match.span(1) for match in _SPOKEN_AT.finditer(text))
    return matches


def _local_begin(text: str, end: int) -> int:
    """Returns the beginning of the name before a sign, or -1 without one."""
    match = _LOCAL_BACKWARD.match(text[max(0, end - 65) : end][::-1])
    if not match or match.end() > 64:
        return -1
    name = match[0][::-1].lstrip("'.-%+")
    return end - len(name) if name and name[-1] != "." and ".." not in name else -1


def find_ipv4(scan: Scan, *, scope: str) -> Matches:
    """Finds addresses of four numbers, not versions, chapters or parts of names.

    Scope "public" leaves out private networks (RFC 6890), but not addresses of
    documentation (RFC 5737). Four numbers below 50 are mostly a version: they need a
    word such as "server" before them, or a port or mask after them.
    """
    text = scan.text
    matches: Matches = []
    for match in _QUAD.finditer(scan.shape):
        dot, end = match.span()
        begin = dot
        while begin and dot - begin < 4 and text[begin - 1] in "0123456789":
            begin -= 1
        parts = text[begin:end].split(".")
        if (
            dot - begin in (1, 2, 3)
            and _is_address(parts, scope)
            and _stands_as_address(text, begin, end, parts)
        ):
            matches.append((begin, end))
    return matches


def _is_address(parts: list[str], scope: str) -> bool:
    if any(int(part) > 255 or (part[0] == "0" and part != "0") for part in parts):
        return False
    if scope == "all":
        return True
    value = int.from_bytes(map(int, parts), "big")
    return not any(value >> 32 - bits == net >> 32 - bits for net, bits in _NOT_PUBLIC)


def _stands_as_address(text: str, begin: int, end: int, parts: list[str]) -> bool:
    """Returns whether the text around four numbers allows an address."""
    before, after = text[begin - 1 : begin], text[end : end + 2]
    if before and (is_word(before) or before in ".-"):
        return False
    if after[:1] and (is_word(after[0]) or (after[0] in ".-+" and after[1:].isalnum())):
        return False
    if _VERSION_BEFORE.search(text, max(0, begin - 16), begin):
        return False
    if max(map(int, parts)) > _LARGEST_VERSION or len(set(parts)) == 1:
        return True
    return bool(
        _PORT.match(text, end) or _ADDRESS_CUE.search(text, max(0, begin - 32), begin)
    )


def find_ipv6(scan: Scan, *, scope: str) -> Matches:
    """Finds addresses of 128 bits: global ones (2000::/3), or any with a wide scope.

    Scope "all" still leaves out ``::1`` and the like: in code they are slices and
    name spaces.
    """
    import ipaddress

    text = scan.text
    matches: Matches = []
    if ":" not in text:
        return matches
    for match in _GROUPS.finditer(text):
        before = _ADDRESS_CHARS.match(
            text[max(0, match.start() - 48) : match.start()][::-1]
        )
        begin = match.start() - (before.end() if before else 0)
        if matches and begin < matches[-1][1]:
            continue
        whole = _ADDRESS_CHARS.match(text, begin)
        end = whole.end() if whole else begin
        first = text[begin : begin + 5]
        if text[end - 1] == ":" and text[end - 2] != ":":
            end -= 1
        if len(first) < 5 or first[4] != ":" or not _in_scope(first[:4], scope):
            continue
        if begin and is_word(text[begin - 1]):
            continue
        if end < len(text) and is_word(text[end]):
            continue
        if text.endswith("::", begin, end) and not _is_network(text, begin, end):
            continue
        try:
            ipaddress.IPv6Address(text[begin:end])
        except ValueError:
            continue
        matches.append((begin, end))
    return matches


def _is_network(text: str, begin: int, end: int) -> bool:
    """Separates ``2001:db8::`` and ``2001::/16`` from "in Python 3000::"."""
    if text.startswith("/", end):
        return True
    groups = text[begin:end].split(":")
    return len(groups) > 3 and not "".join(groups).isdigit()


def _in_scope(group: str, scope: str) -> bool:
    return group[0] in "23" or (
        scope == "all" and group[:2].lower() in ("fc", "fd", "fe")
    )


def of_scope(scope: str) -> dict[str, partial[Matches]]:
    """Returns the detectors of internet addresses, by kind."""
    return {
        "ipv4": partial(find_ipv4, scope=scope),
        "ipv6": partial(find_ipv6, scope=scope),
    }
