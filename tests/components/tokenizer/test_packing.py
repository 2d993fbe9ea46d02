from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.best_fit import best_fit
from textmill.components.tokenizer.engine import PACKERS, schema_of
from textmill.components.tokenizer.packing import WORD
from textmill.models.errors import DataError
from textmill.models.hashing import StatelessRandom
from textmill.models.tokenizers import SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
NEXT = {"start": False, "next_token": True}


def pack(batches, *, flags=0, names=None, **knobs):
    """Packs lists of documents; of sentences for pairs, of two lists for responses."""
    config = RowLayout(**knobs)
    schema = schema_of(config, vocabulary_size=100)
    packer = PACKERS[config.packing](config, schema=schema, specials=SPECIALS)
    rows, number = [], 0
    for batch in batches:
        documents = [
            {"id": f"d{number + i}", "text": "", **(names or {})}
            for i in range(len(batch))
        ]
        number += len(batch)
        if config.packing in (
            *("sentence_pair", "response", "pair", "texts", "encoder_decoder"),
            *("strides",) * (config.texts == 2),
        ):
            packer._sentences = [len(d) for d in batch]
            batch = [part for d in batch for part in d]
        splits = np.cumsum([0, *map(len, batch)])
        flat = np.array([t for d in batch for t in d], np.int32)
        rows.append(packer.add(flat | flags, splits, documents))
    rows = np.concatenate([*rows, packer.flush()])
    assert packer.counts["rows"] == len(rows)
    assert packer.counts["used"] == rows["length"].sum()
    return rows, packer.counts, schema


def ids(rows):
    return [r["ids"][: r["length"]].tolist() for r in rows]


def ledger(counts):
    return {name: counts[name] for name in ("in", "out", "dropped")}


def test_pad_gives_a_row_to_each_document_and_cuts_it():
    rows, counts, _ = pack([[[5, 6, 7, 8], []], [[9]]], sequence_length=5)
    assert ids(rows) == [[2, 5, 6, 7, 3], [2, 3], [2, 9, 3]]
    assert ledger(counts) == {"in": 5, "out": 4, "dropped": 1}
    assert (counts["documents"], counts["truncated"]) == (3, 1)


def test_pad_for_a_next_token_model_begins_where_serving_begins():
    rows, counts, _ = pack([[[5, 6], [7, 8, 9, 10]]], sequence_length=5, **NEXT)
    assert ids(rows) == [[3, 5, 6, 3], [3, 7, 8, 9, 10]]
    assert ledger(counts) == {"in": 8, "out": 7, "dropped": 1}


def test_concat_fills_rows_across_documents():
    rows, counts, schema = pack(
        [[[5, 6], [7, 8, 9]]], sequence_length=4, packing="concat"
    )
    assert ids(rows) == [[2, 5, 6, 3], [2, 7, 8, 9], [2, 3]]
    assert ledger(counts) == {"in": 7, "out": 7, "dropped": 0}
    assert (counts["documents"], counts["truncated"]) == (2, 1)
    segments = schema.unpack(rows)["segments"].tolist()
    assert segments == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]


def test_a_document_inside_a_row_is_a_segment_of_its_own():
    rows, _, schema = pack([[[5], [6, 7], [8]]], sequence_length=8, packing="concat")
    assert ids(rows) == [[2, 5, 3, 6, 7, 3, 8, 3]]
    assert schema.unpack(rows)["segments"].tolist() == [[1, 1, 1, 2, 2, 2, 3, 3]]


def test_the_end_token_begins_the_next_document_of_a_next_token_model():
    rows, counts, schema = pack(
        [[[5, 6], [7, 8, 9]]], sequence_length=5, packing="concat", overlap=1, **NEXT
    )
    assert ids(rows) == [[5, 6, 3, 7, 8], [8, 9, 3]]
    segments = schema.unpack(rows)["segments"].tolist()
    assert segments == [[1, 1, 2, 2, 2], [1, 1, 1, 0, 0]]
    assert ledger(counts) == {"in": 7, "out": 7, "dropped": 0}


def test_rows_whose_attention_is_not_parted_carry_no_segments():
    rows, _, schema = pack(
        [[[5], [6]]], sequence_length=8, packing="concat", attention="row"
    )
    assert schema.parts == "none"
    assert set(schema.unpack(rows)) == {"ids", "length"}


