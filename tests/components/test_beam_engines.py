"""Dataflow and Flink take ``run.beam`` whole: jobs made by their real runners."""

import io
import json
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.dataflow.internal import apiclient

from textmill.components.beam import open_pipeline

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from loopback import serving

DATAFLOW = {
    "runner": "DataflowRunner",
    "dry_run": "true",
    "no_auth": True,
    "project": "example",
    "region": "europe-west4",
    "job_name": "ingest",
    "temp_location": "gs://bucket/temp",
    "staging_location": "gs://bucket/staging",
    "sdk_container_image": "registry/textmill-worker:1",
    "machine_type": "n2-standard-8",
    "max_num_workers": 20,
    "service_account_email": "beam@example.iam.gserviceaccount.com",
    "subnetwork": "regions/europe-west4/subnetworks/s",
    "use_public_ips": False,
    "labels": ["team=text"],
}


def fill(pipeline):
    _ = pipeline | beam.Create(["a b", "c"]) | beam.FlatMap(str.split)


def test_a_job_for_dataflow_says_every_option(monkeypatch):
    pipeline = open_pipeline(DATAFLOW)
    fill(pipeline)
    job = pipeline.run().job
    with serving() as service:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.url)
        client = apiclient.DataflowApplicationClient(job.options)
        client.create_job_description(job)
    assert any(name.endswith("/pipeline.pb") for name in service.objects)
    environment = job.proto.environment
    [pool] = environment.worker_pools
    assert job.proto.name == "ingest"
    assert dict(job.proto.labels) == {"team": "text"}
    assert environment.service_account_email == "beam@example.iam.gserviceaccount.com"
    place = environment.temp_storage_prefix
    assert place.startswith("storage.googleapis.com/bucket/temp/ingest.")
    assert pool.machine_type == "n2-standard-8"
    assert pool.autoscaling_settings.max_num_workers == 20
    assert pool.ip_configuration.name == "WORKER_IP_PRIVATE"
    assert pool.subnetwork == "regions/europe-west4/subnetworks/s"
    images = {image.container_image for image in pool.sdk_harness_container_images}
    assert images == {"registry/textmill-worker:1"}


class _Flink(BaseHTTPRequestHandler):
    """The calls of Flink's REST interface that begin a job, and what they were told."""

    def log_message(self, *arguments):
        """Says nothing."""

    def do_GET(self):
        answers = {"/v1/config": {"flink-version": "1.19.1"}}
        done = {"status": {"id": "COMPLETED"}, "state": "FINISHED"}
        self._answer(answers.get(self.path, done | {"all-exceptions": []}))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told[self.path] = body
        self._answer({"filename": "/tmp/beam.jar", "jobid": "job-1"})

    def do_DELETE(self):
        self._answer({})

    def _answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def flink():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Flink)
    server.told = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_job_for_flink_is_one_jar_with_every_option(flink, tmp_path):
    jar = tmp_path / "job-server.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    pipeline = open_pipeline(
        {
            "runner": "FlinkRunner",
            "flink_master": f"127.0.0.1:{flink.server_port}",
            "flink_submit_uber_jar": True,
            "flink_job_server_jar": str(jar),
            "environment_type": "EXTERNAL",
            "environment_config": "localhost:50000",
            "parallelism": 4,
            "job_name": "ingest",
        }
    )
    fill(pipeline)
    pipeline.run().wait_until_finish()
    told = flink.told["/v1/jars/upload"]
    uploaded = zipfile.ZipFile(io.BytesIO(told[told.index(b"PK\x03\x04") :]))
    names = uploaded.namelist()
    options = next(name for name in names if name.endswith("pipeline-options.json"))
    said = json.loads(uploaded.read(options))
    assert said["beam:option:parallelism:v1"] == "4"
    assert said["beam:option:job_name:v1"] == "ingest"
    assert said["beam:option:environment_type:v1"] == "EXTERNAL"
    text = uploaded.read(next(n for n in names if n.endswith("pipeline.json"))).decode()
    assert "beam:env:external:v1" in text
    assert "/v1/jars/beam.jar/run" in flink.told
