"""Bodies of requests, as TensorFlow Serving documents them."""

import json

import pytest

from textmill.components.server.errors import RequestError
from textmill.components.server.rest import InputSpec, parse_examples, parse_predict

TEXT = InputSpec("string", 1)
SIGNATURES = {
    "serving_default": {"text": TEXT},
    "pair": {"text": TEXT, "text_2": TEXT},
    "generate": {"text": TEXT, "max_tokens": InputSpec("int32", 0, has_default=True)},
    "labels": {},
}
BYTES = {"b64": "/w=="}


def parse(**fields):
    return parse_predict(json.dumps(fields).encode(), SIGNATURES)


@pytest.mark.parametrize(
    ("fields", "form", "columns", "rows"),
    [
        ({"instances": ["a", "b"]}, "rows", {"text": ["a", "b"]}, 2),
        (
            {"instances": [{"text": "a"}, {"text": BYTES}]},
            "rows",
            {"text": ["a", BYTES]},
            2,
        ),
        ({"instances": [BYTES]}, "rows", {"text": [BYTES]}, 1),
        (
            {"instances": [{"text": "a", "text_2": "b"}], "signature_name": "pair"},
            "rows",
            {"text": ["a"], "text_2": ["b"]},
            1,
        ),
        ({"inputs": ["a", "b"]}, "columns", {"text": ["a", "b"]}, 2),
        ({"inputs": {"text": ["a"]}}, "columns", {"text": ["a"]}, 1),
        (
            {"inputs": {"text": ["a"], "max_tokens": 3}, "signature_name": "generate"},
            "columns",
            {"text": ["a"], "max_tokens": 3},
            1,
        ),
        ({"inputs": {}, "signature_name": "labels"}, "columns", {}, 1),
    ],
)
def test_rows_and_columns_become_columns(fields, form, columns, rows):
    call = parse(**fields)
    assert (call.form, call.columns, call.num_rows) == (form, columns, rows)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected either 'instances' or 'inputs', got neither"),
        ({"inputs": ["a"], "instances": ["a"]}, "got both"),
        ({"instances": "a"}, "Expecting 'instances' value to be a list/array"),
        ({"instances": []}, "'instances': expected a row or more"),
        ({"instances": ["a", 3]}, "instances[1].text: expected a text"),
        ({"instances": [{"text": "a"}, "b"]}, "instances[1]: expected an object"),
        ({"instances": [{"body": "a"}]}, "expected inputs among text, got 'body'"),
        ({"instances": [{"b64": 3}]}, "instances[0].text: expected a text"),
        ({"inputs": "a"}, "inputs.text: expected a list of texts"),
        ({"inputs": [["a"]]}, "inputs.text[0]: expected a text"),
        ({"inputs": ["a"], "signature_name": "x"}, "Serving signature name: 'x'"),
        ({"inputs": ["a"], "signature_name": 3}, "Serving signature name: '3'"),
        (
            {"instances": [{"text": "a"}], "signature_name": "pair"},
            "Missing named tensor 'text_2' in request",
        ),
        (
            {
                "instances": [{"text": "a", "max_tokens": 3}],
                "signature_name": "generate",
            },
            "max_tokens: expected one value for all rows",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_refused_in_a_sentence(fields, message):
    with pytest.raises(RequestError) as refused:
        parse(**fields)
    assert refused.value.status == 400
    assert message in refused.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"\xff", b'"\\ud800"', b"[1]", b"[" * 5000, b'{"instances": NaN}'],
)
def test_a_body_that_is_no_json_object_is_refused(body):
    with pytest.raises(RequestError) as refused:
        parse_predict(body, SIGNATURES)
    assert refused.value.status == 400


def test_features_of_examples_become_columns_with_those_of_the_context():
    body = {
        "context": {"text": ["a"]},
        "examples": [{}, {"text": ["b"]}, {"text": "c"}],
    }
    call = parse_examples(json.dumps(body).encode(), SIGNATURES, "classify")
    assert (call.form, call.columns) == ("classify", {"text": ["a", "b", "c"]})


@pytest.mark.parametrize("examples", [None, [], ["a"], [{"text": ["a", "b"]}]])
def test_examples_that_do_not_fit_are_refused(examples):
    body = json.dumps({"examples": examples}).encode()
    with pytest.raises(RequestError) as refused:
        parse_examples(body, SIGNATURES, "regress")
    assert refused.value.status == 400


def test_a_call_has_the_texts_of_its_rows():
    call = parse(
        instances=[{"text": "a", "text_2": "b"}, {"text": BYTES, "text_2": "c"}],
        signature_name="pair",
    )
    assert call.texts() == [["a", "b"], ["c"]]