def test_an_overlap_repeats_the_last_token_of_a_row():
    rows, counts, _ = pack(
        [[[5, 6, 7, 8, 9]]],
        sequence_length=3,
        packing="concat",
        overlap=1,
        start=False,
        end=False,
    )
    assert ids(rows) == [[5, 6, 7], [7, 8, 9]]
    assert ledger(counts) == {"in": 5, "out": 5, "dropped": 0}


documents = st.lists(st.lists(st.integers(5, 99), max_size=9), min_size=1, max_size=9)


@given(
    batches=st.lists(documents, min_size=1, max_size=4),
    length=st.integers(4, 9),
    overlap=st.integers(0, 1),
    start=st.booleans(),
)
def test_concat_keeps_every_token_in_order(batches, length, overlap, start):
    rows, counts, _ = pack(
        batches, sequence_length=length, packing="concat", overlap=overlap, start=start
    )
    found = ids(rows)
    stream = [t for batch in batches for d in batch for t in (*d, 3)]
    parts = [row[start:] for row in found]
    joined = parts[0] + [t for row in parts[1:] for t in row[overlap:]]
    assert joined == stream
    assert all(len(row) == length for row in found[:-1])
    assert ledger(counts) == {"in": len(stream), "out": len(stream), "dropped": 0}


@given(batches=st.lists(documents, min_size=1, max_size=4), length=st.integers(3, 9))
def test_pad_counts_truncated_tokens(batches, length):
    rows, counts, _ = pack(batches, sequence_length=length)
    assert counts["in"] == sum(len(d) for batch in batches for d in batch)
    assert counts["in"] == counts["out"] + counts["dropped"]
    assert counts["out"] == sum(len(row) - 2 for row in ids(rows))


def test_an_overlap_without_room_is_our_own_slip():
    with pytest.raises(AssertionError, match="no room"):
        pack([[[5]]], sequence_length=2, packing="concat", overlap=1)


def test_an_item_goes_where_it_leaves_least_room():
    assert best_fit([7, 5, 4, 3, 1], 10) == ([0, 1, 1, 0, 1], [0, 0, 5, 7, 9])
    assert best_fit([2, 2, 8], 10, alone=2) == ([0, 1, 1], [0, 0, 2])


def test_best_fit_puts_whole_documents_together():
    batch = [[5] * 4, [6] * 7, [7], [8] * 3]
    rows, counts, schema = pack([batch], sequence_length=9, packing="best_fit")
    assert ids(rows) == [[2, *[6] * 7, 3], [2, *[5] * 4, 3, 2, 7, 3], [2, 8, 8, 8, 3]]
    assert schema.unpack(rows)["segments"][1].tolist() == [1] * 6 + [2] * 3
    assert (counts["truncated"], counts["parts"]) == (0, 4)


def test_best_fit_cuts_a_long_document_into_full_rows_and_a_rest():
    rows, counts, _ = pack(
        [[[*range(5, 15)], [20]]], sequence_length=6, packing="best_fit"
    )
    assert ids(rows) == [[2, 13, 14, 3], [2, 20, 3], [2, 5, 6, 7, 8, 3],
                         [2, 9, 10, 11, 12, 3]]  # fmt: skip
    assert (counts["truncated"], counts["documents"]) == (1, 2)


def test_best_fit_gives_every_next_token_its_context():
    rows, counts, schema = pack(
        [[[*range(5, 14)], [20, 21]]], sequence_length=7, packing="best_fit", **NEXT
    )
    assert ids(rows) == [[10, 11, 12, 13, 3], [3, 20, 21, 3], [3, 5, 6, 7, 8, 9, 10]]
    assert ledger(counts) == {"in": 13, "out": 13, "dropped": 0}
    rows, _, schema = pack(
        [[[*range(5, 12)], [20]]], sequence_length=7, packing="best_fit", **NEXT
    )
    assert ids(rows)[0] == [10, 11, 3, 20, 3]
    assert schema.unpack(rows)["segments"][0].tolist() == [1, 1, 2, 2, 2, 0, 0]


