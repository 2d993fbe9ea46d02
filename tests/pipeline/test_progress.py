"""Progress on standard error: lines, live tables and the expected time left."""

from __future__ import annotations

import io

from textmill.pipeline.progress import Activity, PlainProgress, clock


def test_lines_show_starts_and_results():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.handle("node_finished", {"node": "a", "state": "cached", "seconds": 0})
    progress.handle("node_started", {"node": "b", "reasons": ["config x: 1 -> 2"]})
    progress.handle("progress", {"node": "b", "step": 1, "total": 9})
    progress.handle("node_finished", {"node": "b", "state": "ran", "seconds": 75.2})
    progress.handle("node_started", {"node": "c", "reasons": []})
    failed = {"node": "c", "state": "failed", "seconds": 1.0, "error": "no rows"}
    progress.handle("node_finished", failed)
    noted = {"node": "d", "state": "ran", "seconds": 2, "note": "590 tokens learned"}
    progress.handle("node_finished", noted)
    assert stream.getvalue().splitlines() == [
        "a: cached",
        "b: started  config x: 1 -> 2",
        "b: ran  1:15  config x: 1 -> 2",
        "c: started",
        "c: failed  0:01  no rows",
        "d: ran  0:02  590 tokens learned",
    ]


def test_an_activity_shows_step_loss_rate_and_time_left():
    activity = Activity("train.x")
    assert activity.words() == []
    activity.update({"step": 200, "total": 1200, "loss": 5.1234, "rate": 812.04})
    assert activity.words() == ["step 200/1,200", "loss 5.123", "812 steps/s"]
    assert activity.first is not None
    # A run that resumed at step 200 took 40 s for the 400 steps since.
    activity.first = (activity.first[0] - 40, 200)
    activity.update({"step": 600, "unit": "rows/s"})
    assert activity.words()[-2:] == ["812 rows/s", "1:00 left"]


def test_a_clock_has_hours_only_when_needed():
    assert [clock(seconds) for seconds in (0.4, 67, 3723)] == [
        "0:00",
        "1:07",
        "1:02:03",
    ]
