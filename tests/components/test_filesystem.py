"""One layer for gs:// and s3://: the same calls, and the same answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.loopback import Fault
from textmill.components import filesystem
from textmill.components.filesystem import RemoteFile
from textmill.models.errors import ConfigError, MachineError, RemoteError
from textmill.pipeline.remote.mirror import Mirror


@pytest.fixture(params=["gs", "s3"])
def url(request):
    return f"{request.param}://bucket"


@pytest.fixture(autouse=True)
def objects(service):
    service.objects |= {"in/8/a.txt": b"abc", "in/8/b.txt": b"bb", "in/9/c": b"c"}


def test_a_glob_matches_inside_a_folder(service, url):
    assert filesystem.match(f"{url}/in/8/*.txt") == [
        RemoteFile(f"{url}/in/8/a.txt", 3, "3 Nks/tw=="),
        RemoteFile(f"{url}/in/8/b.txt", 2, "2 1kWBrw=="),
    ]
    for pattern, names in (
        ("in/8/b.txt", ["in/8/b.txt"]),
        ("in/8/b*", ["in/8/b.txt"]),
        ("in/*/?", ["in/9/c"]),
        ("in/**", ["in/8/a.txt", "in/8/b.txt", "in/9/c"]),
        ("in/8", []),
        ("in/*", []),
    ):
        files = filesystem.match(f"{url}/{pattern}")
        assert [file.url for file in files] == [f"{url}/{name}" for name in names]


def test_all_files_of_a_folder_are_listed_without_its_markers(service, url):
    service.objects |= {"in/": b"", "in/8/": b"", "in/80": b"x"}
    files = filesystem.find(f"{url}/in/8/")
    assert [file.url for file in files] == [f"{url}/in/8/a.txt", f"{url}/in/8/b.txt"]
    assert filesystem.find(f"{url}/none") == []


def test_a_file_is_read_from_its_middle(service, url):
    file, size = filesystem.open_file(f"{url}/in/8/a.txt")
    with file:
        file.seek(1)
        assert (size, file.read()) == (3, b"bc")
    assert filesystem.is_seekable(f"{url}/in/8/a.txt")


@pytest.mark.parametrize("size", [0, 5, 11 << 20])
def test_files_arrive_whole_in_both_directions(service, url, tmp_path, size):
    source, copy = tmp_path / "source", tmp_path / "new" / "copy"
    source.write_bytes(os.urandom(size))
    filesystem.upload(source, f"{url}/out")
    assert service.objects["out"] == source.read_bytes()
    filesystem.download(f"{url}/out", copy)
    assert copy.read_bytes() == source.read_bytes()
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_a_file_is_created_once_and_overwritten_by_upload(service, url, tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    assert filesystem.create(one, f"{url}/new")
    assert not filesystem.create(two, f"{url}/new")
    assert service.objects["new"] == b"one"
    filesystem.upload(two, f"{url}/new")
    assert service.objects["new"] == b"two"


def test_a_create_whose_answer_is_lost_is_repeated_and_finds_its_file(
    service, tmp_path
):
    source = tmp_path / "source"
    source.write_bytes(b"one")
    service.faults.append(Fault("POST", "/upload", cut="after"))
    assert not filesystem.create(source, "gs://bucket/new")
    assert service.objects["new"] == b"one"
    mirror = Mirror("gs://bucket/root", tmp_path)
    service.faults.append(Fault("POST", "/upload", cut="after"))
    assert mirror.claim("source")


def test_a_store_without_a_conditional_write_refuses_to_create(tmp_path):
    with pytest.raises(ConfigError, match="expected a path, gs://bucket/folder or s3:"):
        filesystem.create(tmp_path, "hdfs://host/folder")


def test_deleted_files_are_gone_and_absent_ones_are_no_error(service, url):
    filesystem.delete([f"{url}/in/8/a.txt", f"{url}/in/9/c"])
    assert set(service.objects) == {"in/8/b.txt"}
    filesystem.delete([f"{url}/in/9/c"])
    filesystem.delete([])


def test_a_refusal_is_a_remote_error_and_a_local_one_the_machines(
    service, url, tmp_path
):
    with pytest.raises(RemoteError, match=rf"{url}/none: the file system answers Fi"):
        filesystem.download(f"{url}/none", tmp_path / "copy")
    assert not list(tmp_path.iterdir())
    with pytest.raises(MachineError, match="none"):
        filesystem.upload(tmp_path / "none", f"{url}/out")
    service.faults.append(Fault("GET", "/bucket", status=403))
    with pytest.raises(RemoteError, match=f"{url}/in/8/"):
        filesystem.match(f"{url}/in/8/*")


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="credentials in the environment") as refusal:
        filesystem.match("hdfs://user:hunter2@host/folder")
    assert "hunter2" not in str(refusal.value)


def test_a_scheme_without_its_library_names_the_extra(tmp_path):
    script = (
        "import sys; sys.modules['s3fs'] = sys.modules['gcsfs'] = None\n"
        "from textmill.components.filesystem import match\n"
        "for scheme in ('gs', 's3'):\n"
        "    try: match(f'{scheme}://bucket/x')\n"
        "    except Exception as error: print(type(error).__name__, error)"
    )
    sources = str(Path(__file__).parents[2] / ".ci/typing")
    environment = os.environ | {"PYTHONPATH": sources}
    command = [sys.executable, "-c", script]
    said = subprocess.check_output(command, env=environment, text=True).splitlines()
    for line, extra in zip(said, ("vertex", "s3"), strict=True):
        assert line.startswith("ConfigError")
        assert line.endswith(f"install textmill[{extra}]")
