"""The page's table of folds."""

from textmill.components.reporter.folds_section import describe_folds
from textmill.components.reporter.measures import Interval


def test_folds_are_in_the_order_of_their_numbers():
    by_fold = {
        str(fold): {"rows": 10 + fold, "metrics": {"loss": 0.5, "accuracy": fold / 100}}
        for fold in (1, 10, 2)
    }
    bounds = {"value": 0.05, "low": 0.0, "high": 0.1}
    table = describe_folds(
        "classify",
        {
            "rows": 43,
            "metrics": {"loss": bounds, "accuracy": bounds},
            "by_fold": by_fold,
            "spread": {"loss": 0.0, "accuracy": 0.02},
        },
    )
    assert table["metrics"] == ["accuracy", "loss"]
    assert table["rows"] == [
        ("1", 11, [0.01, 0.5]),
        ("2", 12, [0.02, 0.5]),
        ("10", 20, [0.1, 0.5]),
    ]
    assert table["all"] == [Interval(0.05, 0.0, 0.1)] * 2
    assert table["spread"] == [0.02, 0.0]
    assert describe_folds("classify", None) is None
