"""Compressed streams: what is legal, what is damage, and what memory it takes."""

import bz2
import gzip
import io
import lzma
import random
import struct
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.readers.compression import ENDINGS, ExpandedStream
from textmill.models.errors import DataError, IntegrityError


def zstd(content, **options):
    options = {"write_checksum": True} | options
    return zstandard.ZstdCompressor(**options).compress(content)


def zstd_stream(content):
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return compressor.compress(content) + compressor.flush()


COMPRESS = {
    ".gz": gzip.compress,
    ".zst": zstd,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
NAMES = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
TEXT = b"".join(b"%f line %d\n" % (random.Random(n).random(), n) for n in range(9000))


def expand(ending, content, *, size=1 << 20, max_expanded_bytes=1 << 30, chunk=1 << 16):
    """Returns all that a stream gives for a file of some bytes."""

    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, chunk))

    stream = ExpandedStream(
        Slow(content),
        f"x{ending}",
        size=len(content),
        max_expanded_bytes=max_expanded_bytes,
    )
    return b"".join(iter(lambda: stream.read(size), b""))


def test_every_ending_has_a_test():
    assert set(ENDINGS) == set(COMPRESS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_decompression_restores_the_file(ending):
    assert expand(ending, COMPRESS[ending](TEXT)) == TEXT
    assert expand(ending, COMPRESS[ending](b"")) == b""


@pytest.mark.parametrize("ending", ENDINGS)
@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    size=st.integers(1, 400),
    chunk=st.integers(1, 60),
)
def test_concatenated_members_are_legal_in_blocks_of_any_size(
    ending, parts, size, chunk
):
    content = b"".join(map(COMPRESS[ending], parts))
    assert expand(ending, content, size=size, chunk=chunk) == b"".join(parts)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_truncated_anywhere_is_damaged(ending):
    content = COMPRESS[ending](TEXT[:2000])
    for end in range(len(content)):
        with pytest.raises(IntegrityError, match=rf"^x{ending}: .* before its trailer"):
            expand(ending, content[:end])


@pytest.mark.parametrize("ending", ENDINGS)
def test_junk_after_the_last_member_is_damage(ending):
    content = COMPRESS[ending](TEXT)
    with pytest.raises(IntegrityError, match=f"not valid {NAMES[ending]} after its la"):
        expand(ending, content + b"junk is no member")
    with pytest.raises(IntegrityError, match=f"^x{ending}: "):
        expand(ending, content + b"ju")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_flipped_bit_is_damage(ending):
    content = bytearray(COMPRESS[ending](TEXT))
    for place in (len(content) // 3, len(content) // 2, len(content) - 3):
        flipped = content.copy()
        flipped[place] ^= 4
        with pytest.raises(IntegrityError, match=f"^x{ending}: "):
            expand(ending, bytes(flipped))


@pytest.mark.parametrize("ending", ENDINGS)
def test_plain_text_is_not_compressed(ending):
    with pytest.raises(IntegrityError, match=f"x{ending}: not valid {NAMES[ending]} "):
        expand(ending, TEXT)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_bomb_stops_at_two_hundred_times_its_size(ending):
    content = COMPRESS[ending](bytes(100 << 20))
    bound = max(200 * len(content), 1 << 20)
    with pytest.raises(DataError, match=f"expands to more than {bound} bytes"):
        expand(ending, content)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_stops_at_the_limit_of_the_config(ending):
    content = COMPRESS[ending](TEXT)
    assert expand(ending, content, max_expanded_bytes=len(TEXT)) == TEXT
    with pytest.raises(DataError, match=f"expands to more than {len(TEXT) - 1} bytes"):
        expand(ending, content, max_expanded_bytes=len(TEXT) - 1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_small_file_of_one_word_is_no_bomb(ending):
    text = b"word\n" * 100_000
    assert expand(ending, COMPRESS[ending](text)) == text


def test_zstd_frames_of_every_kind_expand():
    noise = random.Random(0).randbytes(300_000)
    for content in (b"", b"a", TEXT, noise, bytes(1 << 19), b"ab" * 400_000):
        for frame in (
            zstd(content),
            zstd(content, write_checksum=False),
            zstd(content, write_content_size=False),
            zstd(content, level=19),
            zstd(content, level=-5),
            zstd_stream(content),
        ):
            assert expand(".zst", frame + zstd(b"end"), size=1000) == content + b"end"


def test_zstd_frames_that_are_to_be_skipped_are():
    frames = [struct.pack("<II", 0x184D2A50 + n, 9 * n) + bytes(9 * n) for n in (0, 7)]
    content = frames[0] + zstd(b"a") + frames[1] + zstd(b"b") + frames[0]
    for chunk in (1, 5, 100):
        assert expand(".zst", content, chunk=chunk) == b"ab"
    with pytest.raises(IntegrityError, match="before its trailer"):
        expand(".zst", content[:-1])


def test_zstd_that_needs_a_large_window_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = compressor.compress(b"a") + compressor.flush()
    with pytest.raises(IntegrityError, match="its window of 256 MiB is above 128"):
        expand(".zst", content)


def test_empty_blocks_of_zstd_take_no_time_to_speak_of():
    header = zstd(b"", write_content_size=False, write_checksum=False)[:-3]
    assert expand(".zst", header + bytes(3) * 400_000 + b"\1\0\0") == b""


def test_xz_may_be_padded_with_zeros_between_and_after_its_members():
    content = lzma.compress(b"a") + bytes(100_000) + lzma.compress(b"b") + bytes(8)
    assert expand(".xz", content) == b"ab"
    with pytest.raises(IntegrityError, match="not valid xz after its last member"):
        expand(".xz", content + bytes(100_000) + b"junk is no member")


def test_stock_beam_still_accepts_truncated_gzip_and_zstd(tmp_path):
    from apache_beam.io.filesystem import CompressedFile, CompressionTypes

    for kind, content in (
        (CompressionTypes.GZIP, gzip.compress(TEXT)),
        (CompressionTypes.ZSTD, zstd(TEXT)),
    ):
        path = tmp_path / kind
        path.write_bytes(content[: len(content) // 2])
        with path.open("rb") as file:
            found = CompressedFile(file, kind).read(1 << 30)
        assert len(found) < len(TEXT)


def test_stock_zlib_says_nothing_of_a_missing_trailer():
    cut = gzip.compress(TEXT)[:-8]
    assert zlib.decompressobj(wbits=31).decompress(cut) == TEXT
