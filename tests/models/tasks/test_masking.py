"""Masking: the number of masked tokens, words and spans, and their replacements."""

import math

import numpy as np
import pytest
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.tasks.config import MaskedLMConfig
from textmill.models.tasks.masked_lm import MaskedLM
from textmill.models.tasks.masking import hash_uniform, span_lengths
from textmill.models.tokenizers import SpecialTokens
from textmill.models.training.config import BatchConfig
from textmill.models.training.sampler import Sampler, row_keys

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
LENGTH, VOCABULARY, ROWS = 32, 200, 4000


def task_of(**masking):
    shape = ModelConfig(layers=1, width=8, heads=2, sequence_length=LENGTH)
    return MaskedLM(
        shape,
        vocabulary_size=VOCABULARY,
        specials=SPECIALS,
        seed=1,
        task_config=MaskedLMConfig(**masking),
    )


@pytest.fixture(scope="module")
def rows():
    """Rows of 3 to 32 tokens, of which about 4 in 10 continue a word."""
    generator = np.random.default_rng(0)
    length = generator.integers(3, LENGTH + 1, ROWS).astype(np.int32)
    ids = generator.integers(5, VOCABULARY, (ROWS, LENGTH)).astype(np.int32)
    ids[:, 0] = SPECIALS.start
    ids[np.arange(ROWS), length - 1] = SPECIALS.end
    ids[np.arange(LENGTH)[None] >= length[:, None]] = SPECIALS.pad
    starts = (generator.random((ROWS, LENGTH)) < 0.6) | np.isin(ids, [0, 2, 3])
    starts[:, 1] = True
    return {
        "ids": ids,
        "length": length,
        "word_starts": starts.astype(np.uint8),
        "keys": row_keys(7, 0, np.arange(ROWS)),
    }


def features_of(task, rows, keys=None):
    given = rows if keys is None else {**rows, "keys": keys}
    features = task.features({k: tf.constant(v) for k, v in given.items()})
    return {name: value.numpy() for name, value in features.items()}


def chosen_of(features):
    """Returns where predictions are made: bool ``[rows, length]``."""
    chosen = np.zeros(features["ids"].shape, bool)
    real = features["weights"] > 0
    row = np.repeat(np.arange(len(chosen)), real.sum(1))
    chosen[row, features["positions"][real]] = True
    assert chosen.sum() == real.sum(), "a position was chosen twice"
    return chosen


def units_of(rows):
    """Returns the number of every token's word, counted through all rows."""
    starts = rows["word_starts"].astype(bool) | (np.arange(LENGTH) == 0)
    return np.cumsum(starts.reshape(-1)).reshape(ROWS, LENGTH)


EVERY = [
    {"mask_rate": 0.15},
    {"mask_rate": 0.4},
    {"mask_rate": 0.15, "mask_whole_words": True},
    {"mask_rate": 0.2, "mask_span": "geometric"},
    {"mask_rate": 0.15, "mask_span": "ngram", "mask_whole_words": True},
    {"mask_rate": 0.15, "dupe_factor": 5},
]


@pytest.mark.parametrize("masking", EVERY, ids=str)
def test_special_tokens_and_padding_are_never_masked(masking, rows):
    chosen = chosen_of(features_of(task_of(**masking), rows))
    assert not np.isin(rows["ids"][chosen], [0, 2, 3]).any()


@pytest.mark.parametrize("masking", EVERY, ids=str)
def test_targets_are_the_tokens_that_were_there_and_no_other_changes(masking, rows):
    features = features_of(task_of(**masking), rows)
    real = features["weights"] > 0
    there = np.take_along_axis(rows["ids"], features["positions"], 1)
    np.testing.assert_array_equal(features["targets"][real], there[real])
    assert not ((rows["ids"] != features["ids"]) & ~chosen_of(features)).any()


@pytest.mark.parametrize("rate", [0.15, 0.25, 0.4])
def test_every_row_predicts_its_share_and_at_least_one(rate, rows):
    features = features_of(task_of(mask_rate=rate), rows)
    exact = np.float32(rate) * (rows["length"] - 2).astype(np.float32)
    wanted = np.clip(np.round(exact), 1, math.ceil(rate * LENGTH))
    np.testing.assert_array_equal(features["weights"].sum(1), wanted)
    assert features["weights"].shape[1] == math.ceil(rate * LENGTH)


