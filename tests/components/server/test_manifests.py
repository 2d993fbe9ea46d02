"""The files of ``configs/serving``: probes and scraping are paths of the server."""

from pathlib import Path

from ruamel.yaml import YAML

SERVING = Path(__file__).parents[3] / "configs" / "serving"


def container(name):
    documents = list(YAML(typ="safe").load_all(SERVING / name))
    assert [document["kind"] for document in documents] == ["Deployment", "Service"]
    template = documents[0]["spec"]["template"]
    [first] = template["spec"]["containers"]
    return template, first


def test_probes_and_scraping_are_paths_of_the_server():
    template, server = container("textmill.yaml")
    paths = [
        server[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    ]
    assert paths == ["/readyz", "/readyz", "/healthz"]
    metrics = "/monitoring/prometheus/metrics"
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == metrics
    monitoring = (SERVING / "monitoring.config").read_text()
    assert f'path: "{metrics}"' in monitoring
    assert template["spec"]["terminationGracePeriodSeconds"] > 30


def test_tensorflow_serving_reads_the_folder_of_a_stage():
    _, server = container("tf_serving.yaml")
    assert "--model_base_path=/root-of-models/pushed/STAGE" in server["args"]


def test_the_containers_serve_a_stage_of_the_mounted_root():
    compose = YAML(typ="safe").load(SERVING / "compose.yaml")["services"]["textmill"]
    _, server = container("textmill.yaml")
    rest = ["--root", "/root-of-models", "--host", "0.0.0.0"]
    assert compose["command"] == ["serve", "${STAGE}", *rest]
    assert server["args"] == ["serve", "STAGE", *rest]
    assert compose["ports"] == ["127.0.0.1:8501:8501"]
