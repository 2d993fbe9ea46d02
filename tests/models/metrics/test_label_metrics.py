"""Metrics of labels and of numbers, against scikit-learn and scipy."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts, SumMetric
from textmill.models.metrics.resampling import Resamples

LABELS = tuple("abcdefg")
SIZE = 300


def interval(name, columns, *, labels=(), target="none"):
    metric = METRICS[name].load(target)
    rows = PredictedRows(columns, PredictionFacts(labels=labels))
    assert metric.applies(rows)
    # As predictions come: in several parts.
    parts = np.array_split(np.arange(len(rows)), 3)
    statistics = [
        metric.statistics(
            PredictedRows({k: v[part] for k, v in columns.items()}, rows.facts)
        )
        for part in parts
    ]
    joined = np.concatenate(statistics, axis=1)
    result = metric.interval(joined, rows.facts, seed=17)
    assert result["low"] < result["value"] < result["high"]
    [value] = metric.resampled(joined, np.ones((1, len(rows))), rows.facts)
    assert value == pytest.approx(result["value"], abs=1e-12)
    return result


@pytest.fixture
def label_rows():
    generator = np.random.default_rng(3)
    target = generator.integers(len(LABELS) - 1, size=SIZE).astype(np.int32)
    logits = generator.normal(size=(SIZE, len(LABELS))).astype(np.float32)
    logits[np.arange(SIZE), target] += 1.5
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {"target": target, "probabilities": share}


@pytest.fixture
def labels_rows():
    generator = np.random.default_rng(4)
    target = (generator.random((SIZE, len(LABELS))) < 0.3).astype(np.uint8)
    target[:, -1] = 0
    target[:5] = 0
    scores = 0.6 * target + 0.7 * generator.random(target.shape)
    scores = np.round(np.clip(scores, 0.001, 0.999), 2).astype(np.float32)
    chosen = (scores > 0.55).astype(np.uint8)
    chosen[:, -1] = 0
    return {"target": target, "scores": scores, "chosen": chosen}


@pytest.fixture
def number_rows():
    generator = np.random.default_rng(5)
    target = np.round(generator.gamma(2.0, 3.0, SIZE)).astype(np.float32)
    number = (target + generator.normal(0, 2, SIZE)).astype(np.float32)
    number[:40] = number[40:80]
    return {"target": target, "number": number}


@pytest.mark.parametrize(("name", "k"), [("top_3_accuracy", 3), ("top_5_accuracy", 5)])
def test_top_k_accuracy_is_scikit_learns(label_rows, name, k):
    expected = sklearn_metrics.top_k_accuracy_score(
        label_rows["target"],
        label_rows["probabilities"],
        k=k,
        labels=range(len(LABELS)),
    )
    value = interval(name, label_rows, labels=LABELS)["value"]
    assert value == pytest.approx(expected, abs=1e-12)


def test_equally_probable_labels_rank_as_in_an_answer():
    rows = PredictedRows(
        {
            "target": np.arange(5, dtype=np.int32),
            "probabilities": np.full((5, 5), 0.2, np.float32),
        },
        PredictionFacts(labels=LABELS[:5]),
    )
    hits, _ = METRICS["top_3_accuracy"].load().statistics(rows)
    assert hits.tolist() == [1, 1, 1, 0, 0]


def test_top_k_needs_more_labels_than_k():
    rows = PredictedRows({}, PredictionFacts(labels=LABELS[:5]))
    assert METRICS["top_3_accuracy"].load().applies(rows)
    assert not METRICS["top_5_accuracy"].load().applies(rows)


def test_micro_f1_of_one_label_is_scikit_learns(label_rows):
    answers = label_rows["probabilities"].argmax(axis=1)
    expected = sklearn_metrics.f1_score(label_rows["target"], answers, average="micro")
    value = interval("micro_f1", label_rows, labels=LABELS, target="label")["value"]
    assert value == pytest.approx(expected, abs=1e-12)


def test_mcc_is_scikit_learns(label_rows):
    answers = label_rows["probabilities"].argmax(axis=1)
    expected = sklearn_metrics.matthews_corrcoef(label_rows["target"], answers)
    value = interval("mcc", label_rows, labels=LABELS)["value"]
    assert value == pytest.approx(expected, abs=1e-12)


def test_mcc_of_one_answer_is_zero(label_rows):
    share = np.zeros_like(label_rows["probabilities"])
    share[:, 2] = 1.0
    rows = PredictedRows(
        label_rows | {"probabilities": share}, PredictionFacts(labels=LABELS)
    )
    metric = METRICS["mcc"].load()
    result = metric.interval(metric.statistics(rows), rows.facts, seed=1)
    assert result == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("name", "average"), [("micro_f1", "micro"), ("example_f1", "samples")]
)
def test_multilabel_f1_is_scikit_learns(labels_rows, name, average):
    expected = sklearn_metrics.f1_score(
        labels_rows["target"], labels_rows["chosen"], average=average, zero_division=1
    )
    value = interval(name, labels_rows, labels=LABELS, target="labels")["value"]
    assert value == pytest.approx(expected, abs=1e-12)


def test_multilabel_macro_f1_is_scikit_learns_of_labels_that_occur(labels_rows):
    expected = sklearn_metrics.f1_score(
        labels_rows["target"],
        labels_rows["chosen"],
        average="macro",
        labels=range(len(LABELS) - 1),
    )
    result = interval("macro_f1", labels_rows, labels=LABELS, target="labels")
    assert result["value"] == pytest.approx(expected, abs=1e-12)


def test_multilabel_ranking_is_scikit_learns_with_equal_scores_too(labels_rows):
    labels_rows["target"][5:8] = 1
    labels_rows["scores"] = np.round(labels_rows["scores"], 1)
    expected = sklearn_metrics.label_ranking_average_precision_score(
        labels_rows["target"], labels_rows["scores"]
    )
    value = interval("lrap", labels_rows, labels=LABELS, target="labels")["value"]
    assert value == pytest.approx(expected, abs=1e-12)


def test_multilabel_accuracy_and_loss_are_scikit_learns(labels_rows):
    accuracy = interval("accuracy", labels_rows, labels=LABELS, target="labels")
    expected = sklearn_metrics.accuracy_score(
        labels_rows["target"], labels_rows["chosen"]
    )
    assert accuracy["value"] == pytest.approx(expected, abs=1e-12)
    loss = interval("loss", labels_rows, labels=LABELS, target="labels")
    expected = sklearn_metrics.log_loss(
        labels_rows["target"].ravel(), labels_rows["scores"].ravel().astype(float)
    )
    assert loss["value"] == pytest.approx(expected, abs=1e-9)


def test_errors_of_numbers_are_scikit_learns(number_rows):
    pair = number_rows["target"].astype(float), number_rows["number"].astype(float)
    mae = interval("mae", number_rows)["value"]
    assert mae == pytest.approx(sklearn_metrics.mean_absolute_error(*pair), abs=1e-12)
    rmse = interval("rmse", number_rows)["value"]
    expected = sklearn_metrics.root_mean_squared_error(*pair)
    assert rmse == pytest.approx(expected, abs=1e-12)


def test_correlations_are_scipys_with_equal_values_too(number_rows):
    pair = number_rows["target"].astype(float), number_rows["number"].astype(float)
    pearson = interval("pearson", number_rows)["value"]
    assert pearson == pytest.approx(stats.pearsonr(*pair).statistic, abs=1e-12)
    spearman = interval("spearman", number_rows)["value"]
    assert spearman == pytest.approx(stats.spearmanr(*pair).statistic, abs=1e-12)


def test_ranks_of_a_resample_are_those_of_its_rows(number_rows):
    metric = METRICS["spearman"].load()
    rows = PredictedRows(number_rows)
    statistics = metric.statistics(rows)
    counts = next(iter(Resamples(SIZE, None, seed=2)))[:4]
    values = metric.resampled(statistics, counts, rows.facts)
    for value, count in zip(values, counts.astype(int), strict=True):
        drawn = np.repeat(statistics, count, axis=1)
        assert value == pytest.approx(stats.spearmanr(*drawn).statistic, abs=1e-12)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_the_correlation_of_a_constant_answer_is_zero(number_rows, name):
    metric = METRICS[name].load()
    number = np.full(SIZE, 1234.567, np.float32)
    rows = PredictedRows(number_rows | {"number": number})
    result = metric.interval(metric.statistics(rows), rows.facts, seed=1)
    assert result == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_interval_of_pearson_is_scipys_bootstrap(number_rows):
    pair = number_rows["target"].astype(float), number_rows["number"].astype(float)
    expected = stats.bootstrap(
        pair,
        lambda x, y: stats.pearsonr(x, y).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    result = interval("pearson", number_rows)
    width = expected.high - expected.low
    assert result["low"] == pytest.approx(expected.low, abs=0.12 * width)
    assert result["high"] == pytest.approx(expected.high, abs=0.12 * width)


class Variance(SumMetric):
    """The variance of one column, from three sums."""

    def statistics(self, rows):
        x = rows["number"].astype(np.float64)
        return np.stack([np.ones(len(x)), x, x * x])

    def of_sums(self, sums, facts):
        size, x, xx = np.moveaxis(sums, -1, 0)
        return xx / size - (x / size) ** 2


def test_a_function_of_sums_has_the_interval_of_a_bootstrap_over_rows(number_rows):
    metric, rows = Variance(), PredictedRows(number_rows)
    statistics = metric.statistics(rows)
    result = metric.interval(statistics, rows.facts, seed=5)
    values = number_rows["number"].astype(float)
    assert result["value"] == pytest.approx(values.var())
    expected = stats.bootstrap(
        (values,), np.var, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    width = expected.high - expected.low
    assert result["low"] == pytest.approx(expected.low, abs=0.12 * width)
    assert result["high"] == pytest.approx(expected.high, abs=0.12 * width)
