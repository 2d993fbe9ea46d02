"""Cache keys: their parts, and the explanations of a miss."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import textwrap
import time
from pathlib import Path

import pytest

from textmill.components.base import Component, ExternalVersion
from textmill.models.errors import ConfigError
from textmill.pipeline import publish
from textmill.pipeline.cache.code_digest import CodeReader
from textmill.pipeline.cache.diff import latest_execution
from textmill.pipeline.cache.file_digests import FileDigests
from textmill.pipeline.cache.key import Keys, cache_key, map_inputs
from textmill.pipeline.cache.plan import plan
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.runners.local import LocalRunner
from textmill.pipeline.store import MetadataStore

sys.path.insert(0, str(Path(__file__).parents[1]))
import toy_components as toy


def make(pipeline: Pipeline, root: Path, run_id: str = "r") -> None:
    """Executes every node here, without a runner, published as a worker would."""
    root = root.absolute()
    artifacts = {}
    with MetadataStore(root) as store:
        keys = Keys(root, store)
        for node in pipeline.nodes:
            inputs = map_inputs(node, artifacts.__getitem__)
            digests = map_inputs(node, lambda channel: artifacts[channel].reference)
            parts = keys.parts(node, digests)
            key = cache_key(parts)
            execute(node, root, key, parts, inputs, artifacts)


def execute(node: Component, root, key, parts, inputs, artifacts) -> None:
    staging = publish.staging_dir(root, node.id, key)
    final = publish.published_dir(root, node.id, key)
    outputs = {name: c.type(staging / name) for name, c in node.outputs.items()}
    if not final.exists():
        type(node).execute(config=node.config, inputs=inputs, outputs=outputs)
        for artifact in outputs.values():
            publish.seal(artifact)
        finished = time.time()
        execution = {"node": node.id, "key": key, "parts": parts, "finished": finished}
        execution["outputs"] = {name: a.reference for name, a in outputs.items()}
        execution["seals"] = {name: a.seal for name, a in outputs.items()}
        publish.commit(staging, final, execution=execution)
    for name, channel in node.outputs.items():
        artifacts[channel] = channel.type(final / name)


def said(pipeline, root, positions=None) -> dict[str, tuple]:
    nodes = plan(pipeline, root, positions)
    return {node.id: (node.state, *node.reasons) for node in nodes}


CACHED = {"read": ("cached",), "shout.a": ("cached",), "join": ("cached",)}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "project" / "text.txt"
    path.parent.mkdir()
    path.write_text("some text")
    return path


@pytest.fixture
def root(source):
    root = source.parent / "root"
    make(toy.chain(source), root)
    return root


def test_before_the_first_run_all_is_to_be_made(source, tmp_path):
    assert said(toy.chain(source), tmp_path / "new") == {
        "read": ("run", "first run"),
        "shout.a": ("waits", "waits for read", "first run"),
        "join": ("waits", "waits for shout.a, read", "first run"),
    }


def test_a_finished_pipeline_runs_nothing(source, root):
    assert said(toy.chain(source), root) == CACHED


def test_a_touched_file_runs_nothing(source, root):
    os.utime(source, (1, 1))
    assert said(toy.chain(source), root) == CACHED


def test_a_byte_changed_under_the_same_size_and_time_is_seen(source, root):
    stat = source.stat()
    source.write_text("same text")
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source.stat().st_mtime_ns == stat.st_mtime_ns
    assert said(toy.chain(source), root) == {
        "read": ("run", "file text.txt changed"),
        "shout.a": ("waits", "waits for read"),
        "join": ("waits", "waits for shout.a, read"),
    }


def test_a_changed_value_is_named_with_the_line_where_it_stands(source, root):
    positions = {"source": "toy.yaml:3:1", "source.limit": "toy.yaml:4:10"}
    assert said(toy.chain(source, limit=4), root, positions)["read"] == (
        "run",
        "config limit: 1000 -> 4 (toy.yaml:4:10)",
    )
    del positions["source.limit"]
    assert said(toy.chain(source, limit=4), root, positions)["read"] == (
        "run",
        "config limit: 1000 -> 4 (toy.yaml:3:1)",
    )


def test_only_downstream_nodes_of_a_changed_node_wait(source, root):
    assert said(toy.chain(source, suffix="?"), root) == {
        "read": ("cached",),
        "shout.a": ("run", 'config suffix: "!" -> "?"'),
        "join": ("waits", "waits for shout.a"),
    }


def test_an_input_rebuilt_to_the_same_digest_changes_nothing_downstream(source, root):
    pipeline = toy.chain(source, limit=9)  # "some text" has nine characters
    assert said(pipeline, root)["read"][0] == "run"
    make(Pipeline("toy", pipeline.nodes[:1]), root)
    assert said(pipeline, root) == CACHED


def test_a_changed_input_is_named_with_both_digests_and_its_producer(source, root):
    before = latest_execution(root, "read")["outputs"]["words"]
    pipeline = toy.chain(source, limit=4)
    make(Pipeline("toy", pipeline.nodes[:1]), root)
    after = latest_execution(root, "read")["outputs"]["words"]
    assert said(pipeline, root)["shout.a"] == (
        "run",
        f"input words: digest {before[:12]} -> {after[:12]} (from read)",
    )


def test_a_moved_project_runs_nothing(source, root, tmp_path):
    shutil.move(source.parent, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere"
    assert said(toy.chain(moved / "text.txt"), moved / "root") == CACHED


def test_a_renamed_file_is_another_input(source, root):
    renamed = source.rename(source.with_name("novel.txt"))
    assert said(toy.chain(renamed), root)["read"] == (
        "run",
        'config path: "text.txt" -> "novel.txt"',
        "file novel.txt added",
        "file text.txt removed",
    )


def deliver(source: Path, place: Path) -> Pipeline:
    reader = toy.Reader(toy.ReadConfig(path=str(source)), id="read")
    config = toy.DeliverConfig(place=str(place))
    return Pipeline(
        "toy",
        [reader, toy.Deliverer(config, id="deliver", words=reader.outputs["words"])],
    )


def test_another_destination_is_another_result(source, root):
    make(deliver(source, source.parent / "a.txt"), root)
    assert said(deliver(source, source.parent / "a.txt"), root)["deliver"] == (
        "cached",
    )
    assert said(deliver(source, source.parent / "b.txt"), root)["deliver"] == (
        "run",
        'config place: "../a.txt" -> "../b.txt"',
    )


def test_a_node_whose_effect_is_gone_runs_again(source, root):
    place = source.parent / "a.txt"
    make(deliver(source, place), root)
    place.unlink()
    assert said(deliver(source, place), root)["deliver"] == ("run", f"{place} is gone")


def test_a_cut_artifact_is_made_again(source, root):
    (words,) = root.glob("artifacts/read/*/words/words.txt")
    words.write_text("som")
    assert said(toy.chain(source), root)["read"] == (
        "run",
        f"{words} has 3 bytes, not 9",
    )


@pytest.mark.parametrize(
    "record", ["[1]", "{}", '{"finished": 1, "parts": {}, "seals": {}}', '"text"', "{"]
)
def test_a_record_of_another_shape_is_made_again(source, root, record):
    [file] = root.glob("artifacts/read/*/execution.json")
    file.write_text(record)
    state, reason = said(toy.chain(source), root)["read"]
    assert state == "run"
    assert "execution.json" in reason


def test_a_missing_file_is_refused(source, tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere.txt: no such file"):
        plan(toy.chain(source.with_name("nowhere.txt")), tmp_path)


def test_a_needed_node_outside_the_selection_is_reported(source, tmp_path):
    pipeline = toy.chain(source).select(only=["shout.a"])
    assert said(pipeline, tmp_path / "new") == {
        "shout.a": ("waits", "waits for read (not selected)", "first run")
    }


HOUSE = {
    "__init__.py": "",
    "steps.py": """
        from dataclasses import dataclass
        from textmill.components.base import Component, Output
        from toy_components import Words

        @dataclass(frozen=True)
        class Config:
            pass

        def one(*, words: Output[Words], config: Config) -> None:
            from house.engine import say
            words.write(say())

        class One(Component, executor=one):
            pass
    """,
    "other.py": """
        from textmill.components.base import Component, Output
        from house.deep import steps
        from toy_components import Words

        class Two(Component, executor=steps.two):
            pass
    """,
    "deep/__init__.py": "",
    "deep/steps.py": """
        import importlib
        from toy_components import CountConfig as Config, Words
        from textmill.components.base import Output

        def two(*, words: Output[Words], config: Config) -> None:
            words.write(importlib.import_module("house.families").name)
    """,
    "engine.py": """
        '''Says things.'''
        import numpy
        from .inner import word

        def say():
            '''Says it.'''
            return word()
    """,
    "inner.py": "def word():\n    return 'hello'\n",
    "families.py": "name = 'bert'\n",
}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A package of steps, and the function that makes its pipeline."""
    folder = tmp_path / "house"
    for name, text in HOUSE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    steps = importlib.import_module("house.steps")
    other = importlib.import_module("house.other")
    nodes = [
        steps.One(steps.Config(), id="one"),
        other.Two(toy.CountConfig(steps=1), id="two"),
    ]
    yield folder, Pipeline("house", nodes)
    for name in [name for name in sys.modules if name.partition(".")[0] == "house"]:
        del sys.modules[name]


