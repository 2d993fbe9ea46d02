"""The Markdown files name files that exist."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "*/README.md", "tests/*/README.md")
    for path in REPOSITORY.glob(pattern)
)
PATH = re.compile(
    r"[`(](\.?/?(?:pipeline|components|models|tests|configs)/[\w./-]*)[`)]"
)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_in_a_page_exists(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    missing = [path for path in PATH.findall(text) if not (REPOSITORY / path).exists()]
    assert missing == []
