"""One graph everywhere: the ids of training rows are those of the served model."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.conftest import HOSTILE, KINDS, TEXTS, paragraphs
from textmill.models.export.graph_ops import foreign_ops

SIGNATURE = [tf.TensorSpec([None], tf.string)]
IDS = [tf.RaggedTensorSpec([None, None], tf.int32)]


def as_graph(tokenizer):
    return tf.function(lambda texts: tokenizer(texts), input_signature=SIGNATURE)


def run_fresh(folder, texts):
    """Tokenizes by SavedModels in another process, one a subfolder."""
    (folder / "texts.json").write_text(json.dumps(texts))
    code = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
import tensorflow_text
folder = Path(sys.argv[1])
texts = tf.constant(json.loads((folder / "texts.json").read_text()))
for model in folder.glob("*/saved_model.pb"):
    ids = tf.saved_model.load(str(model.parent))(texts)
    target = folder / f"{model.parent.name}.npz"
    np.savez(target, flat=ids.flat_values, splits=ids.row_splits)
"""
    environment = {"PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code, str(folder)]
    subprocess.run(command, check=True, env=environment, capture_output=True)


def assert_one_graph(tokenizers_by_name, texts, folder):
    calls = {}
    for name, tokenizer in tokenizers_by_name.items():
        module = tf.Module()
        module.tokenizer = tokenizer
        module.__call__ = as_graph(tokenizer)
        module.detokenize = tf.function(tokenizer.detokenize, input_signature=IDS)
        tf.saved_model.save(module, str(folder / name))
        assert foreign_ops(folder / name) == []
        calls[name] = module.__call__
    run_fresh(folder, texts)
    for name, tokenizer in tokenizers_by_name.items():
        offline = tokenizer(tf.constant(texts))
        wanted = offline.to_list()
        assert calls[name](tf.constant(texts)).to_list() == wanted
        rows = tf.data.Dataset.from_tensor_slices(texts).batch(97)
        streamed = [ids for batch in rows.map(tokenizer) for ids in batch.to_list()]
        assert streamed == wanted
        fresh = np.load(folder / f"{name}.npz")
        np.testing.assert_array_equal(fresh["flat"], offline.flat_values)
        np.testing.assert_array_equal(fresh["splits"], offline.row_splits)


def test_offline_graph_stream_and_a_fresh_saved_model_agree_on_hostile_text(
    learned, tmp_path
):
    texts = ["", *HOSTILE, "".join(HOSTILE), " ".join(HOSTILE), "'s".join(HOSTILE)]
    assert_one_graph({kind: learned(kind) for kind in KINDS}, texts, tmp_path)


def test_offline_graph_stream_and_a_fresh_saved_model_agree_on_real_text(
    learned, real, tmp_path
):
    kinds = ("wordpiece", "sentencepiece", "bpe", "character")
    assert_one_graph({kind: learned(kind) for kind in kinds}, real, tmp_path)


@pytest.mark.slow
def test_they_agree_on_fifty_thousand_real_paragraphs(learned, data, tmp_path):
    texts = paragraphs(data, 50_000)
    assert len(texts) == 50_000
    assert_one_graph({kind: learned(kind) for kind in KINDS}, texts, tmp_path)


@pytest.fixture(scope="session")
def graphs(learned):
    return {kind: as_graph(learned(kind)) for kind in KINDS}


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_fuzzed_text_has_one_tokenization(learned, graphs, texts):
    value = tf.constant(texts)
    for kind in KINDS:
        tokenizer = learned(kind)
        ids = tokenizer(value).to_list()
        assert graphs[kind](value).to_list() == ids
        assert tokenizer.tokenize_untrusted(value).to_list() == ids
        assert [tokenizer(tf.constant([text])).to_list()[0] for text in texts] == ids
        assert not set(tokenizer.specials.control) & {i for row in ids for i in row}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, " " * 1_000_000, "\u0301" * 300_000, "中" * 300_000, "a\0b"],
)
def test_a_long_word_and_a_nul_are_answered(learned, kind, text):
    ids, length = learned(kind).pack(tf.constant([text, "boat"]), 16)
    assert int(length[0]) >= 2
    assert int(length[1]) > 2
    assert ids.shape[1] <= 16


def test_sentencepiece_gives_the_ids_of_its_library(learned, real):
    import sentencepiece

    ours = learned("sentencepiece")
    peer = sentencepiece.SentencePieceProcessor(model_proto=ours.model)
    texts = [*real, *HOSTILE]
    assert ours(tf.constant(texts)).to_list() == peer.encode(texts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_outlives_the_kernels_of_its_session(learned, kind):
    import keras

    tokenizer = learned(kind)
    texts = tf.constant(["boats on the river", "船在水上"])
    wanted = tokenizer(texts).to_list()
    keras.utils.set_random_seed(3)
    keras.utils.clear_session()
    assert tokenizer(texts).to_list() == wanted


def test_stock_sentencepiece_does_not(learned):
    """What ``BytePair`` names its model for; when this fails, that can go."""
    import keras
    import tensorflow_text

    stock = tensorflow_text.SentencepieceTokenizer(learned("sentencepiece").model)
    assert stock.tokenize(["a"]).nrows() == 1
    keras.utils.clear_session()
    with pytest.raises(tf.errors.NotFoundError, match="does not exist"):
        stock.tokenize(["a"])
