"""The graph: order, selection, and refused graphs."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from textmill.components.base import Artifact, Channel, Component, Input, Output
from textmill.models.errors import ConfigError
from textmill.pipeline.pipeline import Pipeline


class Thing(Artifact):
    pass


@dataclass(frozen=True)
class Nothing:
    pass


def step(
    *, things: dict[str, Input[Thing]], thing: Output[Thing], config: Nothing
) -> None:
    pass


class Step(Component, executor=step):
    pass


def node(id: str, *upstream: str) -> Step:
    things = {name: Channel(name, "thing", Thing) for name in upstream}
    return Step(Nothing(), id=id, things=things)


def ids(pipeline: Pipeline) -> list[str]:
    return [node.id for node in pipeline.nodes]


DIAMOND = [node("d", "b", "c"), node("c", "a"), node("b", "a"), node("a"), node("e")]


def test_nodes_come_upstream_first_and_as_declared_where_there_is_a_choice():
    assert ids(Pipeline("p", DIAMOND)) == ["a", "c", "b", "d", "e"]
    assert ids(Pipeline("p", DIAMOND[::-1])) == ["e", "a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("bounds", "selected"),
    [
        ({}, "abcde"),
        ({"only": ["b", "e"]}, "be"),
        ({"start": "b"}, "bd"),
        ({"until": "b"}, "ab"),
        ({"start": "a", "until": "c"}, "ac"),
        ({"start": "a", "only": ["d", "e"]}, "d"),
    ],
)
def test_a_selection_meets_every_bound_and_keeps_the_graph(bounds, selected):
    selection = Pipeline("p", DIAMOND).select(**bounds)
    assert selection.selected == set(selected)
    assert ids(selection) == ["a", "c", "b", "d", "e"]


@pytest.mark.parametrize(
    ("bounds", "selected"),
    [
        ({"only": ["topic"]}, {"train.topic.1", "push.topic"}),
        ({"only": ["topic", "report"]}, {"train.topic.1", "push.topic", "report"}),
        ({"until": "mood"}, {"ingest.mails", "train.mood"}),
        ({"start": "mails"}, {"ingest.mails", "train.topic.1", "push.topic"}),
    ],
)
def test_a_stage_or_a_data_set_stands_for_its_nodes(bounds, selected):
    graph = [
        node("ingest.mails"),
        node("train.topic.1", "ingest.mails"),
        node("push.topic", "train.topic.1"),
        node("train.mood", "ingest.mails"),
        node("report", "push.topic", "train.mood"),
    ]
    if "start" in bounds:
        selected |= {"train.mood", "report"}
    assert Pipeline("p", graph).select(**bounds).selected == selected


def test_needed_nodes_are_the_selected_and_all_that_they_rest_on():
    assert Pipeline("p", DIAMOND).select(only=["c", "e"]).needed() == {"a", "c", "e"}


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([node("a"), node("a")], "node 'a': the id is used twice"),
        ([node("../a")], "node '../a': expected letters"),
        (
            [node("train.x"), node("b", "train.y")],
            "node 'b': reads from 'train.y', which is not in pipeline 'p'; "
            "did you mean 'train.x'?",
        ),
        (
            [node("a", "c"), node("b", "a"), node("c", "b")],
            "p: the nodes form a cycle: ",
        ),
    ],
)
def test_an_impossible_graph_is_refused(nodes, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        Pipeline("p", nodes)


def test_an_output_that_the_producer_lacks_is_refused():
    reader = Step(Nothing(), id="b", things={"x": Channel("a", "other", Thing)})
    with pytest.raises(ConfigError, match="'a' has no output 'other' of type Thing"):
        Pipeline("p", [node("a"), reader])


def test_an_unknown_node_is_named_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r"node or stage 'train.libary'; did you mean"
    ):
        Pipeline("p", [node("train.library")]).select(only=["train.libary"])


def test_bounds_without_a_node_between_them_are_refused():
    with pytest.raises(ConfigError, match="no node lies between"):
        Pipeline("p", DIAMOND).select(start="d", until="a")
