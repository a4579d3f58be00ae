"""PDQ hashes through a real H.264 encoder."""

from io import BytesIO

import av
import numpy as np
import pytest

from tests.unit.test_pdq import luma, scene
from tiktokd import pdq

WIDTH, HEIGHT = 288, 512


def reencoded(pictures, crf):
    """Return the pictures after H.264 at this quality."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("crf", [23, 32])
def test_reencoding_moves_at_most_twelve_bits(crf, accuracy):
    if "libx264" not in av.codecs_available:
        pytest.skip("this build of FFmpeg has no H.264 encoder")
    scenes = [scene(seed, HEIGHT, WIDTH) for seed in range(60, 66)]
    shown = [p for p in scenes for _ in range(5)]
    coded = reencoded(shown, crf)
    assert len(coded) == len(shown)
    moved = []
    for original, copy in zip(shown, coded, strict=True):
        a, b = (pdq.hash_luma(luma(p)).bits[None] for p in (original, np.asarray(copy)))
        moved.append(int(pdq.distances(a, b)[0, 0]))
    accuracy("PDQ after H.264 at CRF 23 and 32", max(moved), mark=12, unit="bits")
