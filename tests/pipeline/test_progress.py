"""Progress on standard error: lines, live tables and the expected time left."""

from __future__ import annotations

import io

import pytest

from textmill.pipeline.progress import Activity, PlainProgress, clock


def test_lines_show_starts_and_results():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.handle("node_finished", {"node": "a", "state": "cached", "seconds": 0})
    progress.handle("node_started", {"node": "b", "reason": "config x: 1 -> 2"})
    progress.handle("progress", {"node": "b", "step": 1, "total": 9})
    progress.handle("node_finished", {"node": "b", "state": "ran", "seconds": 75.2})
    progress.handle("node_started", {"node": "c", "reason": ""})
    failed = {"node": "c", "state": "failed", "seconds": 1.0, "error": "no rows"}
    progress.handle("node_finished", failed)
    noted = {"node": "d", "state": "ran", "seconds": 2, "note": "590 tokens learned"}
    progress.handle("node_finished", noted)
    progress.handle("node_finished", {"node": "e", "state": "skipped", "seconds": 0})
    assert stream.getvalue().splitlines() == [
        "a: cached",
        "b: started  config x: 1 -> 2",
        "b: ran  1:15  config x: 1 -> 2",
        "c: started",
        "c: failed  0:01  no rows",
        "d: ran  0:02  590 tokens learned",
    ]


def test_no_node_is_silent_for_more_than_ten_seconds():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.handle("node_started", {"node": "b", "reason": "first run"})
    progress.handle("progress", {"node": "b", "phase": "compiling 1 of 2"})
    progress.tick()
    progress.last["b"] -= 10
    progress.tick()
    progress.tick()
    assert stream.getvalue().splitlines()[1:] == ["b: 0:00  compiling 1 of 2"]


def test_a_resumed_node_says_so_at_once_and_at_its_end():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.handle("node_started", {"node": "b", "reason": "first run"})
    progress.handle("progress", {"node": "b", "phase": "reading", "resumed": 1024})
    progress.handle("node_finished", {"node": "b", "state": "ran", "seconds": 7})
    assert stream.getvalue().splitlines()[1:] == [
        "b: resumed at step 1,024",
        "b: ran  0:07  resumed at step 1,024",
    ]


@pytest.mark.parametrize(
    ("saving", "by_user", "line"),
    [
        (
            ["train.a"],
            True,
            "stopping: train.a finishes its step and saves; press Ctrl-C again to "
            "stop without saving",
        ),
        (
            ["train.a", "train.b"],
            False,
            "stopping: train.a and train.b finish and save",
        ),
        ([], True, "stopping"),
    ],
)
def test_a_request_to_stop_is_acknowledged(saving, by_user, line):
    stream = io.StringIO()
    PlainProgress(stream).handle("stopping", {"saving": saving, "by_user": by_user})
    assert stream.getvalue() == f"{line}\n"


def test_an_activity_shows_step_loss_rate_and_time_left():
    activity = Activity("train.x")
    assert activity.status() == "running"
    activity.update({"phase": "compiling"})
    assert activity.status() == "compiling"
    event = {"step": 200, "total": 1200, "loss": 5.1234, "rate": None}
    activity.update(event | {"seconds_left": None})
    assert activity.status() == "step 200/1,200, loss 5.123"
    activity.update(event | {"rate": 812.04, "unit": "rows/s", "seconds_left": 90.0})
    activity.updated -= 30
    assert activity.status() == "step 200/1,200, loss 5.123, 812 rows/s, 1:00 left"


def test_a_clock_has_hours_only_when_needed():
    assert [clock(seconds) for seconds in (0.4, 67, 3723)] == [
        "0:00",
        "1:07",
        "1:02:03",
    ]
