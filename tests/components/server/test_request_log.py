"""The request log of a server holds its answers, personal data masked."""

import json

import pyarrow.parquet as pq

from tests.components.server.conftest import RunningServer


def test_answers_of_a_server_are_in_its_request_log(stages, tmp_path):
    server = RunningServer(
        [stages / "topic"], log_requests=str(tmp_path / "log"), sample=1.0
    )
    texts = ["abc", "a ada@example.com b"]
    reply = server.ask("/v1/models/topic:predict", {"instances": texts})
    assert server.stop() == 0
    [path] = (tmp_path / "log").iterdir()
    rows = pq.read_table(path).to_pylist()
    assert [row["texts"] for row in rows] == [["abc"], ["a <EMAIL> b"]]
    assert [json.loads(row["answer"]) for row in rows] == reply.json["predictions"]
    version = int(reply.headers["X-Model-Version"])
    assert [(r["model"], r["version"]) for r in rows] == [("topic", version)] * 2
