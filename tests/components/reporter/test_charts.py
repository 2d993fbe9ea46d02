import pytest

from tests.components.reporter.pages import EDGES
from textmill.components.reporter.charts import (
    draw_graph,
    draw_plot,
    reduce_edges,
    round_ticks,
    spread,
)


def test_implied_edges_are_not_drawn():
    assert reduce_edges(EDGES) == {
        "ingest.mail": [],
        "profile.mail": ["ingest.mail"],
        "vocabulary": ["ingest.mail"],
        "tokenize.spam": ["vocabulary"],
        "train.spam": ["tokenize.spam"],
        "evaluate.spam": ["train.spam"],
        "export.spam": ["train.spam"],
        "validate.spam": ["export.spam"],
        "push.spam": ["evaluate.spam", "validate.spam"],
        "report": ["profile.mail", "push.spam"],
    }


def test_graph_has_a_swimlane_per_name_and_a_column_per_depth():
    graph = draw_graph(EDGES)
    place = {box.node: (box.x, box.y) for box in graph.boxes}
    assert [swimlane.title for swimlane in graph.swimlanes] == ["mail", "", "spam"]
    assert len(set(place.values())) == len(EDGES)
    assert place["evaluate.spam"][1] == place["push.spam"][1]
    assert place["export.spam"][1] == place["validate.spam"][1]
    assert place["export.spam"][0] == place["evaluate.spam"][0]
    columns = ["ingest.mail", "vocabulary", "tokenize.spam", "train.spam"]
    assert [place[node][0] for node in columns] == [76, 190, 304, 418]


def test_graph_reads_the_same_in_any_order():
    assert draw_graph(dict(sorted(EDGES.items()))).boxes[0].node == "ingest.mail"
    assert draw_graph({}).boxes == []


def test_plot_scales_to_round_axes():
    plot = draw_plot({"train": [[0, 4.1], [50, 2.0], [100, 1.0]]})
    assert [(tick.position, tick.value) for tick in plot.y_ticks] == [
        (100.0, 1.0),
        (75.0, 2.0),
        (50.0, 3.0),
        (25.0, 4.0),
        (0.0, 5.0),
    ]
    assert plot.lines[0].points == "0,22.5 50,75 100,100"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 800, [0, 200, 400, 600, 800]),
        (1e-9, 1e-3, [0, 0.0005, 0.001]),
        (2.0, 2.0, [1.0, 1.5, 2.0, 2.5, 3.0]),
        (0.0, 0.0, [-0.5, 0.0, 0.5]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, ticks):
    assert round_ticks(low, high) == ticks


def test_labels_of_neighbouring_curves_move_apart():
    assert spread([50, 52, 10], 10) == [50, 60, 10]
    assert spread([99, 98], 10) == [100, 90]
