"""The warnings about data that the summary of a run counts."""

from textmill.components.artifacts import Profile, TokenRows
from textmill.components.base import DataWarnings


def test_a_profile_counts_its_anomalies_by_kind(tmp_path):
    profile = Profile(tmp_path)
    profile.facts = {"anomalies": {"imbalance": 1, "leakage": 2}}
    assert profile.warnings() == DataWarnings(3, "imbalance, 2 leakage")
    profile.facts = {"anomalies": {}}
    assert profile.warnings() is None


def test_rows_warn_of_documents_that_are_cut_and_of_no_other_lost_tokens(tmp_path):
    rows = TokenRows(tmp_path)
    cut = {"in": 1000, "dropped": 920, "documents": 60, "truncated": 58}
    few = {"in": 1000, "dropped": 100, "documents": 60, "truncated": 58}
    tail = {"in": 10, "dropped": 8, "documents": 2, "truncated": 0}
    rows.facts = {"schema": {"sequence_length": 8}, "tokens": {"train": few}}
    rows.facts["tokens"] |= {"eval": tail}
    assert rows.warnings() is None
    rows.facts["tokens"] |= {"test": cut}
    assert rows.warnings() == DataWarnings(
        1,
        "92% of the tokens are cut in test, where 58 of 60 documents do not fit into "
        "8 tokens",
    )
