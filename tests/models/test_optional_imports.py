"""Keras goes without libraries that others can import."""

import importlib.util
import sys

import pytest

from textmill.models.optional_imports import skip_optional_imports


@pytest.mark.parametrize("name", ["pandas", "sklearn"])
def test_keras_alone_goes_without_an_optional_library(name, monkeypatch):
    for _ in range(2):
        skip_optional_imports()
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ModuleNotFoundError, match=f"not need {name}"):
        exec(f"import {name}", {"__name__": "keras.src.wrappers.fixes"})
    assert importlib.util.find_spec(name) is not None


def test_keras_was_imported_without_scikit_learn():
    from keras.src.wrappers import sklearn_wrapper

    assert sklearn_wrapper.sklearn is None
