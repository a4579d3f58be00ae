"""Reads made-up clips as the daemon would: first where text may be, then what it says."""

from collections.abc import Sequence

from tiktokd.encoders import ocr, text_looks
from tiktokd.encoders._text_reader import Reader
from tiktokd.plugins import ClipArrays
from tiktokd.texts import OcrFeatures


def read_clips(reader: Reader, clips: Sequence[ClipArrays]) -> list[OcrFeatures]:
    """Return the features of each clip."""
    found = text_looks.encode(None, clips)
    return ocr.encode(reader, [ocr.ToRead(clip, one.looks) for clip, one in zip(clips, found, strict=True)])
