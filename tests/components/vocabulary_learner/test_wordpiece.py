import subprocess
import sys
from pathlib import Path

from textmill.components.vocabulary_learner.wordpiece import learn_pieces


def test_the_most_frequent_pair_is_merged_first():
    pieces = learn_pieces({"low": 5, "lower": 2, "slow": 3}, size=14)
    assert pieces[:7] == ["##e", "##l", "##o", "##r", "##w", "l", "s"]
    assert pieces[7:10] == ["##ow", "low", "##low"]


def test_merges_go_on_from_merges_and_stop_at_single_counts():
    pieces = learn_pieces({"aaaa": 4, "xy": 1}, size=50)
    assert pieces == ["##a", "##y", "a", "x", "##aa", "##aaa", "aaaa"]


def test_rare_characters_are_left_out():
    pieces = learn_pieces({"ab": 9, "cd": 8, "世": 1}, size=8)
    assert not any("世" in piece for piece in pieces)


def test_another_process_and_another_order_give_the_same_entries():
    counts = {f"{a}{b}{c}": 2 for a in "abcde" for b in "abcde" for c in "abcde"}
    code = f"""
from textmill.components.vocabulary_learner.wordpiece import learn_pieces
print(learn_pieces(dict(reversed({counts!r}.items())), size=60))
"""
    root = Path(__file__).parents[3] / ".ci/typing"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {str(learn_pieces(counts, size=60))}
