"""Numbers, durations and names of the config in words."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float) -> str:
    """Formats a number with three or four significant digits."""
    if isinstance(value, int):
        return f"{value:,}"
    magnitude = abs(value)
    if magnitude < 0.001:
        return f"{value:.2g}"
    decimals = next(
        (d for d, limit in ((3, 10), (2, 100), (1, 1000)) if magnitude < limit), 0
    )
    return f"{value:,.{decimals}f}"


def signed(difference: float) -> str:
    """Formats a difference with its sign: ``+0.013``, ``−0.098``, ``±0``."""
    mark = "+" if difference > 0 else "−" if difference < 0 else "±"
    return mark + number(abs(difference))


def count(value: float) -> str:
    """Formats the number of an axis tick: ``1,000``, ``0.25``."""
    return f"{value:,g}"


def size(num_bytes: int) -> str:
    """Formats a number of bytes: ``512 B``, ``3.2 kB``, ``1.4 GB``."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def words(name: str) -> str:
    """Returns a name of the config or of a metric in words: ``macro F1``."""
    abbreviations = {
        "f1": "F1",
        "lm": "LM",
        "bleu": "BLEU",
        "chrf": "chrF",
        "ter": "TER",
        "rouge": "ROUGE",
    }
    return " ".join(abbreviations.get(word, word) for word in name.split("_"))


def sign(rule: str) -> str:
    """Returns a threshold's rule with mathematical signs."""
    return rule.replace(">=", "≥").replace("<=", "≤")


def duration(seconds: float) -> str:
    """Returns ``0.4 s``, ``42 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def listing(names: Sequence[str]) -> str:
    """Returns ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
