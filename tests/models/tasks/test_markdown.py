"""Samples of training texts in TensorBoard's Markdown."""

import html
import re

import pytest
from tensorboard.plugin_util import markdown_to_safe_html

from textmill.models.tasks.markdown import escape_markdown

IMAGE = "![x](http://host/t.png)"


@pytest.mark.parametrize(
    "text",
    [
        f"{IMAGE} <img src=http://host> [a](http://host) [b]: http://host",
        "**a** __b__ *c* `d` ~~~ \\* &amp; é 中 | <script>",
        "  # x  y\n    code\n\n- z\n> q\n1. r\n===\n ",
    ],
)
def test_tensorboard_shows_a_text_as_it_is_and_fetches_nothing(text):
    page = markdown_to_safe_html(f"{escape_markdown(text)} **{escape_markdown(text)}**")
    inside = page.removeprefix("<p>").removesuffix("</strong></p>")
    shown = inside.split(" <strong>")
    assert [html.unescape(part) for part in shown] == [text, text]
    assert not re.search(r"<(img|a|code|em|li|h1)\b", page)


def test_tensorboard_still_fetches_images_of_markdown():
    """``escape_markdown`` exists because of this; without it, text loads images."""
    assert '<img alt="x" src="http://host/t.png"' in markdown_to_safe_html(IMAGE)
