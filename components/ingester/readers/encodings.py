"""Encodings of text files: which are split by lines, and which one would fit a file.

A file is read in ranges of bytes where the byte of ``\\n`` is always a line's end: in
UTF-8, in the encodings of one byte per character, and in those of East Asia that are
not switched by escape sequences. Every other file (UTF-16, UTF-32, UTF-7, ISO-2022) is
read as a whole, and becomes UTF-8 as it is read.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable
from typing import Protocol

_SPLIT_BY_LINES = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp125\d|cp(437|720|737|775|85\d|86\d|874|932|949|950|1125)"
    r"|koi8-[rtu]|mac-\w+|tis-620|kz1048|ptcp154|hp-roman8"
    r"|gb2312|gbk|gb18030|big5\w*|shift_jis\w*|euc_\w+|johab"
)
_MARKED = "\udcff"
INVALID = _MARKED.encode("utf-8", "surrogatepass")
"""Stands for bytes that the encoding does not know; itself not valid UTF-8."""
_LEAST_SHARE = 0.7
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def canonical_encoding(name: str) -> str:
    """Returns Python's own name of an encoding of text.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        b"".decode(name)
        canonical = codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise ValueError(
            f"an encoding of text as Python names it (utf-8, utf-16, cp1252, gb18030, "
            f"big5, shift_jis, ...), got {name!r}"
        ) from None
    return "utf-8" if canonical == "utf-8-sig" else canonical


def is_split_by_lines(encoding: str) -> bool:
    """Returns whether the byte of ``\\n`` is a line's end wherever it occurs."""
    return _SPLIT_BY_LINES.fullmatch(encoding) is not None


class ByteStream(Protocol):
    """A stream that is read forward."""

    def read(self, size: int) -> bytes:
        """Returns some bytes, none at the end."""

    def close(self) -> None:
        """Closes the file."""


class Utf8Stream:
    """A stream of text in another encoding, read as UTF-8.

    Bytes that the encoding does not know become bytes that are not valid UTF-8.
    """

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("textmill.mark_invalid")
        self._at_end = False

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def read(self, size: int) -> bytes:
        """Returns some bytes of UTF-8, none at the end."""
        while not self._at_end:
            chunk = self._stream.read(size)
            self._at_end = not chunk
            if text := self._decoder.decode(chunk, self._at_end):
                return text.encode("utf-8", "surrogatepass")
        return b""


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _MARKED, error.end


codecs.register_error("textmill.mark_invalid", _mark_invalid)


def fitting_encoding(sample: bytes) -> str | None:
    """Returns the encoding that fits the bytes of a text best, if one fits well.

    A byte order mark and the zeros of UTF-16 decide. Otherwise each encoding is judged
    by the share of its characters beyond ASCII that are usual in its languages.
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    zeros = sample[::2].count(0), sample[1::2].count(0)
    if max(zeros) * 8 > len(sample):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if _decoded(sample, "utf-8") is not None:
        return "utf-8"
    shares = {name: _share(sample, name, test) for name, test in _USUAL.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= _LEAST_SHARE else None


def _decoded(sample: bytes, encoding: str) -> str | None:
    """Returns the text of bytes that may end inside a character."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return None


def _share(sample: bytes, encoding: str, is_usual: Callable[[str], bool]) -> float:
    """Returns the share of usual characters among those beyond ASCII."""
    text = _decoded(sample, encoding)
    if text is None:
        return 0.0
    counts = Counter(character for character in text if not character.isascii())
    total = counts.total()
    num_letters = sum(map(str.isalpha, text))
    if encoding in _LATIN and total > num_letters * _MOST_ACCENTS:
        return 0.0
    num_kana = sum(n for character, n in counts.items() if _IS_KANA(character))
    if encoding in _JAPANESE and num_kana < total * _LEAST_KANA:
        return 0.0
    usual = sum(n for character, n in counts.items() if is_usual(character))
    return usual / total if total else 0.0


def _in(characters: str) -> Callable[[str], bool]:
    pattern = re.compile(f"[{characters}]")
    return lambda character: pattern.match(character) is not None


def _in_rows(codec: str, first: int, last: int) -> Callable[[str], bool]:
    """Returns a test of the first byte in a codec: its rows of common characters."""

    def test(character: str) -> bool:
        raw = character.encode(codec, "ignore")
        is_common = len(raw) == 2 and first <= raw[0] <= last
        return is_common or _IS_WIDE_SIGN(character)

    return test


_SIGNS = "\xa0¡£§©«®°´·»¿‘’“”„‚…–—€™•‹›"
_IS_WIDE_SIGN = _in("\u3000-\u3020\uff01-\uff5e“”‘’…—·")
_IS_KANA = _in("ぁ-ヿ")
_LATIN = ("cp1252", "cp1254", "cp1250")
_MOST_ACCENTS = 0.4
"""Largest share of letters with accents in a text of Latin letters."""
_JAPANESE = ("shift_jis", "euc_jp")
_LEAST_KANA = 0.3
_USUAL: dict[str, Callable[[str], bool]] = {
    "cp1252": _in(
        f"ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœ{_SIGNS}"
    ),
    "cp1254": _in(f"ĞİŞğışÇÖÜçöüÂâÎîÛû{_SIGNS}"),
    "cp1250": _in(
        "ĄĆĘŁŃÓŚŹŻąćęłńóśźżČĎĚŇŘŠŤŮŽčďěňřšťůžÁÉÍÝÚáéíýúŐŰőűÖÜöüÄäßôÔëçĂăÂâÎîŞşŢţĐđ"
        "‘’“”„‚…–—€§°«»\xa0"
    ),
    "euc_kr": _in_rows("euc_kr", 0xB0, 0xC8),
    "gb18030": _in_rows("gb2312", 0xB0, 0xD7),
    "big5": _in_rows("big5", 0xA4, 0xC6),
    "shift_jis": _in_rows("shift_jis", 0x82, 0x97),
    "euc_jp": _in_rows("euc_jp", 0xA4, 0xCF),
    "cp1251": _in(f"а-яёіїєґ{_SIGNS}"),
    "koi8-r": _in("а-яё"),
}
"""The usual characters of encodings beyond ASCII; the first of equals wins."""
