"""Compiled files: the same bytes, read by KFP's own loader, without a secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import load_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.platforms.compile import compile_pipeline
from textmill.pipeline.platforms.config import NodeConfig, node_config
from textmill.pipeline.platforms.yaml import dump

REPOSITORY = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"
MACHINES = "run.nodes.train.machines=3"
CASES = {
    "kubeflow": ("kubeflow.yaml", "/mnt/textmill/root", ()),
    "vertex": ("vertex.yaml", "gs://textmill-example/root", ()),
    "tfjob": ("kubeflow.yaml", "/mnt/textmill/root", (MACHINES,)),
}
"""By target: a file of configs/, the root, and what is set."""


def compiled(to, name="kubeflow.yaml", *overrides, root="/mnt/textmill/root"):
    path = REPOSITORY / "configs" / name
    loaded = load_config(path, overrides, with_environment=False)
    pipeline = create_pipeline(loaded, Path("/root-of-the-run"))
    return compile_pipeline(loaded, pipeline, to=to, root=root).decode()


def specs(text):
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("to", CASES)
def test_a_compiled_file_equals_the_reviewed_one(to):
    name, root, overrides = CASES[to]
    text = compiled(to, name, *overrides, root=root)
    assert text == (GOLDEN / f"{to}.yaml").read_text()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_two_compiles_are_the_same_bytes(tmp_path, hash_seed):
    command = [
        sys.executable,
        "-m",
        "textmill.pipeline.cli",
        "compile",
        "configs/kubeflow.yaml",
    ]
    done = subprocess.run(
        [*command, "--to", "kubeflow", "--root", "/mnt/textmill/root", "-o", "-"],
        cwd=REPOSITORY,
        env={"PYTHONHASHSEED": hash_seed, "PATH": "", "TZ": "Asia/Tokyo"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == (GOLDEN / "kubeflow.yaml").read_bytes()


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (REPOSITORY / "configs").glob("*.yaml"))
)
@pytest.mark.parametrize("to", ["kubeflow", "vertex"])
def test_every_config_is_read_by_the_loader_of_kfp(to, name):
    overrides = ["run.nodes={}"] if {to, name} == {"kubeflow", "vertex.yaml"} else []
    if {to, name} == {"vertex", "kubeflow.yaml"}:
        overrides = ["run.nodes={}"]
    text = compiled(to, name, *overrides, root="gs://bucket/root")
    loaded = components.load_component_from_text(text)
    spec, *platforms = specs(text)
    assert {"config", "project", "root"} <= set(loaded.component_spec.inputs)
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    for executor in spec["deploymentSpec"]["executors"].values():
        kind = pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec
        json_format.ParseDict(executor, kind())
    for document in platforms:
        executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for executor in executors.values():
            kind = kubernetes_executor_config_pb2.KubernetesExecutorConfig
            json_format.ParseDict(executor, kind())


def test_artifacts_have_the_types_of_kfp():
    [spec, _] = specs(compiled("kubeflow"))
    outputs = {
        name: {
            output: entry["artifactType"]["schemaTitle"]
            for output, entry in component["outputDefinitions"]["artifacts"].items()
        }
        for name, component in spec["components"].items()
        if "outputDefinitions" in component
    }
    assert outputs == {
        "comp-ingest-libraries": {"documents": "system.Dataset"},
        "comp-profile-libraries": {"profile": "system.Metrics"},
        "comp-vocabulary": {"vocabulary": "system.Dataset"},
        "comp-tokenize-library": {"rows": "system.Dataset"},
        "comp-train-library": {"model": "system.Model", "logs": "system.Metrics"},
        "comp-predict-library": {"predictions": "system.Dataset"},
        "comp-linear-library": {"model": "system.Model"},
        "comp-predict-linear-library": {"predictions": "system.Dataset"},
        "comp-calibrate-library": {
            "model": "system.Model",
            "predictions": "system.Dataset",
        },
        "comp-evaluate-library": {
            "evaluation": "system.Metrics",
            "confusion": "system.ClassificationMetrics",
        },
        "comp-export-library": {"serving": "system.Model"},
        "comp-validate-library": {"validation": "system.Metrics"},
        "comp-push-library": {"pushed": "system.Model"},
        "comp-report": {"report": "system.HTML"},
    }


def test_the_last_step_runs_after_failures():
    tasks = specs(compiled("kubeflow"))[0]["root"]["dag"]["tasks"]
    assert tasks["publish-report"]["dependentTasks"] == ["nodes"]
    assert tasks["publish-report"]["triggerPolicy"] == {
        "strategy": "ALL_UPSTREAM_TASKS_COMPLETED"
    }


def test_parameters_have_the_types_and_values_of_the_config():
    inputs = specs(compiled("kubeflow"))[0]["root"]["inputDefinitions"]["parameters"]
    assert inputs["stages__library__train__learning_rate"] == {
        "parameterType": "NUMBER_DOUBLE",
        "defaultValue": 0.0005,
        "isOptional": True,
    }
    wrong = "run.parameters.0=stages.library.trian.epochs"
    with pytest.raises(
        ConfigError, match=r"'stages.library.trian.epochs' does not exi"
    ):
        compiled("kubeflow", "kubeflow.yaml", wrong)


def test_a_container_gets_the_resources_of_its_node():
    [spec, platform] = specs(compiled("kubeflow"))
    train = spec["deploymentSpec"]["executors"]["exec-train-library"]["container"]
    assert train["command"] == [
        "python3",
        "-m",
        "textmill.pipeline.runners.run_component",
    ]
    assert train["args"][:4] == ["--node", "train.library", "--timeout", "14400"]
    assert train["env"] == [{"name": "TF_FORCE_GPU_ALLOW_GROWTH", "value": "true"}]
    assert train["resources"]["resourceCpuLimit"] == "8"
    assert train["resources"]["resourceMemoryLimit"] == "16Gi"
    assert train["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"
    tasks = spec["components"]["comp-nodes"]["dag"]["tasks"]
    assert tasks["train-library"]["retryPolicy"]["maxRetryCount"] == 1
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-train-library"]["nodeSelector"] == {
        "labels": {"pool": "gpu"}
    }
    assert executors["exec-train-library"]["activeDeadlineSeconds"] == "14520"
    [secret] = executors["exec-ingest-libraries"]["secretAsEnv"]
    assert secret["secretName"] == "corpus"
    assert secret["keyToEnv"] == [{"secretKey": "token", "envVar": "CORPUS_TOKEN"}]


def test_machines_that_train_together_are_pools_of_one_job():
    text = compiled("vertex", "vertex.yaml", root="gs://bucket/root")
    executors = specs(text)[0]["deploymentSpec"]["executors"]
    job = executors["exec-train-pretrain"]["customJob"]["customJob"]["jobSpec"]
    chief, others = job["workerPoolSpecs"]
    assert (chief["replicaCount"], others["replicaCount"]) == ("1", "1")
    assert chief["containerSpec"] == others["containerSpec"]
    assert chief["machineSpec"]["machineType"] == "a2-highgpu-1g"
    assert job["tensorboard"].endswith("tensorboards/789")
    assert job["baseOutputDirectory"]["outputUriPrefix"] == (
        "gs://bucket/root/tensorboard/train-pretrain"
    )


@pytest.mark.parametrize(
    ("to", "root", "override", "sentence"),
    [
        ("kubeflow", "root", "seed=1", "--root root: expected a root that every step"),
        ("kubeflow", "hdfs://h/root", "seed=1", "expected a root that every step"),
        ("vertex", "/mnt/root", "seed=1", "--root /mnt/root: expected gs://"),
        ("kubeflow", "/r", MACHINES, "asks for 3 machines, a step of Kubeflow"),
        ("tfjob", "/r", "seed=1", "expected a training node of several machines"),
        ("vertex", "gs://b/r", "seed=1", "expected projects/P/secrets/S/versions/V"),
    ],
)
def test_an_impossible_request_gives_one_message(to, root, override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        compiled(to, "kubeflow.yaml", override, root=root)


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("datasets.libraries.source.text=AKIAABCDEFGHIJKLMNOP", "a key of Amazon's"),
        ("run.nodes.ingest.env={NOTE: s3cret-value}", "variable CORPUS_TOKEN"),
        ("run.nodes.ingest.env={DB_PWD: x}", r"run\.nodes\.ingest\.env\.DB_PWD"),
        ("run.nodes.ingest.env={A: 'postgres://u:pw@h'}", "a password in a URL"),
        ("run.nodes.ingest.env={A: s3://k:pw@b}", "a password in a URL"),
        ("run.nodes.ingest.env={A: sk-ant-" + 20 * "x" + "}", "a key of Anthropic"),
        ("run.nodes.ingest.env={A: glpat-abcdefghij0123456789}", "a token of GitLab"),
        ("run.nodes.ingest.env={API_TOKEN: x}", r"run\.nodes\.ingest\.env\.API_TOKEN"),
    ],
)
def test_a_secret_is_never_written(monkeypatch, override, found):
    monkeypatch.setenv("CORPUS_TOKEN", "s3cret-value")
    with pytest.raises(ConfigError, match=found) as caught:
        compiled("kubeflow", "kubeflow.yaml", override)
    assert "s3cret-value" not in str(caught.value)


def test_a_reference_to_a_secret_stays_one(monkeypatch):
    monkeypatch.setenv("CORPUS", "the-value-of-it")
    override = "datasets.libraries.source.text=${env:CORPUS}"
    text = compiled("kubeflow", "kubeflow.yaml", override)
    assert "${env:CORPUS}" in text
    assert "the-value-of-it" not in text


def test_the_narrower_word_on_a_node_wins():
    given = {
        "all": NodeConfig(cpu=2, retries=1, env={"A": "1", "B": "1"}),
        "train": NodeConfig(memory="16Gi", env={"B": "2"}),
        "train/library": NodeConfig(cpu=4),
    }
    merged = node_config(given, "train.library")
    assert merged == NodeConfig(
        cpu=4, memory="16Gi", retries=1, env={"A": "1", "B": "2"}
    )
    assert node_config(given, "report") == given["all"]


def test_an_unknown_node_is_reported_at_load(tmp_path):
    overrides = ["run.nodes={trian: {cpu: 1}}", "run.parameters=[run.workers]"]
    with pytest.raises(ConfigError) as caught:
        load_config(
            REPOSITORY / "configs/kubeflow.yaml", overrides, with_environment=False
        )
    assert "got 'trian'; did you mean 'train'?" in str(caught.value)
    assert "run.parameters.0: expected the path of a value" in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "1e3",
        "0x1F",
        "12:30:00",
        "~",
        "a: b",
        "",
        " x",
        "{{$}}",
        "2026-11-25",
    ],
)
def test_texts_are_texts_to_every_version_of_yaml(value):
    written = dump({"key": value, value or "empty": [5e-05, 1.0, 3, True]})
    assert yaml.safe_load(written) == {
        "key": value,
        value or "empty": [5e-05, 1.0, 3, True],
    }


def test_the_size_is_printed(tmp_path):
    command = [
        sys.executable,
        "-m",
        "textmill.pipeline.cli",
        "compile",
        "configs/kubeflow.yaml",
    ]
    output = tmp_path / "pipeline.yaml"
    done = subprocess.run(
        [*command, "--to", "kubeflow", "--root", "/mnt/root", "-o", str(output)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{output}: 14 nodes, {output.stat().st_size:,} bytes\n"


def test_a_file_too_large_for_kubernetes_is_refused():
    long = f"datasets.libraries.source.text={'x' * 300_000}"
    with pytest.raises(ConfigError, match="at most 262,144 bytes"):
        compiled("kubeflow", "kubeflow.yaml", long)
