"""The mirror of a root in a bucket: nothing that a bucket lists leaves its folder."""

import pytest

from textmill.models.errors import IntegrityError
from textmill.pipeline.remote.mirror import Mirror


@pytest.mark.parametrize("scheme", ["gs", "s3"])
@pytest.mark.parametrize("key", ["a/../../../escaped", "./b", "a//b", "../escaped"])
def test_a_key_that_leads_out_of_the_folder_is_refused(service, tmp_path, scheme, key):
    service.objects[f"root/pushed/topic/1/{key}"] = b"hostile"
    mirror = Mirror(f"{scheme}://bucket/root", tmp_path / "deep" / "mirror")
    with pytest.raises(IntegrityError, match="a key that leads out of it"):
        mirror.fetch("pushed/topic/1")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
