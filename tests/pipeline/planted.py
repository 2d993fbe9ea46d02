"""A grammar of sentences with planted entities, whose labels words alone do not tell.

Surnames are places too: only the words around a name say which it is. Half of the
names have two or three words.
"""

import random

SYLLABLES = (
    *("bra", "ken", "dol", "mir", "tas", "vel", "nor", "pim"),
    *("sul", "gar", "lin", "hof", "rey", "cas", "tul"),
)
TITLES = ("Ms", "Mr", "Dr")
FIRMS = ("Works", "Mills & Sons", "Bank")
RIVERS = ("Upper", "Lower", "Saint")
PATTERNS = (
    "{person} of {firm} flew to {place} on {day}.",
    "On {day}, {person} met {person} near {place}.",
    "{firm} opens an office in {place}.",
    "The café in {place} was sold by {firm}.",
    "“{person} will stay in {place}”, said {person}.",
    "Nobody expected rain on {day}.",
    "Shares of {firm} rose; those of {firm} fell.",
    "{person} lives between {place} and {place}.",
)
DAYS = ("Monday", "Tuesday", "3 May", "1 June 1999")


def names(draw, number):
    return [
        "".join(draw.choice(SYLLABLES) for _ in range(draw.randint(2, 3))).title()
        for _ in range(number)
    ]


def fill(draw, kind, pool):
    """Returns the text of an entity of a kind."""
    name = draw.choice(pool)
    if kind == "person":
        middle = f" {draw.choice(pool)}" if draw.random() < 0.5 else ""
        return f"{draw.choice(TITLES)} {name}{middle}"
    if kind == "firm":
        return f"{name} {draw.choice(FIRMS)}"
    if kind == "place":
        return f"{draw.choice(RIVERS)} {name}" if draw.random() < 0.4 else name
    return draw.choice(DAYS)


def sentences(number, *, seed=0, pool=60):
    """Yields documents with id, text and tags; the names are those of any seed."""
    draw, known = random.Random(seed), names(random.Random(1), pool)
    for i in range(number):
        text, tags = "", []
        for part in draw.choice(PATTERNS).replace("}", "{").split("{"):
            if part in ("person", "firm", "place", "day"):
                entity = fill(draw, part, known)
                start = len(text)
                text += entity
                tags.append({"start": start, "end": len(text), "label": part})
            else:
                text += part
        yield {"id": str(i), "text": text, "tags": tags}
