"""The tree is the architecture: what may import what, and what must stay light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("pipeline", "components", "models")
HEAVY = {
    "apache_beam",
    "keras",
    "keras_hub",
    "numpy",
    "sklearn",
    "tensorflow",
    "tensorflow_datasets",
    "tensorflow_text",
}
SERVICES = {"fsspec", "google", "kfp", "kfp_server_api", "kubernetes", "requests"}
"""Clients of network services."""
PROMISED = {
    ".": (
        ".ci/run .dockerignore .gitignore CHANGELOG.md CONTRIBUTING.md Dockerfile"
        " LICENSE Makefile README.md constraints.txt pyproject.toml"
    ),
    "pipeline": (
        "README.md cache cli config create_pipeline library pipeline platforms publish"
        " remote runners store"
    ),
    "components": (
        "README.md artifacts base evaluator exporter infra_validator ingester profiler"
        " pusher reporter tokenizer trainer vocabulary_learner"
    ),
    "models": "README.md backbones config families rows tasks tokenizers training",
    "configs": (
        "README.md bert_base.yaml gpt2_124m.yaml gpt_docs.yaml gpt_shakespeare.yaml"
        " dataflow.yaml flink.yaml kubeflow.yaml quickstart.yaml vertex.yaml"
    ),
    "tests": "README.md",
}
"""What the design names in each folder: files, or modules and packages."""


def sources(*layers):
    return [path for layer in layers for path in sorted((ROOT / layer).rglob("*.py"))]


def name_of(path):
    """Returns a file's path from the root, which is also what a failure should name."""
    return path.relative_to(ROOT).as_posix()


def module_of(path):
    """Returns the dotted name of a module, of a package for its ``__init__.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path, *, lazy=True):
    """Returns every module that a file imports; inside functions too if ``lazy``."""
    found = set()
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in nodes(parse(path), lazy=lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {module.removeprefix("textmill.") for module in found}


def nodes(tree, *, lazy):
    """Yields the nodes of a tree that run; those inside functions only if lazy."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        is_function = isinstance(node, ast.FunctionDef)
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node)
        if not is_typing and (lazy or not is_function):
            waiting.extend(ast.iter_child_nodes(node))


def module_graph():
    """Returns the modules of ours that each module imports.

    A package's ``__init__`` may call its own engine, which imports the package's
    config: imports of its own modules inside its functions do not count.
    """
    paths = {module_of(path): path for path in sources(*LAYERS)}
    graph = {}
    for module, path in paths.items():
        used = imports(path, lazy=True) & paths.keys() - {module}
        if path.name == "__init__.py":
            own = {name for name in used if name.startswith(f"{module}.")}
            used -= own - imports(path, lazy=False)
        graph[module] = used
    return graph


def reach(start):
    """Returns the modules with code that a module imports, directly or not."""
    paths = {module_of(path): path for path in sources(*LAYERS)}
    seen, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module in paths and module not in seen:
            seen.add(module)
            waiting += [*imports(paths[module]), module.rpartition(".")[0]]
    return {module for module in seen if has_code(paths[module])}


def has_code(path):
    """Returns False for a package that has a docstring alone."""
    return any(not isinstance(node, ast.Expr) for node in parse(path).body)


def imported_tops(path):
    return {module.partition(".")[0] for module in imports(path)}


def step_of(path):
    """Returns the step that a file of ``components`` belongs to: its file or folder."""
    return path.relative_to(ROOT / "components").parts[0].removesuffix(".py")


def steps():
    """Returns the names of the steps: files and folders that declare a component."""
    return {
        step_of(path)
        for path in sources("components")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef)
        and any(keyword.arg == "executor" for keyword in node.keywords)
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(layer):
    above = {"tests", *LAYERS[: LAYERS.index(layer)]}
    wrong = {
        name_of(path): sorted(found)
        for path in sources(layer)
        if (found := imported_tops(path) & above)
    }
    assert wrong == {}


def test_the_local_runner_reaches_few_modules():
    modules = reach("pipeline.runners.local")
    assert len(modules) <= 20, sorted(modules)
    steps_and_configs = ("pipeline.config", "components.")
    assert {m for m in modules if m.startswith(steps_and_configs)} == {
        "components.base",
        "components.manifest",
    }


def test_no_files_import_each_other_in_a_circle():
    try:
        graphlib.TopologicalSorter(module_graph()).prepare()
    except graphlib.CycleError as error:
        assert error.args[1] == []


def test_steps_meet_in_artifacts_and_never_import_each_other():
    known = steps()
    assert {"ingester", "trainer", "evaluator", "reporter"} <= known
    wrong = {
        (name_of(path), module)
        for path in sources("components")
        for module in imports(path)
        if module.startswith("components.")
        and module.split(".")[1] in known - {step_of(path)}
    }
    assert wrong == set()


def test_models_know_no_artifact_and_no_beam():
    wrong = [
        name_of(path)
        for path in sources("models")
        if imported_tops(path) & {"apache_beam", "components"}
    ]
    assert wrong == []


def test_pipeline_never_imports_an_engine():
    wrong = {
        name_of(path): sorted(found)
        for path in sources("pipeline")
        if (found := imported_tops(path) & HEAVY)
    }
    assert wrong == {}


def test_few_files_speak_to_services():
    found = {name_of(p) for p in sources("pipeline") if imported_tops(p) & SERVICES}
    assert found == {
        "pipeline/runners/kfp_local.py",
        "pipeline/remote/secret_manager.py",
        "pipeline/platforms/kubeflow_client.py",
        "pipeline/platforms/vertex_client.py",
    }


@pytest.mark.parametrize(
    "module", ["textmill.pipeline.create_pipeline", "textmill.pipeline.cli"]
)
def test_planning_loads_no_engine(module):
    # Some clients' packages are named in sys.modules whenever Python starts.
    script = (
        f"import sys; before = set(sys.modules); import {module}\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        f"print(*sorted({HEAVY | SERVICES!r} & tops))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("folder", PROMISED)
def test_what_the_design_names_exists(folder):
    missing = [
        name
        for name in PROMISED[folder].split()
        if not (ROOT / folder / name).exists()
        and not (ROOT / folder / f"{name}.py").exists()
    ]
    assert missing == []


def test_packages_are_those_of_the_design():
    folders = {
        path.parent.relative_to(ROOT).parts[0]
        for path in ROOT.glob("*/*.py")
        if not path.parent.name.startswith(".")
    }
    assert folders <= {*LAYERS, "tests"}


def test_tests_are_no_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_module_has_a_docstring():
    silent = [
        name_of(path) for path in sources(*LAYERS) if not ast.get_docstring(parse(path))
    ]
    assert silent == []


def test_every_knob_has_a_sentence_under_it():
    silent = [
        f"{name_of(path)}: {node.name}.{ast.unparse(field.target)}"
        for path in sources(*LAYERS)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config")
        for field, after in zip(node.body, [*node.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign) and not is_sentence(after)
    ]
    assert silent == []


def is_sentence(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_no_file_is_a_drawer_for_leftovers():
    drawers = {"utils", "util", "helpers", "misc", "common"}
    assert [name_of(p) for p in sources(*LAYERS) if p.stem in drawers] == []
