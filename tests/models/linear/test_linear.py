"""The linear model: n-grams and weights against formulas and scikit-learn."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from textmill.models.linear import LinearConfig
from textmill.models.linear.fit import fit_linear, naive_bayes_ratios
from textmill.models.linear.model import LinearModel
from textmill.models.linear.ngrams import frequent_keys, ngram_keys, presence
from textmill.models.weights import save_tensors


def ids(*rows):
    return [np.array(row, np.int32) for row in rows]


def test_an_ngram_has_one_key_and_no_other_ngram_has_it():
    [first, second, empty] = ngram_keys(
        ids([1, 2, 1, 2], [2, 1], []), order=3, vocabulary_size=10
    )
    unigrams = [1, 2]
    bigrams = [10 + 12, 10 + 21]
    trigrams = [110 + 121, 110 + 212]
    assert first.tolist() == sorted(unigrams + bigrams + trigrams)
    assert second.tolist() == [1, 2, 10 + 21]
    assert empty.tolist() == []


def test_the_largest_vocabulary_fits_an_int64():
    size = 1 << 20
    [keys] = ngram_keys(
        ids([size - 1, size - 1, size - 1]), order=3, vocabulary_size=size
    )
    assert keys.tolist() == [size - 1, size + size**2 - 1, size + size**2 + size**3 - 1]


def test_presence_is_that_of_scikit_learn():
    rows = np.random.default_rng(0).integers(0, 30, (200, 12))
    counts = CountVectorizer(
        analyzer=lambda row: [
            tuple(row[i : i + n]) for n in (1, 2) for i in range(len(row) - n + 1)
        ],
        binary=True,
        min_df=2,
    ).fit_transform(rows.tolist())
    keys = ngram_keys(list(rows), order=2, vocabulary_size=30)
    known = frequent_keys(keys, min_documents=2)
    matrix = presence(keys, known)
    assert matrix.shape == counts.shape
    assert sorted(matrix.sum(axis=0).A1) == sorted(counts.sum(axis=0).A1)
    assert matrix.sum(axis=1).A1.tolist() == counts.sum(axis=1).A1.tolist()


def test_the_naive_bayes_ratio_is_the_formula():
    keys = ngram_keys(ids([0], [0, 1], [1]), order=1, vocabulary_size=2)
    matrix = presence(keys, np.array([0, 1]))
    ratios = naive_bayes_ratios(matrix, np.array([True, True, False]))
    # Shares with the label: (1+2)/5 and (1+1)/5; without it: 1/3 and 2/3.
    assert ratios == pytest.approx([np.log(0.6 / (1 / 3)), np.log(0.4 / (2 / 3))])


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


def fit(rows, targets, **choices):
    return fit_linear(
        rows[:300],
        targets[:300],
        eval_documents=rows[300:],
        eval_targets=targets[300:],
        num_labels=3,
        vocabulary_size=200,
        config=LinearConfig(**choices),
        seed=17,
    )


def test_a_fitted_model_knows_the_ngram_that_tells_labels_apart(examples):
    rows, targets = examples
    model = fit(rows, targets)
    assert (model.probabilities(rows[300:]).argmax(1) == targets[300:]).all()
    keys = ngram_keys(ids([1, 4]), order=2, vocabulary_size=200)[0]
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


def test_the_choice_with_the_higher_accuracy_on_eval_is_kept(examples):
    rows, targets = examples
    noisy = targets.copy()
    noisy[:90] = (noisy[:90] + 1) % 3
    models = [fit(rows, noisy, orders=(2,), costs=(c,)) for c in (1e-4, 1.0)]
    accuracies = [
        float((m.probabilities(rows[300:]).argmax(1) == noisy[300:]).mean())
        for m in models
    ]
    best = fit(rows, noisy, orders=(2,), costs=(1e-4, 1.0))
    assert best.cost == (1e-4, 1.0)[int(np.argmax(accuracies))]


def test_a_label_without_training_documents_is_not_answered(examples):
    rows, targets = examples
    model = fit_linear(
        rows[:300],
        np.minimum(targets[:300], 1),
        eval_documents=[],
        eval_targets=np.zeros(0, np.int64),
        num_labels=3,
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