@pytest.mark.parametrize("span", [None, "ngram", "geometric"])
def test_the_rate_is_met_within_three_sigma_by_words_and_spans(span, rows):
    long = {name: value[rows["length"] > 24] for name, value in rows.items()}
    features = features_of(
        task_of(mask_rate=0.15, mask_whole_words=True, mask_span=span), long
    )
    wanted = np.round(np.float32(0.15) * (long["length"] - 2).astype(np.float32))
    missing = wanted - features["weights"].sum(1)
    assert (missing >= 0).all(), "never more than the rate"
    # Independent draws of so many tokens would miss by this much at three sigma.
    tokens = (long["length"] - 2).sum()
    assert missing.sum() <= 3 * math.sqrt(tokens * 0.15 * 0.85)


@pytest.mark.parametrize("span", [None, "geometric", "ngram"])
def test_a_word_is_masked_whole_or_not_at_all(span, rows):
    features = features_of(task_of(mask_whole_words=True, mask_span=span), rows)
    chosen, unit = chosen_of(features), units_of(rows)
    inside = ~np.isin(rows["ids"], [0, 2, 3])
    total = np.bincount(unit[inside], minlength=unit.max() + 1)
    taken = np.bincount(unit[chosen], minlength=unit.max() + 1)
    assert set(np.unique(taken[taken > 0] == total[taken > 0])) == {True}


def test_spans_lie_together(rows):
    alone = chosen_of(features_of(task_of(mask_rate=0.2), rows))
    spans = chosen_of(features_of(task_of(mask_rate=0.2, mask_span="geometric"), rows))

    def runs(chosen):
        return np.count_nonzero(chosen[:, 1:] & ~chosen[:, :-1]) / chosen.sum()

    assert runs(alone) > 0.75
    assert runs(spans) < 0.5


@pytest.mark.parametrize("kind", ["geometric", "ngram"])
def test_span_lengths_are_those_of_their_papers(kind):
    share = span_lengths(MaskedLMConfig(mask_span=kind))
    assert share.sum() == pytest.approx(1)
    if kind == "geometric":
        mean = (share * np.arange(1, 11)).sum()
        assert mean == pytest.approx(3.8, abs=0.05)  # SpanBERT, section 3.1
    else:
        np.testing.assert_allclose(share, np.array([6, 3, 2]) / 11)


def test_a_geometric_span_has_one_kind_of_corruption(rows):
    long = {name: value[rows["length"] > 24] for name, value in rows.items()}
    features = features_of(task_of(mask_rate=0.2, mask_span="geometric"), long)
    chosen = chosen_of(features)
    masked = chosen & (features["ids"] == SPECIALS.mask)
    both = chosen[:, 1:] & chosen[:, :-1]
    same = (masked[:, 1:] == masked[:, :-1])[both].mean()
    # Tokens that draw by themselves agree in 0.8² + 0.2² = 0.68 of the cases.
    assert same > 0.9


@pytest.mark.parametrize(
    "masking",
    [
        {"mask_rate": 0.15},
        {"mask_rate": 0.15, "mask_whole_words": True},
        {"dupe_factor": 5},
    ],
)
def test_eight_in_ten_are_masked_and_half_of_the_rest_is_kept(masking, rows):
    features = features_of(task_of(**masking), rows)
    real = features["weights"] > 0
    new = np.take_along_axis(features["ids"], features["positions"], 1)[real]
    total = len(new)
    masked = (new == SPECIALS.mask).sum()
    unchanged = (new == features["targets"][real]).sum()
    random = total - masked - unchanged
    # A random token is by chance the mask or the one that was there.
    expected = np.array([0.8 + 0.1 / 200, 0.1 + 0.1 / 200, 0.1 - 0.2 / 200]) * total
    statistic = (((masked, unchanged, random) - expected) ** 2 / expected).sum()
    assert statistic < 13.8  # chi-square, 2 degrees of freedom, p = 0.001


