"""The page in headless Chromium, by the keyboard alone."""

import pytest

from tests.components.server.browser import CONTROL, ENTER, TAB, browsing, is_installed
from tests.components.server.conftest import LABELS, RunningServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="needs chromium and chromedriver"),
]
ANSWERED = (
    "document.getElementById('answer').childElementCount > 0"
    " && !document.getElementById('run').disabled"
)
FOCUSED = "document.activeElement.tagName === 'TEXTAREA'"


def text_of(browser, selector):
    script = "return document.querySelector(arguments[0])?.textContent"
    return browser.run(script, selector)


def test_models_are_chosen_and_asked_by_the_keyboard(both, tmp_path):
    with browsing(tmp_path) as browser:
        browser.open(f"http://127.0.0.1:{both.port}/")
        browser.wait(FOCUSED)
        browser.type("abba c")
        browser.press(CONTROL, ENTER)
        browser.wait(ANSWERED)
        label = browser.run(
            "return document.querySelector('.headline').firstChild.data"
        )
        body = {"instances": ["abba c"]}
        served = both.ask("/v1/models/topic:predict", body).json["predictions"][0]
        assert label == served["label"]
        assert browser.run(
            "return document.querySelectorAll('.bars dt').length"
        ) == len(LABELS)
        browser.run("document.querySelectorAll('nav button')[0].focus()")
        browser.press(TAB)
        browser.press(ENTER)
        browser.wait(
            f"document.title && {FOCUSED} && "
            "document.getElementById('title').textContent === 'story'"
        )
        browser.type("abc")
        browser.press(TAB)
        browser.type("12")
        browser.press(ENTER)
        browser.wait(f"{ANSWERED} && !document.querySelector('.caret')")
        knobs = {"signature_name": "generate"}
        inputs = {"text": ["abc"], "max_tokens": 12}
        written = both.ask("/v1/models/story:predict", knobs | {"inputs": inputs})
        assert text_of(browser, ".written") == "abc" + written.json["outputs"][0]


def test_the_page_asks_for_a_token(story, tmp_path):
    server = RunningServer([story], tokens=["secret"])
    try:
        with browsing(tmp_path) as browser:
            browser.open(f"http://127.0.0.1:{server.port}/")
            browser.wait("document.activeElement.id === 'token'")
            browser.type("secret")
            browser.press(ENTER)
            browser.wait(FOCUSED)
            assert browser.run("return document.getElementById('login').hidden")
    finally:
        server.stop()