def test_code_is_followed_through_functions_strings_and_relative_imports(house):
    one = CodeReader({}).read("house.steps")
    assert set(one.modules) >= {"house", "house.steps", "house.engine", "house.inner"}
    assert set(one.modules) >= {"textmill.components.base", "textmill.models.errors"}
    assert not set(one.modules) & {
        "house.other",
        "house.families",
        "textmill.pipeline.cache.key",
    }
    assert set(one.libraries) == {"python", "numpy", "toy_components"}
    two = CodeReader({}).read("house.other")
    assert set(two.modules) >= {"house.deep", "house.deep.steps", "house.families"}
    assert not set(two.modules) & {"house.steps", "house.engine", "house.inner"}


def test_comments_docstrings_and_formatting_run_nothing(house, tmp_path):
    folder, pipeline = house
    make(pipeline, tmp_path / "root")
    (folder / "engine.py").write_text(
        "'''Speaks.'''\nimport numpy\n\nfrom .inner import (\n    word,  # it\n)\n\n\n"
        "def say():\n    '''Speaks it.'''\n    return word(  )\n"
    )
    states = said(pipeline, tmp_path / "root")
    assert states == {"one": ("cached",), "two": ("cached",)}


def test_a_line_in_a_module_imported_from_afar_runs_exactly_its_dependents(
    house, tmp_path
):
    folder, pipeline = house
    make(pipeline, tmp_path / "root")
    (folder / "inner.py").write_text("def word():\n    return 'hallo'\n")
    assert said(pipeline, tmp_path / "root") == {
        "one": ("run", "code house.inner changed"),
        "two": ("cached",),
    }
    (folder / "families.py").write_text("name = 'gpt'\n")
    assert said(pipeline, tmp_path / "root")["two"] == (
        "run",
        "code house.families changed",
    )