def original_instances(rows, *, rate, most, copies, seed):
    """Draws as ``create_masked_lm_predictions`` (Devlin et al., 2018) describes it.

    Returns:
        For every copy of every row, the positions predicted and what stands there.
    """
    generator = np.random.default_rng(seed)
    for ids, length in zip(rows["ids"], rows["length"], strict=True):
        tokens = ids[:length]
        candidates = np.flatnonzero(~np.isin(tokens, [0, 2, 3]))
        number = min(most, max(1, round(length * rate)), len(candidates))
        for _ in range(copies):
            position = generator.permutation(candidates)[:number]
            coin = generator.random(number)
            random = generator.integers(0, VOCABULARY, number)
            other = np.where(coin < 0.9, tokens[position], random)
            masked = np.where(coin < 0.8, SPECIALS.mask, other)
            yield position, masked, tokens[position]


def test_static_masks_are_distributed_as_the_original_script_draws_them(rows):
    copies, some = 5, {name: value[:1500] for name, value in rows.items()}
    task = task_of(mask_rate=0.15, dupe_factor=copies)
    order = Sampler(1500, BatchConfig(global_batch=1500), seed=7, key_epochs=copies)
    counts = {"ours": [], "theirs": []}
    places = {"ours": np.zeros(LENGTH), "theirs": np.zeros(LENGTH)}
    kinds = {"ours": np.zeros(3), "theirs": np.zeros(3)}

    def note(who, position, new, old):
        counts[who].append(len(position))
        np.add.at(places[who], position, 1)
        same = new == old
        masked = (new == SPECIALS.mask) & ~same
        kinds[who] += masked.sum(), same.sum(), (~masked & ~same).sum()

    drawn = original_instances(
        some, rate=0.15, most=math.ceil(0.15 * LENGTH), copies=copies, seed=3
    )
    for instance in drawn:
        note("theirs", *instance)
    for epoch in range(copies):
        indices, keys = order.rows(epoch, epoch + 1)
        epoch_rows = {name: value[indices[0]] for name, value in some.items()}
        features = features_of(task, epoch_rows, keys[0])
        for row, weights in enumerate(features["weights"]):
            position = features["positions"][row][weights > 0]
            old = epoch_rows["ids"][row, position]
            note("ours", position, features["ids"][row, position], old)
    assert sorted(counts["ours"]) == sorted(counts["theirs"])
    for ours, theirs, bound in (
        (places["ours"][1:31], places["theirs"][1:31], 60.0),  # 29 degrees, p < 0.001
        (kinds["ours"], kinds["theirs"], 13.8),  # 2 degrees, p = 0.001
    ):
        assert ((ours - theirs) ** 2 / (ours + theirs)).sum() < bound


def test_copies_of_a_row_have_their_masks_again(rows):
    order = Sampler(50, BatchConfig(global_batch=50), seed=7, key_epochs=3)

    def keys_by_row(epoch):
        indices, keys = order.rows(epoch, epoch + 1)
        return dict(zip(indices[0].tolist(), keys[0].tolist(), strict=True))

    epochs = [keys_by_row(epoch) for epoch in range(6)]
    assert epochs[:3] == epochs[3:]
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("masking", EVERY, ids=str)
def test_masks_depend_on_the_row_and_epoch_alone(masking, rows):
    task, some = task_of(**masking), np.array([17, 4, 99])
    whole = features_of(task, rows)
    part = {name: value[some] for name, value in rows.items()}
    again = features_of(task, part)
    np.testing.assert_array_equal(again["ids"], whole["ids"][some])
    other = features_of(task, part, row_keys(7, 1, some))
    assert (other["ids"] != again["ids"]).any()


def test_a_row_without_a_maskable_token_predicts_nothing():
    rows = {
        "ids": np.array([[2, 3, 0, 0]], np.int32),
        "length": np.array([2], np.int32),
        "word_starts": np.ones((1, 4), np.uint8),
        "keys": np.array([1], np.int32),
    }
    for masking in EVERY:
        assert features_of(task_of(**masking), rows)["weights"].sum() == 0


def test_hashed_draws_are_uniform():
    draws = hash_uniform(tf.range(1000)[:, None], tf.range(100)[None, :], 1).numpy()
    counts, _ = np.histogram(draws, 20, (0, 1))
    assert draws.min() >= 0 and draws.max() < 1
    assert (((counts - 5000) ** 2) / 5000).sum() < 43.8  # 19 degrees, p = 0.001
