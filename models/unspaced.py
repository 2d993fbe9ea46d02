"""Scripts written without spaces between words: the one table of steps and tokenizers.

Unicode's UAX #29 and the line-break classes ID and SA name them. Letters, vowel signs
and digits only; punctuation of these scripts separates words. Standard library only.
"""

from __future__ import annotations

UNSPACED = {
    "thai": ((0x0E01, 0x0E3B), (0x0E40, 0x0E4F), (0x0E50, 0x0E5A)),
    "lao": ((0x0E81, 0x0F00),),
    "myanmar": ((0x1000, 0x104A), (0x1050, 0x10A0), (0xA9E0, 0xAA00), (0xAA60, 0xAA80)),
    "khmer": ((0x1780, 0x17D4), (0x17D7, 0x17D8), (0x17DC, 0x1800)),
    "bopomofo": ((0x3100, 0x3130), (0x31A0, 0x31C0)),
    "kana": (
        (0x3041, 0x3097),
        (0x3099, 0x309B),
        (0x309D, 0x30A0),
        (0x30A1, 0x30FB),
        (0x30FC, 0x3100),
        (0x31F0, 0x3200),
        (0xFF66, 0xFFA0),
        (0x1AFF0, 0x1B170),
    ),
    "han": (
        (0x3005, 0x3008),
        (0x3021, 0x302A),
        (0x3400, 0x4DC0),
        (0x4E00, 0xA000),
        (0xF900, 0xFB00),
        (0x20000, 0x40000),
    ),
}
"""Code points by script, each range without its end."""


def character_class(*scripts: str) -> str:
    """Returns the characters of scripts, for the brackets of a regular expression."""
    ranges = [pair for script in scripts for pair in UNSPACED[script]]
    return "".join(f"{chr(begin)}-{chr(end - 1)}" for begin, end in ranges)
