"""Files that play to their end, and those that only seem to."""

import os
from pathlib import Path

import pytest

from tests.tiktok import samples
from tiktokd.decode_check import check
from tiktokd.errors import CorruptMedia, UnsupportedMedia


def written(folder: Path, data: bytes) -> Path:
    path = folder / "clip.mp4"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("options", [{}, {"sound": False}, {"codec": "libx265"}, {"frames": 1}])
def test_a_whole_file_passes(tmp_path, options):
    check(written(tmp_path, samples.mp4(**options)))


def test_a_half_file_that_promises_everything_is_found_out(tmp_path):
    with pytest.raises(CorruptMedia, match="29 of 60 frames"):
        check(written(tmp_path, samples.half(samples.mp4())))


def test_a_file_that_lacks_its_last_tenth_is_found_out(tmp_path):
    data = samples.mp4()
    with pytest.raises(CorruptMedia):
        check(written(tmp_path, data[: len(data) * 9 // 10]))


def test_a_packet_that_was_overwritten_is_found_out(tmp_path):
    data = bytearray(samples.mp4())
    start = data.index(b"mdat") + len(data) // 3
    data[start : start + 20_000] = bytes(20_000)
    with pytest.raises(CorruptMedia, match="does not decode"):
        check(written(tmp_path, bytes(data)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (
            b"<!doctype html><html></html>" * 100,
            "it is a web page, .* .it begins with “<!doctype ht”",
        ),
        (b"\x9d\x11" * 15_000, "it begins with the bytes 9d 11 9d 11"),
        (b"\x9d\x11" + os.urandom(30_000), "it begins with"),
        (b"#EXTM3U\n/etc/passwd\n", "it is a playlist"),
    ],
)
def test_what_is_no_video_at_all_is_corrupt_and_named_by_its_first_bytes(tmp_path, data, said):
    with pytest.raises(CorruptMedia, match=said):
        check(written(tmp_path, data))


def test_sound_without_a_picture_is_unsupported(tmp_path):
    with pytest.raises(UnsupportedMedia, match="no picture"):
        check(written(tmp_path, samples.mp4(picture=False)))
