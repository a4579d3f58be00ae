"""At which samples, and where in them, the picture is searched for text and codes, from edges in the small frames.

Once per video, for `ocr` and `qr`; how a sample is chosen says `_text_gate`. At most half a second of CPU time for a
video of any length: there are no more small frames than fit into a slot (64 MiB; 0.03 s for a usual clip).

Bad at: text on things that move with them, which is found only because a picture that moves is searched again every
2.5 s, less often in long videos; text shown for under three small frames (0.3 s, in a video of ten minutes 5 s).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._text_gate import TextLooks, samples_to_read
from tiktokd.plugins import ClipArrays, Encoder


def encode(_model: None, clips: Sequence[ClipArrays]) -> list[TextLooks]:
    """Return the looks of each clip; none where it has no pictures."""
    return [TextLooks(looks=tuple(samples_to_read(*_pictures(arrays)))) for arrays in clips]


def _pictures(arrays: ClipArrays) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Return the small frames, their times, and the times of the samples."""
    none = np.zeros(0, np.float64)
    low = arrays.get("low", np.zeros((0, 4, 4), np.uint8))
    return low, arrays.get("low_pts", none), arrays.get("frames_pts", none)


ENCODER = Encoder(
    name="text_looks",
    title="Samples, and rows of them, in which text or codes may have come up",
    input="low",
    place="cpu",
    encode=encode,
    portable=TextLooks,
)
