import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.tokenizer import TokenizerConfig
from components.tokenizer.packing import PACKERS
from models.rows import RowSchema
from models.tokenization import Specials

SPECIALS = Specials(pad=0, unknown=1, start=2, end=3, mask=4)


def pack(batches, **knobs):
    config = TokenizerConfig(**knobs)
    schema = RowSchema(config.sequence_length, wide=False, labelled=False)
    packer = PACKERS[config.packing](config, schema=schema, specials=SPECIALS)
    rows = []
    for batch in batches:
        splits = np.cumsum([0, *map(len, batch)])
        flat = np.array([t for d in batch for t in d], np.int32)
        rows.append(packer.add(flat, splits))
    rows = np.concatenate([*rows, packer.flush()])
    ids = [r["ids"][: r["length"]].tolist() for r in rows]
    return ids, packer.counts


def test_pad_gives_a_row_to_each_document_and_cuts_it():
    ids, counts = pack([[[5, 6, 7, 8], []], [[9]]], sequence_length=5)
    assert ids == [[2, 5, 6, 7, 3], [2, 3], [2, 9, 3]]
    assert counts == {"in": 5, "out": 4, "dropped": 1}


def test_concat_fills_rows_across_documents():
    ids, counts = pack([[[5, 6], [7, 8, 9]]], sequence_length=4, packing="concat")
    assert ids == [[2, 5, 6, 3], [2, 7, 8, 9], [2, 3]]
    assert counts == {"in": 7, "out": 7, "dropped": 0}


def test_an_overlap_repeats_the_last_token_of_a_row():
    ids, counts = pack(
        [[[5, 6, 7, 8, 9]]],
        sequence_length=3,
        packing="concat",
        overlap=1,
        start=False,
        end=False,
    )
    assert ids == [[5, 6, 7], [7, 8, 9]]
    assert counts == {"in": 5, "out": 5, "dropped": 0}


documents = st.lists(st.lists(st.integers(5, 99), max_size=9), min_size=1, max_size=9)


@given(
    batches=st.lists(documents, min_size=1, max_size=4),
    length=st.integers(4, 9),
    overlap=st.integers(0, 1),
    start=st.booleans(),
)
def test_concat_keeps_every_token_in_order(batches, length, overlap, start):
    ids, counts = pack(
        batches, sequence_length=length, packing="concat", overlap=overlap, start=start
    )
    stream = [t for batch in batches for d in batch for t in (*d, 3)]
    rows = [row[start:] for row in ids]
    joined = rows[0] + [t for row in rows[1:] for t in row[overlap:]]
    assert joined == stream
    assert counts == {"in": len(stream), "out": len(stream), "dropped": 0}


@given(batches=st.lists(documents, min_size=1, max_size=4), length=st.integers(3, 9))
def test_pad_counts_what_it_cuts(batches, length):
    ids, counts = pack(batches, sequence_length=length)
    given_tokens = sum(len(d) for batch in batches for d in batch)
    assert counts["in"] == given_tokens == counts["out"] + counts["dropped"]
    assert counts["out"] == sum(len(row) - 2 for row in ids)


def test_an_overlap_without_room_is_our_own_slip():
    with pytest.raises(AssertionError, match="no room"):
        pack([[[5]]], sequence_length=2, packing="concat", overlap=1)
