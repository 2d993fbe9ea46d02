"""Submission by the real clients, against services on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from google.cloud.aiplatform_v1.types import PipelineFailurePolicy

from textmill.models.errors import ConfigError, RemoteError
from textmill.pipeline.platforms import submission as submitting
from textmill.pipeline.platforms.config import KubeflowConfig, VertexConfig
from textmill.pipeline.platforms.kubeflow_client import KubeflowHost
from textmill.pipeline.platforms.submission import Submission, Transient, follow, submit
from textmill.pipeline.platforms.vertex_client import VertexRegion

sys.path.insert(0, str(Path(__file__).parents[1]))
from loopback import TOKEN, Fault, serving, write_account

JOBS = "projects/p/locations/us-central1/pipelineJobs"
REPOSITORY = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Lets the pauses between attempts pass, and notes how long they would be."""
    pauses = []
    monkeypatch.setattr(submitting, "sleep", pauses.append)
    return pauses


@pytest.fixture
def service():
    with serving() as service:
        yield service


@pytest.fixture
def kubeflow(service, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    config = KubeflowConfig(
        host=service.url, token="${env:KFP_TOKEN}", service_account="trainer"
    )
    return lambda: KubeflowHost(config)


@pytest.fixture
def vertex(service, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    account = write_account(tmp_path / "account.json", service)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.url)
    config = VertexConfig(
        project="p",
        endpoint=service.url,
        service_account="trainer@p.iam.gserviceaccount.com",
        network="projects/1/global/networks/n",
        labels={"team": "text"},
        failure_policy="fast",
    )
    return lambda: VertexRegion(config)


@pytest.fixture(params=["kubeflow", "vertex"])
def platform(request):
    """Each of both, once."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def asked():
    return Submission(
        pipeline="mail",
        spec=(GOLDEN / "vertex.yaml").read_bytes(),
        root="gs://bucket/root",
        values={"stages__pretrain__train__steps": 20},
    )


def begun(service):
    return len(service.runs) + len(service.jobs)


def test_repeating_a_submission_starts_no_second_run(platform, service, asked):
    first, is_new = submit(platform(), asked)
    assert is_new
    assert submit(platform(), asked) == (first, False)
    assert begun(service) == 1


def test_another_word_value_or_file_is_another_submission(asked):
    names = {
        asked.name,
        Submission(**vars(asked) | {"again": "2"}).name,
        Submission(**vars(asked) | {"values": {}}).name,
        Submission(**vars(asked) | {"spec": b"x"}).name,
    }
    assert len(names) == 4
    assert asked.name == Submission(**vars(asked)).name


def test_kubeflow_receives_the_complete_submission(kubeflow, service, asked):
    with_platform = (GOLDEN / "kubeflow.yaml").read_bytes()
    asked = Submission(**vars(asked) | {"spec": with_platform})
    submit(kubeflow(), asked)
    [run] = service.runs
    assert run["display_name"] == asked.name
    assert run["experiment_id"] == "experiments-1"
    assert run["service_account"] == "trainer"
    assert run["runtime_config"]["parameters"] == asked.values
    assert set(run["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}
    assert service.experiments[0]["display_name"] == "mail"


def test_vertex_receives_the_complete_submission(vertex, service, asked):
    submit(vertex(), asked)
    job = service.jobs[f"{JOBS}/{asked.name}"]
    assert job["serviceAccount"] == "trainer@p.iam.gserviceaccount.com"
    assert job["network"] == "projects/1/global/networks/n"
    assert job["labels"]["team"] == "text"
    runtime = job["runtimeConfig"]
    assert runtime["gcsOutputDirectory"] == "gs://bucket/root/vertex"
    assert PipelineFailurePolicy(runtime["failurePolicy"]).name.endswith("FAIL_FAST")
    assert runtime["parameterValues"] == asked.values
    assert job["pipelineSpec"]["pipelineInfo"] == {"name": "vertex"}


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "7"}},
        {"status": 503},
        {"cut": "before"},
        {"cut": "after"},
    ],
    ids=["429", "503", "cut before", "cut after"],
)
def test_a_transient_error_leaves_one_run(platform, service, asked, fault, no_waiting):
    path = "/runs" if "kubeflow" in repr(platform) else "/pipelineJobs"
    service.faults.append(Fault("POST", path, **fault))
    id, _ = submit(platform(), asked)
    assert begun(service) == 1
    assert platform().find(asked) == id
    if fault.get("status") == 429:
        assert no_waiting == [7.0]


def test_a_service_that_stays_away_is_given_up(platform, service, asked, no_waiting):
    service.faults += [Fault("GET", "/", cut="before") for _ in range(60)]
    with pytest.raises(RemoteError, match="gave up after 6 attempts"):
        submitting.with_retries(lambda: platform().find(asked))
    assert len(no_waiting) == 5
    assert begun(service) == 0


def test_two_concurrent_processes_start_one_run(platform, service, asked, monkeypatch):
    barrier = threading.Barrier(2, timeout=20)
    results = []

    def one():
        host = platform()
        find, waited = host.find, []

        def both_find_none(submission):
            known = find(submission)
            if not waited:
                waited.append(barrier.wait())
            return known

        host.find = both_find_none
        results.append(submit(host, asked))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({id for id, _ in results}) == 1
    assert begun(service) == 1


def test_a_run_is_followed_to_its_end(platform, service, asked):
    id, _ = submit(platform(), asked)
    service.states = [
        ("PENDING", {}),
        ("RUNNING", {"ingest-letters": "RUNNING"}),
        ("RUNNING", {"ingest-letters": "SUCCEEDED", "vocabulary": "RUNNING"}),
        ("FAILED", {"ingest-letters": "SUCCEEDED", "vocabulary": "FAILED"}),
    ]
    service.faults.append(Fault("GET", id.rpartition("/")[2], status=503))
    reports = []
    status = follow(
        platform(), id, report=lambda *news: reports.append(news), poll_seconds=0.0
    )
    assert status.state == "failed"
    assert reports == [
        ("ingest-letters", "running"),
        ("ingest-letters", "succeeded"),
        ("vocabulary", "running"),
        ("vocabulary", "failed"),
    ]


def test_a_run_is_cancelled(platform, service, asked):
    id, _ = submit(platform(), asked)
    platform().cancel(id, asked)
    assert platform().status(id).state == "cancelled"


def test_a_schedule_is_made_once_and_removed(platform, service, asked):
    nightly = Submission(**vars(asked) | {"cron": "0 3 * * *"})
    id, is_new = submit(platform(), nightly)
    assert is_new
    assert submit(platform(), nightly) == (id, False)
    assert len(service.recurring) + len(service.schedules) == 1
    assert begun(service) == 0
    platform().cancel(id, nightly)
    assert not service.recurring
    assert not service.schedules


def test_a_wrong_token_is_refused_in_a_sentence(service, kubeflow, asked, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", "another")
    with pytest.raises(RemoteError, match=r"answers 401 .*run\.kubeflow\.token"):
        submitting.with_retries(kubeflow)
        submit(kubeflow(), asked)
    assert service.called("POST", "/runs") == 0


def test_missing_rights_are_refused_in_a_sentence(platform, service, asked):
    service.faults += [
        Fault("GET", "/", status=403),
        Fault("GET", "/", status=403),
    ]
    with pytest.raises(RemoteError, match="answers 403"):
        submitting.with_retries(lambda: platform().find(asked))
    assert begun(service) == 0


def test_without_credentials_the_message_says_how_to_log_in(
    service, vertex, monkeypatch, tmp_path
):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(RemoteError, match="gcloud auth application-default login"):
        vertex()


def test_without_an_address_the_config_is_at_fault(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    with pytest.raises(ConfigError, match=r"run\.kubeflow\.host: expected the address"):
        KubeflowHost(KubeflowConfig())
    with pytest.raises(ConfigError, match=r"run\.vertex\.project: expected"):
        VertexRegion(VertexConfig())


def test_a_lasting_network_error_exits_with_7():
    def fails():
        raise Transient("host: does not answer")

    with pytest.raises(RemoteError) as caught:
        submitting.with_retries(fails)
    assert caught.value.exit_code == 7


def test_the_command_submits_follows_and_cancels(service, tmp_path):
    account = write_account(tmp_path / "account.json", service)
    environment = os.environ | {
        "GOOGLE_APPLICATION_CREDENTIALS": account,
        "PYTHONPATH": str(REPOSITORY / ".ci/typing"),
    }

    def textmill(*more):
        command = ["submit", "configs/vertex.yaml", "--to", "vertex"]
        options = ["--root", "gs://b/r", "--poll-seconds", "0.01"]
        options += ["--set", f"run.vertex.endpoint={service.url}"]
        return subprocess.run(
            [sys.executable, "-m", "textmill.pipeline.cli", *command, *options, *more],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
        )

    service.states = [("FAILED", {"ingest-corpus": "FAILED"})]
    done = textmill("--wait", "--json", "--parameter", "stages.pretrain.train.steps=5")
    assert done.returncode == 7
    assert json.loads(done.stdout)["state"] == "failed"
    assert "ingest-corpus: failed" in done.stderr
    [job] = service.jobs.values()
    assert job["runtimeConfig"]["parameterValues"] == {
        "stages__pretrain__train__steps": 5
    }
    done = textmill("--cancel", "--parameter", "stages.pretrain.train.steps=5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(": cancelled\n")
    done = textmill("--parameter", "stages.pretrain.train.step=5")
    assert done.returncode == 2
    assert "did you mean 'stages.pretrain.train.steps'?" in done.stderr
