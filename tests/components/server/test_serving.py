"""A server of two exported models, asked as a client of TensorFlow Serving asks."""

import base64
import json
import shutil
import socket
import threading
import time
from collections import Counter

import psutil
import pytest

from tests.components.server.conftest import LABELS, RunningServer
from textmill.components.versions import rollback
from textmill.models.errors import IntegrityError

TOPIC, STORY = "/v1/models/topic", "/v1/models/story"
TEXTS = ["abba", "", "a b c", "hgfe" * 12, "zzz", "\0", "[MASK]"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (TOPIC, None, 200),
        (f"{TOPIC}/versions/1", None, 200),
        (f"{TOPIC}/labels/current", None, 200),
        (f"{TOPIC}/metadata", None, 200),
        (f"{TOPIC}/versions/1:predict", {"instances": ["a"]}, 200),
        (f"{TOPIC}/labels/current:predict", {"instances": ["a"]}, 200),
        ("/v1/models/none", None, 404),
        (f"{TOPIC}/versions/7", None, 404),
        (f"{TOPIC}/versions/7:predict", {"instances": ["a"]}, 404),
        (f"{TOPIC}/labels/none:predict", {"instances": ["a"]}, 404),
        (f"{TOPIC}:predict", {"instances": [3]}, 400),
        (f"{TOPIC}:predict", {"instances": [{"b64": "!"}]}, 400),
        (f"{TOPIC}:predict", b"\xff\xfe", 400),
        (f"{TOPIC}:regress", {"examples": [{"text": "a"}]}, 400),
        (f"{TOPIC}:foo", {"instances": ["a"]}, 400),
        (f"{TOPIC}:predict", None, 400),
        ("/readyz", {}, 405),
        ("/v1/foo", None, 400),
        ("/foo", None, 404),
        (f"{TOPIC}:predict", b"x" * (2**20 + 1), 413),
        (f"{TOPIC}:predict", {"instances": ["a"] * 4097}, 400),
        (f"{TOPIC}:generate", {"prompt": "a"}, 400),
        ("/healthz", None, 200),
        ("/readyz", None, 200),
        ("/", None, 200),
    ],
)
def test_requests_have_the_status_of_the_table(server, path, body, status):
    reply = server.ask(path, body)
    assert reply.status == status, reply.body
    assert reply.headers["X-Request-Id"]
    if status >= 400:
        assert list(reply.json) == ["error"]


def test_rows_and_columns_have_the_same_answers(server):
    rows = server.ask(f"{TOPIC}:predict", {"instances": TEXTS}).json["predictions"]
    columns = server.ask(f"{TOPIC}:predict", {"inputs": TEXTS}).json["outputs"]
    assert [row["label"] for row in rows] == columns["label"]
    assert [row["probabilities"] for row in rows] == columns["probabilities"]
    scores = server.ask(f"{TOPIC}:classify", {"examples": [{"text": t} for t in TEXTS]})
    assert scores.json["results"] == [
        [list(pair) for pair in zip(LABELS, row["probabilities"], strict=True)]
        for row in rows
    ]


def test_an_answer_has_the_same_bits_alone_and_among_others(server):
    together = server.ask(f"{TOPIC}:predict", {"instances": TEXTS}).json["predictions"]
    alone, threads = {}, []
    for text in TEXTS:
        ask = lambda text=text: alone.update(  # noqa: E731
            {text: server.ask(f"{TOPIC}:predict", {"instances": [text]}).json}
        )
        threads.append(threading.Thread(target=ask))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [alone[text]["predictions"] for text in TEXTS] == [[a] for a in together]


def test_one_output_has_no_name_and_bytes_are_base64(server):
    labels = server.ask(f"{TOPIC}:predict", {"signature_name": "labels", "inputs": {}})
    assert labels.json == {"outputs": list(LABELS)}
    encoded = base64.b64encode(b"abba").decode()
    answers = server.ask(
        f"{TOPIC}:predict", {"instances": ["abba", {"b64": encoded}, {"b64": "/w=="}]}
    ).json["predictions"]
    assert answers[0] == answers[1] != answers[2]


