"""What a file is that is no video."""

import pytest

from tiktokd.decode_kinds import kind_of


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "it is a JPEG picture"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "it is a PNG picture"),
        (b"GIF89a\x10\x00\x10\x00", "it is a GIF"),
        (b"RIFF\x9e\x0f\x00\x00WEBPVP8 ", "it is a WebP picture"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1", "it is a still picture (HEIF)"),
        (b"ID3\x04\x00\x00", "it is an MP3"),
        (b"\n <HTML><head>", "it is a web page"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "it is a web page"),
        (b"\x00\x00\x00 ftypisom\x00\x00\x02\x00", "an MP4 without a readable index (moov)"),
        (bytes(32), "it begins with zeros"),
        (b"", "it is empty"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "it begins with “RIFF····WAVE”"),
        (b"no video at all", "it begins with “no video at ”"),
    ],
)
def test_a_file_is_named_by_its_first_bytes(head, said):
    assert said in kind_of(head)