def test_a_template_in_a_package_counts_and_a_readme_does_not(house, tmp_path):
    folder, pipeline = house
    (folder / "page.html.j2").write_text("<p>")
    make(pipeline, tmp_path / "root")
    (folder / "README.md").write_text("why")
    assert said(pipeline, tmp_path / "root")["one"] == ("cached",)
    (folder / "page.html.j2").write_text("<b>")
    assert said(pipeline, tmp_path / "root")["one"] == (
        "run",
        "code house/page.html.j2 changed",
    )


def test_another_version_of_a_library_is_named(house, tmp_path):
    _, pipeline = house
    make(pipeline, tmp_path / "root")
    (file,) = (tmp_path / "root").glob("artifacts/one/*/execution.json")
    execution = json.loads(file.read_bytes())
    numpy = execution["parts"]["libraries"]["numpy"]
    execution["parts"]["libraries"]["numpy"] = "1.0"
    elsewhere = file.parent.rename(file.parent.with_name("0123456789ab"))
    (elsewhere / file.name).write_text(json.dumps(execution))
    assert said(pipeline, tmp_path / "root")["one"] == (
        "run",
        f"library numpy 1.0 -> {numpy}",
    )


def test_keys_do_not_depend_on_the_order_of_a_mapping(tmp_path):
    parts = {"config": {"a": 1, "b": 2}, "inputs": {}}
    again = {"inputs": {}, "config": {"b": 2, "a": 1}}
    assert cache_key(parts) == cache_key(again)
    assert len(cache_key(parts)) == 12