def test_the_metadata_names_inputs_and_outputs(server):
    reply = server.ask(f"{TOPIC}/metadata").json
    assert reply["model_spec"] == {
        "name": "topic",
        "signature_name": "",
        "version": "1",
    }
    signature = reply["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert signature["inputs"]["text"]["tensor_shape"]["dim"] == [
        {"size": "-1", "name": ""}
    ]
    assert server.ask(TOPIC).json == {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


@pytest.mark.slow
def test_a_streamed_text_is_the_generated_one(both):
    knobs = {"max_tokens": 12, "temperature": 0.9, "seed": 5}
    columns = {"text": ["abc"], **knobs}
    whole = both.ask(
        f"{STORY}:predict", {"signature_name": "generate", "inputs": columns}
    ).json["outputs"]
    reply = both.ask(f"{STORY}:generate", {"text": "abc", **knobs})
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    *parts, last = [
        json.loads(block.removeprefix("data: "))
        for block in reply.body.decode().strip().split("\n\n")
    ]
    text = ""
    for part in parts:
        text = part.get("text", text + part.get("delta", ""))
    assert [text] == [last["text"]] == whole
    assert last["done"] is True
    refused = both.ask(f"{STORY}:generate", {"text": "abc", "beams": 3})
    assert b"expected max_tokens" in refused.body


def test_metrics_have_the_names_and_buckets_of_tensorflow_serving(server):
    server.ask(f"{TOPIC}:predict", {"instances": ["a"]})
    text = server.ask("/monitoring/prometheus/metrics").body.decode()
    assert ':tensorflow:serving:request_count{model_name="topic",status="OK"} ' in text
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    for bound in ("10.0", "18.0", "32.4", "+Inf"):
        assert f'entrypoint="REST",le="{bound}",model_name="topic"}}' in text
    assert 'textmill_version{model_name="topic"} 1.0' in text


def test_another_sites_name_for_this_machine_is_refused(server):
    assert server.ask(TOPIC, Host="example.org").status == 403
    assert server.ask(TOPIC, Host=f"localhost:{server.port}").status == 200


def test_a_request_id_is_returned_and_a_strange_one_replaced(server):
    assert server.ask(TOPIC, X_Request_Id="a-1").headers["X-Request-Id"] == "a-1"
    assert server.ask(TOPIC, X_Request_Id="a b").headers["X-Request-Id"] != "a b"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/models/topic:predict HTT",
        b"POST /v1/models/topic:predict HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 100\r\n\r\n{",
    ],
)
def test_a_connection_that_sends_no_whole_request_is_ended(server, sent):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(sent)
        received = connection.recv(4096)
    is_body = b"Content-Length" in sent
    assert received[9:12] == (b"408" if is_body else b"")


def test_a_megabyte_of_text_is_answered(server):
    reply = server.ask(f"{TOPIC}:predict", {"instances": ["a b " * 250_000]})
    assert reply.status == 200
    assert reply.json["predictions"][0]["label"] in LABELS


def test_a_newer_version_answers_after_it_is_loaded_and_the_older_process_ends(
    server, stages
):
    stage, statuses, is_done = stages / "topic", Counter(), threading.Event()
    expected = server.ask(f"{TOPIC}:predict", {"instances": TEXTS}).json
    older = server.wait("loaded", model="topic", version=1)["pid"]

    def ask():
        while not is_done.is_set():
            reply = server.ask(f"{TOPIC}:predict", {"instances": TEXTS})
            assert reply.json == expected
            statuses[reply.status, reply.headers["X-Model-Version"]] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert rollback(stage, number=1) == (1, 2)
        server.wait("unloaded", model="topic", version=1)
    finally:
        is_done.set()
        thread.join()
    assert not psutil.pid_exists(older)
    assert set(statuses) <= {(200, "1"), (200, "2")}
    assert server.ask(TOPIC).json["model_version_status"][0]["version"] == "2"

    damaged = shutil.copytree(stage / "2", stage / "3")
    with (damaged / "saved_model.pb").open("ab") as file:
        file.write(b"x")
    (stage / "current.json").write_text('{"version": 3, "pinned": false}')
    assert "saved_model.pb" in server.wait("refused", model="topic")["message"]
    assert server.ask(f"{TOPIC}:predict", {"instances": TEXTS}).json == expected
    assert server.ask("/readyz").status == 200
    (stage / "current.json").write_text('{"version": 2, "pinned": false}')


@pytest.mark.slow
def test_a_full_queue_refuses_and_an_ended_process_is_started_again(story):
    server = RunningServer([story], max_queue=2, tokens=["secret"])
    bearer = {"Authorization": "Bearer secret"}
    try:
        assert server.ask(STORY).status == 401
        assert server.ask(STORY, Authorization="Bearer wrong").status == 401
        assert server.ask("/healthz").status == 200
        assert server.ask("/").status == 200
        statuses, body = Counter(), {"instances": ["abc"] * 40}
        threads = [
            threading.Thread(
                target=lambda: statuses.update(
                    [server.ask(f"{STORY}:predict", body, **bearer).status]
                )
            )
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 429}
        psutil.Process(server.wait("loaded")["pid"]).kill()
        server.wait("ended")
        while server.ask("/readyz").status != 200:
            time.sleep(0.1)
        assert server.ask(f"{STORY}:predict", body, **bearer).status == 200
        slow = threading.Thread(
            target=lambda: statuses.update(
                [
                    server.ask(
                        f"{STORY}:predict", {"instances": ["a"] * 400}, **bearer
                    ).status
                ]
            )
        )
        before = statuses[200]
        slow.start()
        time.sleep(0.2)
    finally:
        code = server.stop()
    slow.join()
    assert (code, statuses[200]) == (0, before + 1)


def test_a_damaged_version_is_not_served(stages, tmp_path):
    from textmill.components.server import ModelSource, ServerConfig, serve

    folder = shutil.copytree(stages / "topic" / "1", tmp_path / "1")
    with (folder / "saved_model.pb").open("ab") as file:
        file.write(b"x")
    source = ModelSource("topic", lambda: folder)
    with pytest.raises(IntegrityError, match=r"saved_model\.pb"):
        serve([source], ServerConfig(port=0))
