"""Sphinx settings of the documentation: Markdown in, a site that works offline out.

The config and command references are written while the site is built, from the classes
and the commands themselves, so neither can go out of date.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

SITE = Path(__file__).resolve().parent
REPOSITORY = SITE.parents[1]
sys.path[:0] = [str(SITE), str(REPOSITORY / ".ci" / "typing")]

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]

project = "Textmill"
copyright = "the Textmill authors, Apache License 2.0"
version = release = PROJECT["version"]
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["site", "build"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
add_module_names = False

html_theme = "furo"
html_title = "Textmill"
html_static_path = ["static"]
html_css_files = ["textmill.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = True
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

GENERATED = {
    "reference/config": ("CONFIG REFERENCE", "config_reference"),
    "reference/commands": ("COMMAND REFERENCE", "command_reference"),
}
"""The comment to replace in a page, and the module of this folder that renders it."""


def insert_reference(app: Any, page: str, source: list[str]) -> None:
    """Replaces the comment in a reference page by the generated text."""
    if page in GENERATED:
        comment, module = GENERATED[page]
        text: str = import_module(module).render()
        source[0] = source[0].replace(f"% {comment}", text)


def make_accessible(
    app: Any, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Declares translated pages, levels of headings, and parts that keys scroll."""
    if page.startswith("zh/"):
        context["language"] = "zh-Hans"
    navigation = context["furo_navigation_tree"]
    heading = 'role="heading"'
    levels = navigation.replace(heading, f'{heading} aria-level="2"')
    context["furo_navigation_tree"] = levels
    for wide in ("<pre>", '<div class="table-wrapper'):
        focusable = wide.replace("<pre", '<pre tabindex="0"')
        focusable = focusable.replace("<div", '<div tabindex="0"')
        context["body"] = context.get("body", "").replace(wide, focusable)


def setup(app: Any) -> None:
    """Connects the functions above to the build."""
    app.connect("source-read", insert_reference)
    app.connect("html-page-context", make_accessible, priority=900)  # after Furo