@pytest.mark.parametrize("path", ["/proc/self/mem", "/proc/self/environ", "/dev/zero"])
def test_a_file_of_the_kernel_or_a_device_is_no_input(path, tmp_path):
    with (
        MetadataStore(tmp_path) as store,
        pytest.raises(ConfigError, match=f"{path}: expected a file on a disk, got"),
    ):
        FileDigests(store).read([Path(path)])


def test_a_digest_taken_within_two_seconds_of_a_change_is_not_trusted(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a")
    with MetadataStore(tmp_path / "root") as store:
        FileDigests(store).read([path])
        assert store.file_digests() == {}
        time.sleep(2.1)
        FileDigests(store).read([path])
        [name] = store.file_digests()
        assert name == hashlib.sha256(str(path).encode()).hexdigest()


def test_files_of_libraries_are_named_from_their_library_folder(tmp_path):
    own = tmp_path / "data" / "a.txt"
    own.parent.mkdir()
    own.write_text("a")
    with MetadataStore(tmp_path / "root") as store:
        names = FileDigests(store).read(
            [Path(pytest.__file__), Path(json.__file__), own]
        )
    assert set(names) == {"pytest/__init__.py", "json/__init__.py", "a.txt"}


def test_an_external_version_enters_with_its_identity(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "a.txt").write_text("a")
    files = [
        tmp_path / "7" / "a.txt",
        ExternalVersion("gs://bucket/b.txt", "10 crc-7"),
        ExternalVersion(str(tmp_path / "{SPAN}" / "a.txt"), "span 7"),
    ]
    with MetadataStore(tmp_path / "root") as store:
        digests = FileDigests(store).read(files)
        assert store.file_digests() == {}
    assert digests == {
        "7/a.txt": hashlib.sha256(b"a").hexdigest(),
        "gs://bucket/b.txt": "is 10 crc-7",
        "{SPAN}/a.txt": "is span 7",
    }


def test_the_same_files_under_other_names_of_the_config_are_another_input(tmp_path):
    for name in ("a/x.txt", "b/x.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    one, other = (str(tmp_path / name / "*.txt") for name in "ab")

    def key(**globs):
        with MetadataStore(tmp_path / "root") as store:
            config = toy.GatherConfig(globs=globs)
            node = toy.Gatherer(config, id="gather")
            return cache_key(Keys(tmp_path / "root", store).parts(node, {}))

    assert key(train=one, eval=other) == key(eval=other, train=one)
    assert key(train=one, eval=other) != key(train=other, eval=one)
    assert key(train="gs://a/*", eval=one) != key(train="gs://b/*", eval=one)


def test_the_runner_and_the_plan_agree(source, tmp_path):
    root = tmp_path / "root"
    summary = LocalRunner(root, progress=False).run(toy.chain(source))
    assert summary.exit_code == 0
    assert said(toy.chain(source), root) == CACHED