@given(
    batches=st.lists(documents, min_size=1, max_size=4),
    length=st.integers(4, 12),
    next_token=st.booleans(),
)
def test_best_fit_keeps_every_document_together(batches, length, next_token):
    knobs = NEXT if next_token else {}
    rows, counts, schema = pack(
        batches, sequence_length=length, packing="best_fit", **knobs
    )
    given_documents = [d for batch in batches for d in batch if d]
    tokens = [t for row in ids(rows) for t in row if t > 4]
    room = length - 1 if next_token else length - 2
    sizes = [len(d) + next_token for d in given_documents]
    assert counts["truncated"] == sum(size > room for size in sizes)
    assert counts["in"] == counts["out"] == sum(sizes)
    if not next_token:
        assert Counter(tokens) == Counter(t for d in given_documents for t in d)
        segments = schema.unpack(rows)["segments"]
        found = [
            tuple(row[segments[i] == k][1:-1])
            for i, row in enumerate(rows["ids"])
            for k in range(1, segments[i].max() + 1)
        ]
        whole = Counter(tuple(d) for d in given_documents if len(d) <= room)
        assert whole <= Counter(found)


def test_best_fit_fills_rows_of_long_tailed_lengths():
    generator = np.random.default_rng(0)
    sizes = np.minimum(np.exp(generator.normal(4.0, 1.2, 4000)), 5000).astype(int)
    batch = [[5] * size for size in sizes]
    for knobs in ({}, NEXT):
        _, counts, _ = pack([batch], sequence_length=128, packing="best_fit", **knobs)
        assert counts["used"] / (counts["rows"] * 128) >= 0.97


def chapters(count, *, sentences, words):
    """Documents of sentences whose tokens tell document and place."""
    generator = np.random.default_rng(5)
    made = []
    for _ in range(count):
        sizes = generator.integers(1, words, generator.integers(1, sentences + 1))
        made.append([generator.integers(5, 99, size).tolist() for size in sizes])
    return made


def pairs(batch, **knobs):
    return pack([batch], packing="sentence_pair", **knobs)


def test_a_pair_is_two_segments_of_one_or_two_documents():
    batch = [[[10, 11], [12], [13, 14, 15]], [[50], [51, 52]]]
    rows, counts, schema = pairs(batch, sequence_length=12, short_seq_prob=0.0, seed=3)
    columns = schema.unpack(rows)
    for row, types, follows, length in zip(
        rows["ids"], columns["types"], columns["follows"], rows["length"], strict=True
    ):
        ends = np.flatnonzero(row == 3)
        assert row[0] == 2 and ends[1] == length - 1
        first, second = row[1 : ends[0]], row[ends[0] + 1 : ends[1]]
        assert types[ends[0] + 1 : length].all() and not types[: ends[0] + 1].any()
        assert follows == (first[-1] + 1 == second[0])
        assert (first < 50).all() or (first >= 50).all()
    assert counts["in"] == counts["out"] == 9


def test_next_sentence_labels_are_balanced():
    batch = chapters(400, sentences=40, words=20)
    rows, _, _ = pairs(batch, sequence_length=64)
    num = len(rows)
    assert num > 1000
    assert abs(rows["follows"].sum() - num / 2) < 3 * np.sqrt(num / 4)


def test_documents_of_one_sentence_have_both_labels():
    rows, _, _ = pairs([[[*range(5, 40)]]] * 300, sequence_length=64)
    assert abs(rows["follows"].mean() - 0.5) < 0.1


