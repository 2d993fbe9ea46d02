"""The blocks of the Markdown pages, and the project that their commands speak of."""

import csv
import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "*/README.md", "tests/*/README.md", "docs/*/*.md")
    for path in {*REPOSITORY.glob(pattern), REPOSITORY / "docs/index.md"}
)
TICKETS = "docs/guide/your_csv.md"
"""The page with the config of the example project."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """``page:line``."""
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    """Returns the fenced blocks of a language, in the order of the pages."""
    return [
        Block(page, (token.map or [0])[0] + 1, token.info, token.content)
        for page in PAGES
        for token in MarkdownIt().parse((REPOSITORY / page).read_text("utf-8"))
        if token.type == "fence" and token.info == language
    ]


def commands(block: Block) -> Iterator[str]:
    """Yields the commands of a console block: lines after ``$``, joined over ``\\``."""
    for line in block.text.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            yield from line[2:].split(" && ")


def arguments(command: str) -> list[str]:
    """Returns the arguments of a ``textmill`` command; none for other programs."""
    words = shlex.split(command.partition(" > ")[0])
    return words[1:] if Path(words[0]).name == "textmill" else []


def example_config() -> dict[str, Any]:
    """Returns the config of the example project, as its page prints it."""
    [text] = [b.text for b in blocks("yaml") if b.page == TICKETS and "name:" in b.text]
    config: dict[str, Any] = YAML(typ="safe").load(text)
    return config


def write_example(folder: Path) -> None:
    """Writes the example project with a toy of a model, which learns in seconds."""
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    config = example_config()
    config["datasets"]["texts"]["num_shards"] = 1
    config["model"] |= {"layers": 1, "width": 16, "sequence_length": 24}
    stage = config["stages"]["category"]
    stage["train"] = {"epochs": 0.5, "global_batch": 8, "xla": False}
    stage["evaluate"] = {"thresholds": {"accuracy": ">= 0"}}
    with (folder / "tickets.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(config, file)
    write_tickets(folder / "tickets.csv")


def write_tickets(path: Path, *, copies: int = 1) -> None:
    """Writes the table of the example project, whose texts are all different."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "message", "category"), *_tickets(copies)])


def _tickets(copies: int) -> Iterator[tuple[int, str, str]]:
    problems = {
        "billing": ("The invoice shows the wrong amount", "My card was charged twice"),
        "technical": ("I cannot log in", "The application crashes at the start"),
        "orders": ("Please cancel my order", "The parcel has not arrived"),
    }
    ends = ("since Monday", "again", "for a week", "today", "as before", "on my phone")
    texts = [
        (f"{text} {end}, {greeting}" + f" ({copy})" * (copy > 0), label)
        for copy in range(copies)
        for label, problem in problems.items()
        for text, end, greeting in itertools.product(problem, ends, ("thanks", "help"))
    ]
    for number, (text, label) in enumerate(texts):
        yield number, text, label
