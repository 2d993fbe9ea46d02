"""The linear model: n-grams and weights against formulas and scikit-learn."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from textmill.models.linear import LinearConfig
from textmill.models.linear.fit import fit_linear
from textmill.models.linear.model import LinearModel, average_models
from textmill.models.linear.ngrams import (
    frequent_keys,
    most_frequent,
    ngram_keys,
    presence,
)
from textmill.models.linear.solvers import naive_bayes_ratios
from textmill.models.weights import save_tensors


def ids(*rows):
    return [np.array(row, np.int32) for row in rows]


def test_an_ngram_has_one_key_and_no_other_ngram_has_it():
    documents = ids([1, 2, 1, 2], [2, 1], [])
    keys, rows = ngram_keys(documents, order=3, vocabulary_size=10)
    unigrams, bigrams, trigrams = [1, 2], [10 + 12, 10 + 21], [110 + 121, 110 + 212]
    assert sorted(set(keys[rows == 0])) == unigrams + bigrams + trigrams
    assert keys[rows == 1].tolist() == [2, 1, 10 + 21]
    assert 2 not in rows


def test_the_largest_vocabulary_fits_an_int64():
    size = 1 << 20
    keys, _ = ngram_keys(ids([size - 1] * 3), order=3, vocabulary_size=size)
    assert keys.tolist() == [
        *[size - 1] * 3,
        *[size + size**2 - 1] * 2,
        size + size**2 + size**3 - 1,
    ]


def test_presence_is_that_of_scikit_learn(monkeypatch):
    # Several blocks.
    monkeypatch.setattr("textmill.models.linear.ngrams._TOKENS_A_BLOCK", 100)
    rows = np.random.default_rng(0).integers(0, 30, (200, 12))
    counts = CountVectorizer(
        analyzer=lambda row: [
            tuple(row[i : i + n]) for n in (1, 2) for i in range(len(row) - n + 1)
        ],
        binary=True,
        min_df=2,
    ).fit_transform(rows.tolist())
    settings = {"order": 2, "vocabulary_size": 30}
    known, num_documents = frequent_keys(list(rows), min_documents=2, **settings)
    matrix = presence(list(rows), known, **settings)
    assert matrix.shape == counts.shape
    assert sorted(num_documents) == sorted(counts.sum(axis=0).A1)
    assert matrix.sum(axis=0).A1.tolist() == num_documents.tolist()
    assert matrix.sum(axis=1).A1.tolist() == counts.sum(axis=1).A1.tolist()


def test_the_ngrams_of_most_documents_are_kept_and_low_keys_win_ties():
    keys, counts = np.array([3, 5, 7, 9]), np.array([2, 4, 2, 2])
    assert most_frequent(keys, counts, 2).tolist() == [3, 5]
    assert most_frequent(keys, counts, 10).tolist() == [3, 5, 7, 9]


def test_the_naive_bayes_ratio_is_the_formula():
    matrix = presence(
        ids([0], [0, 1], [1]), np.array([0, 1]), order=1, vocabulary_size=2
    )
    ratios = naive_bayes_ratios(matrix, np.array([True, True, False]))
    share = (3 + 1) / (4 + 2)  # of the n-grams, in documents with the label
    inside, outside = np.array([2, 1]), np.array([0, 1])
    odds = (inside + share) / (outside + 1 - share)
    assert ratios == pytest.approx(np.log(odds) - np.log(share / (1 - share)))


@pytest.fixture(scope="module")
def examples():
    generator = np.random.default_rng(1)
    targets = generator.integers(0, 3, 400)
    noise = generator.integers(10, 200, (400, 15))
    rows = [
        np.concatenate([row[:7], [t, t + 3], row[7:]]).astype(np.int32)
        for row, t in zip(noise, targets, strict=True)
    ]
    return rows, targets


def fit(rows, targets, *, kind="label", num_outputs=3, **choices):
    return fit_linear(
        rows[:300],
        targets[:300],
        eval_documents=rows[300:],
        eval_targets=targets[300:],
        kind=kind,
        num_outputs=num_outputs,
        vocabulary_size=200,
        config=LinearConfig(**choices),
        seed=17,
    )


def test_a_fitted_model_knows_the_ngram_that_tells_labels_apart(examples):
    rows, targets = examples
    model = fit(rows, targets)
    assert (model.probabilities(rows[300:]).argmax(1) == targets[300:]).all()
    keys, _ = ngram_keys(ids([1, 4]), order=2, vocabulary_size=200)
    weights = model.weights[np.searchsorted(model.keys, keys)]
    assert (weights.argmax(axis=1) == 1).all()


def test_equal_inputs_give_equal_bytes_and_a_file_gives_the_model_back(
    examples, tmp_path
):
    model, again = fit(*examples), fit(*examples)
    digest = save_tensors(model.tensors, tmp_path / "w.safetensors")
    assert save_tensors(again.tensors, tmp_path / "again.safetensors") == digest
    loaded = LinearModel.load(tmp_path / "w.safetensors", model.facts)
    np.testing.assert_array_equal(
        loaded.probabilities(examples[0][:20]), model.probabilities(examples[0][:20])
    )


def test_the_choice_with_the_lower_loss_on_eval_is_kept(examples):
    rows, targets = examples
    noisy = targets.copy()
    noisy[:90] = (noisy[:90] + 1) % 3
    models = [fit(rows, noisy, orders=(2,), costs=(c,)) for c in (1e-4, 1.0)]
    true = [m.probabilities(rows[300:])[range(100), noisy[300:]] for m in models]
    best = fit(rows, noisy, orders=(2,), costs=(1e-4, 1.0))
    assert best.cost == (1e-4, 1.0)[int(np.argmax(np.log(true).mean(axis=1)))]


def test_a_sum_of_weights_is_scaled_by_the_length_of_the_text(examples):
    model = fit(*examples)
    known = examples[0][0]
    longer = np.concatenate([known, np.full(len(known), 9, np.int32)])
    sums = [
        (model.logits([ids])[0] - model.bias) * np.sqrt(1 + len(ids) / 16)
        for ids in (known, longer)
    ]
    assert 9 not in model.keys
    assert sums[0] == pytest.approx(sums[1])


def test_a_label_without_training_documents_is_not_answered(examples):
    rows, targets = examples
    model = fit_linear(
        rows[:300],
        np.minimum(targets[:300], 1),
        eval_documents=[],
        eval_targets=np.zeros(0, np.int64),
        num_outputs=3,
        vocabulary_size=200,
        config=LinearConfig(),
        seed=17,
    )
    probabilities = model.probabilities(rows[300:])
    assert np.isfinite(probabilities).all()
    assert 2 not in probabilities.argmax(axis=1)


def test_a_model_without_an_error_on_eval_is_not_certain(examples):
    rows, targets = examples
    highest = fit(rows, targets).probabilities(rows[300:]).max(axis=1)
    # Of 100 documents, (100 + 1) / (100 + 2) are right by Platt's rule.
    assert highest.mean() == pytest.approx(101 / 102, abs=0.005)


def test_documents_may_have_any_number_of_labels(examples):
    rows, targets = examples
    # Label 2 is never given; labels 0 and 1 both are, in the documents of target 2.
    targets = np.stack([targets != 1, targets != 0, targets > 2], axis=1)
    model = fit(rows, targets.astype(np.uint8), kind="labels")
    probabilities = model.probabilities(rows[300:])
    assert ((probabilities > 0.5) == targets[300:]).all()
    assert probabilities.sum(axis=1).max() > 1.5


def test_numbers_are_learned_in_any_unit(examples):
    rows, targets = examples
    errors = []
    for unit in (1.0, 1e-6, 1e6):
        numbers = (targets * unit + 5 * unit).astype(np.float32)
        model = fit(rows, numbers, kind="number", num_outputs=1)
        error = np.square(model.logits(rows[300:])[:, 0] / unit - 5 - targets[300:])
        errors.append(error.mean())
    assert errors[0] < 0.05
    assert errors == pytest.approx([errors[0]] * 3, rel=1e-3)


def test_the_number_of_documents_that_all_have_it_is_the_answer(examples):
    numbers = np.full(400, 7.0, np.float32)
    model = fit(examples[0], numbers, kind="number", num_outputs=1)
    assert set(model.logits(examples[0]).ravel()) == {7.0}


def test_without_a_frequent_ngram_the_shares_of_labels_are_the_answer(examples):
    rows, targets = examples
    model = fit(rows, targets, min_documents=1000)
    expected = np.bincount(targets[:300]) / 300
    np.testing.assert_allclose(
        model.at(1.0).probabilities(rows[:1])[0], expected, atol=0.05
    )


def test_weights_are_limited_and_the_ngrams_left_out_are_counted(examples):
    rows, targets = examples
    whole = fit(rows, targets, orders=(2,))
    model = fit(rows, targets, orders=(2,), max_weights=60)
    assert model.weights.shape == (20, 3)
    assert model.ngrams_left_out == len(whole.keys) - 20
    assert (model.probabilities(rows[300:]).argmax(1) == targets[300:]).all()


def test_choices_on_a_part_of_the_documents_leave_the_fit_to_all(examples):
    rows, targets = examples
    model = fit(rows, targets, choice_documents=100)
    again = fit(rows, targets, orders=(model.order,), costs=(model.cost,))
    assert model.tensors["weights"].tobytes() == again.tensors["weights"].tobytes()
    assert model.facts == again.facts


def test_the_logits_of_an_average_are_the_mean_of_logits(examples):
    rows, targets = examples
    models = [
        fit(rows[part:], targets[part:], orders=(order,), min_documents=1)
        for part, order in ((0, 1), (50, 2), (100, 3))
    ]
    average = average_models(models)
    expected = np.mean([model.logits(rows) for model in models], axis=0)
    np.testing.assert_allclose(average.logits(rows), expected, rtol=0, atol=1e-6)
    assert average.order == 3


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"orders": (2, 4)}, "orders of 3 or less, got 4"),
        ({"costs": ()}, "at least one of orders and one of costs, got none"),
        ({"costs": (1.0, 0.0)}, "costs above 0, got 0.0"),
    ],
)
def test_choices_without_a_meaning_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        LinearConfig(**choices)