@given(
    batch=st.lists(
        st.lists(st.lists(st.integers(5, 99), max_size=30), max_size=8), max_size=5
    ),
    length=st.integers(5, 20),
    short=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_pairs_count_every_token(batch, length, short):
    rows, counts, _ = pairs(batch, sequence_length=length, short_seq_prob=short)
    assert counts["in"] == sum(len(s) for d in batch for s in d)
    assert counts["in"] == counts["out"] + counts["dropped"]
    assert (rows["length"] <= length).all()
    assert ((rows["ids"] == 3).sum(1) == 2).all()


def test_a_tenth_of_the_documents_have_short_pairs():
    batch = [[[7] * 9 for _ in range(40)] for _ in range(300)]
    rows, _, _ = pairs(batch, sequence_length=64, short_seq_prob=0.1)
    whole, _, _ = pairs(batch, sequence_length=64, short_seq_prob=0.0)
    assert (whole["length"] == 64).mean() > 0.6
    assert 0.05 < (rows["length"] < 50).mean() - (whole["length"] < 50).mean() < 0.5


def test_copies_of_a_document_draw_other_pairs():
    batch = chapters(20, sentences=10, words=9)
    once, counts, _ = pairs(batch, sequence_length=32)
    twice, doubled, _ = pairs(batch, sequence_length=32, dupe_factor=2)
    assert doubled["in"] == 2 * counts["in"]
    assert len({row.tobytes() for row in twice}) > 1.5 * len(once)


def test_draws_depend_on_their_name_alone():
    assert (
        StatelessRandom.splitmix(1, "a").bits()
        == StatelessRandom.splitmix(1, "a").bits()
    )
    assert (
        StatelessRandom.splitmix(1, "a").bits()
        != StatelessRandom.splitmix(1, "b").bits()
    )
    random = StatelessRandom.splitmix(0)
    counts = np.bincount([random.integer(10) for _ in range(10000)], minlength=10)
    assert (((counts - 1000) ** 2) / 1000).sum() < 27.9  # 9 degrees, p = 0.001
    heads = [random.heads(100) for _ in range(1000)]
    assert abs(np.mean(heads) - 50) < 3 * 5 / np.sqrt(1000)


def test_a_response_is_marked_after_its_prompt():
    rows, counts, schema = pack(
        [[[[5, 6], [7, 8]], [[], [9]]]],
        names={"text": "né"},
        sequence_length=8,
        packing="response",
        **NEXT,
    )
    assert ids(rows) == [[3, 5, 6, 7, 8, 3], [3, 9, 3]]
    answer = schema.unpack(rows)["answer"].tolist()
    assert answer == [[0, 0, 0, 1, 1, 1, 0, 0], [0, 1, 1, 0, 0, 0, 0, 0]]
    assert ledger(counts) == {"in": 7, "out": 7, "dropped": 0}
    # Two texts of three bytes: two tokens and an end, one token and an end.
    assert (counts["answer_tokens"], counts["answer_bytes"]) == (5, 6)


def test_a_long_prompt_keeps_its_end_and_a_long_response_its_beginning():
    prompt, response = [*range(5, 15)], [*range(50, 60)]
    batch = [[prompt, response], [prompt, [50]], [[5], response]]
    rows, counts, _ = pack([batch], sequence_length=9, packing="response", **NEXT)
    assert ids(rows) == [
        [3, 11, 12, 13, 14, 50, 51, 52, 53],
        [3, 9, 10, 11, 12, 13, 14, 50, 3],
        [3, 5, 50, 51, 52, 53, 54, 55, 56],
    ]
    assert counts["in"] == 45 and counts["out"] == 24 and counts["truncated"] == 3


def test_a_task_with_a_target_text_takes_the_text_as_prompt():
    config = RowLayout(sequence_length=8, packing="response", target="text", **NEXT)
    schema = schema_of(config, vocabulary_size=9)
    packer = PACKERS["response"](config, schema=schema, specials=SPECIALS)
    batch = [{"id": "7", "text": "long", "target_text": "short"}]
    assert packer.texts(batch) == ["long", "short"]
    packer.add(np.array([5, 6, 7], np.int32), np.array([0, 2, 3]), batch)
    assert (packer.counts["answer_tokens"], packer.counts["answer_bytes"]) == (2, 5)


def test_source_and_target_are_two_sequences_of_a_row():
    rows, counts, schema = pack(
        [[[[5, 6], [7, 8]], [[], []], [[*range(5, 15)], [*range(50, 60)]]]],
        names={"target_text": "né"},
        sequence_length=6,
        packing="encoder_decoder",
        target="text",
        target_length=5,
    )
    # A source is framed as in serving; a target that does not fit has no end.
    assert ids(rows) == [[2, 5, 6, 3], [2, 3], [2, 5, 6, 7, 8, 3]]
    columns = schema.unpack(rows)
    assert columns["target_length"].tolist() == [4, 2, 5]
    assert columns["target_ids"].tolist() == (
        [[2, 7, 8, 3, 0], [2, 3, 0, 0, 0], [2, 50, 51, 52, 53]]
    )
    assert ledger(counts) == {"in": 24, "out": 12, "dropped": 12}
    assert (counts["documents"], counts["truncated"]) == (3, 1)
    assert (counts["answer_tokens"], counts["answer_bytes"]) == (15, 9)


def test_a_pair_is_two_segments_and_loses_the_end_of_the_longer_text():
    first, second = [*range(10, 20)], [*range(50, 60)]
    batch = [[[5, 6], [7]], [first, second], [[5], second], [first, [50]]]
    rows, counts, schema = pack(
        [batch], sequence_length=9, packing="pair", target="none"
    )
    assert ids(rows) == [
        [2, 5, 6, 3, 7, 3],
        [2, 10, 11, 12, 3, 50, 51, 52, 3],
        [2, 5, 3, 50, 51, 52, 53, 54, 3],
        [2, 10, 11, 12, 13, 14, 3, 50, 3],
    ]
    columns = schema.unpack(rows)
    assert "follows" not in columns
    assert columns["types"].tolist() == [
        [0, 0, 0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 0, 1, 1],
    ]
    assert ledger(counts) == {"in": 45, "out": 21, "dropped": 24}
    assert counts["truncated"] == 3


def test_texts_of_a_document_have_places_of_their_own():
    batch = [[[5, 6], [7]], [[*range(10, 20)], []]]
    rows, counts, schema = pack([batch], sequence_length=5, packing="texts", texts=2)
    columns = schema.unpack(rows)
    assert columns["ids"].tolist() == [
        [[2, 5, 6, 3, 0], [2, 7, 3, 0, 0]],
        [[2, 10, 11, 12, 3], [2, 3, 0, 0, 0]],
    ]
    assert columns["lengths"].tolist() == [[4, 3], [5, 2]]
    assert columns["length"].tolist() == [7, 7]
    assert ledger(counts) == {"in": 13, "out": 6, "dropped": 7}
    assert (counts["documents"], counts["truncated"]) == (2, 1)


def test_windows_of_a_text_overlap_by_half_and_end_with_it():
    batch = [[*range(10, 19)], [5], []]
    rows, counts, _ = pack([batch], sequence_length=6, packing="strides")
    assert ids(rows) == [
        [2, 10, 11, 12, 13, 3],
        [2, 12, 13, 14, 15, 3],
        [2, 14, 15, 16, 17, 3],
        [2, 16, 17, 18, 3],
        [2, 5, 3],
        [2, 3],
    ]
    assert ledger(counts) == {"in": 10, "out": 10, "dropped": 0}
    assert (counts["documents"], counts["truncated"]) == (3, 1)


def test_the_question_is_whole_in_each_window_of_its_passage():
    passage, question = [*range(10, 17)], [50, 51]
    batch = [[passage, question], [[5], [*range(60, 70)]]]
    rows, counts, schema = pack(
        [batch], sequence_length=9, packing="strides", texts=2, stride=3
    )
    assert ids(rows) == [
        [2, 50, 51, 3, 10, 11, 12, 13, 3],
        [2, 50, 51, 3, 13, 14, 15, 16, 3],
        [2, 60, 61, 62, 3, 5, 3],
    ]
    assert schema.unpack(rows)["types"].tolist() == [
        [0, 0, 0, 0, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 0, 0],
    ]
    assert ledger(counts) == {"in": 20, "out": 13, "dropped": 7}
    assert counts["truncated"] == 2


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=5),
    st.integers(4, 12),
    st.integers(1, 20),
)
def test_every_token_is_in_a_window(sizes, length, stride):
    batch = [[10 + i for i in range(size)] for size in sizes]
    rows, _, _ = pack([batch], sequence_length=length, packing="strides", stride=stride)
    bodies = [row[1:-1] for row in ids(rows)]
    room = length - 2
    assert all(len(body) <= room for body in bodies)
    assert {token for body in bodies for token in body} == {
        token for document in batch for token in document
    }
    # A window that the one before it holds whole is not needed.
    assert len(bodies) == sum(
        1 + max(0, -(-(size - room) // min(stride, room))) for size in sizes
    )


def test_a_document_without_its_prompt_names_the_columns():
    config = RowLayout(
        sequence_length=8, packing="response", prompt="questions", **NEXT
    )
    schema = schema_of(config, vocabulary_size=9)
    packer = PACKERS["response"](config, schema=schema, specials=SPECIALS)
    with pytest.raises(DataError, match=r"'7' has none.* did you mean 'question'\?"):
        packer.texts([{"id": "7", "text": "a", "question": "b", "n": 3}])


@pytest.mark.parametrize("packing", ["pad", "concat", "best_fit", "sentence_pair"])
def test_word_starts_travel_with_their_tokens(packing):
    batch = [[[5, 6, 7], [8, 9]], [[5, 6]]]
    if packing != "sentence_pair":
        batch = [document[0] for document in batch]
    marked, _, schema = pack(
        [batch], flags=WORD, sequence_length=9, packing=packing, words="tokens"
    )
    plain, _, _ = pack([batch], sequence_length=9, packing=packing, words="tokens")
    inside = np.arange(9) < marked["length"][:, None]
    assert (schema.unpack(marked)["word_starts"] == inside).all()
    special = np.isin(plain["ids"], [2, 3]) & inside
    assert (schema.unpack(plain)["word_starts"] == special).all()
    assert (marked["ids"] == plain["ids"]).all()
