"""Splits text into sentences: one rule for every step, in linear time."""

from __future__ import annotations

import re

# It begins with one set of characters, for a fast search, and its quantifiers are
# possessive: linear on any text.
_SENTENCE_END = re.compile(
    r"""[.!?…\n。！？；](?:
    (?<=\n)\s*+
    |(?<=[。！？；])[。！？；]*+["'”’」』）】]*+\s*+
    |(?<=[.!?…])(?<![.!?…][.!?…])[.!?…]*+["'”’)\]]*+\s++
    )""",
    re.VERBOSE,
)
_LONGEST_ABBREVIATION = 8
_ABBREVIATED = """
al approx appx apr aug ave ca capt cf ch col co corp dec dept dr ed eds eg e.g eq eqs
esp est etc feb fig figs gen gov hon ie i.e inc jan jr jul jun lt ltd maj mar messrs mr
mrs ms mt nos nov oct op p p.s ph.d pp prof pt ref refs rep rev sen sep sept sgt sr st
u.k u.s u.s.a viz v vol vols vs
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())


def sentences(text: str) -> list[tuple[int, int]]:
    """Returns begin and end of every sentence, without the white space between them.

    Sentences end with a line, with 。！？；, and with .!?… before white space, unless a
    small letter follows, or an initial or a common abbreviation ends with the stop.
    """
    spans, begin, last = [], 0, len(text)
    for match in _SENTENCE_END.finditer(text):
        ending, stop = match.group(), match.start()
        if ending[0] in ".!?…" and "\n" not in ending and match.end() < last:
            if text[match.end()].islower():
                continue
            if ending[0] == "." and ending[1].isspace() and _abbreviates(text, stop):
                continue
        end = stop + len(ending.rstrip())
        if begin < end and not text[begin:end].isspace():
            spans.append((begin, end))
        begin = match.end()
    end = len(text.rstrip())
    return [*spans, (begin, end)] if begin < end else spans


def _abbreviates(text: str, stop: int) -> bool:
    """Returns whether a full stop ends an initial or an abbreviation."""
    before = text[max(stop - _LONGEST_ABBREVIATION, 0) : stop].split()
    word = before[-1].lstrip("\"'“‘([") if before else ""
    return (len(word) == 1 and word.isupper()) or word.lower() in _ABBREVIATIONS
