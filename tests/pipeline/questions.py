"""Questions with known answers in passages longer than a row, or without one."""

import random

_FILLER = (
    *("the", "mill", "by", "river", "grinds", "wheat", "each", "day", "and", "boats"),
    *("wait", "under", "old", "trees", "while", "children", "play", "near", "water"),
)
_KINDS = {
    "who": ("Anna", "Boris", "Clara", "Dmitri", "Elena", "Farid", "Greta", "Hugo"),
    "where": ("Lisbon", "Vienna", "Oslo", "Quito", "Nairobi", "Osaka", "Perth"),
    "when": ("Monday", "Tuesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_NO_ANSWER = 0.25


def questions(count: int, *, seed: int = 0, words: int = 50) -> list[dict]:
    """Returns documents with passage, question and answers.

    A passage has one name of each kind, in any order, or lacks the one that is asked
    for. An answer has one word or two.
    """
    generator = random.Random(seed)
    return [_question(generator, number, words) for number in range(count)]


def _question(generator: random.Random, number: int, words: int) -> dict:
    asked = generator.choice(list(_KINDS))
    has_answer = generator.random() >= _NO_ANSWER
    passage = [generator.choice(_FILLER) for _ in range(words)]
    answer = None
    for kind, names in _KINDS.items():
        if kind == asked and not has_answer:
            continue
        name = " ".join(generator.sample(names, generator.choice((1, 2))))
        passage.insert(generator.randrange(len(passage) + 1), name)
        answer = name if kind == asked else answer
    text = " ".join(passage)
    places = []
    if answer is not None:
        start = text.index(answer)
        places = [{"start": start, "end": start + len(answer)}]
    question = f"{asked} is it"
    return {"id": str(number), "passage": text, "question": question, "answers": places}
