"""What a file that is no video is instead, told by its first bytes. Opens nothing; knows nothing of media libraries."""

import codecs

from tiktokd.printable import of_bytes

LOOKED_AT_BYTES, SHOWN_BYTES = 32, 12
PICTURES = frozenset({b"heic", b"heix", b"mif1", b"avif"})
"""Brands of the ISO container with a still picture (ISO/IEC 23008-12); `msf1` and `avis` move."""
BEGINNINGS = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"ID3", "an MP3"),
    (b"fLaC", "a FLAC sound"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
)
PAGES = (b"<!doctype", b"<html")
UNFINISHED = "an MP4 without a readable index (moov): it was not written or copied to its end; get it again"


def kind_of(head: bytes) -> str:
    """Return what the first `LOOKED_AT_BYTES` of a file say that it is, or the first of them where they say nothing."""
    if not head:
        return "it is empty"
    named = next((kind for start, kind in BEGINNINGS if head.startswith(start)), None)
    if named is not None:
        return f"it is {named}"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "it is a WebP picture"
    if head[4:8] == b"ftyp":
        return "it is a still picture (HEIF)" if head[8:12] in PICTURES else f"it is {UNFINISHED}"
    if head.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(PAGES):
        return f"it is a web page, not what the page shows (it begins with {of_bytes(head[:SHOWN_BYTES])})"
    if not any(head):
        return "it begins with zeros: it was not written or copied to its end; get it again"
    return f"it begins with {of_bytes(head[:SHOWN_BYTES])}"
