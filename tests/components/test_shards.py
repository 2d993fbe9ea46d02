"""Shards: a damaged file is an integrity error that names it."""

import orjson
import pytest
import zstandard

from textmill.components.shards import read_shard
from textmill.models.errors import IntegrityError


def test_a_shard_with_a_flipped_byte_names_itself(tmp_path):
    path = tmp_path / "train.jsonl.zst"
    lines = b"".join(orjson.dumps({"id": str(i)}) + b"\n" for i in range(100))
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(lines))
    path.write_bytes(data)
    assert [document["id"] for document in read_shard(path)][-1] == "99"
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"train\.jsonl\.zst: damaged"):
        list(read_shard(path))
