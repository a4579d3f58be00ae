"""What it takes to find other copies of this video: PDQ hashes of a frame per second, plain, mirrored and cropped.

The hashes are taken inside the bars. Which earlier videos match is filled in by the corpus once the video is finished
(`duplicate_cluster_id`, `matches`); until then both are empty. `tiktokd.copies.match` is the rule: frames within 31
bits, at one offset in time, for at least 30 % of the frames.

Bad at: crops over 12 % and rotation (missed), copies at another speed, videos of plain or dark pictures (their hashes
say nothing: quality under 50), slideshows that share one picture. Semantic copies (the same scene, other pictures) are
not looked for; what that takes, the clip's mean SigLIP2 embedding with the name of its space, is kept with the video
among its signals (`siglip2`: `mean`, `space`), not here: the hashes cost a second of CPU, which must not wait on a GPU.

Source: PDQ and vPDQ, Meta ThreatExchange (BSD-3), own implementation, bit-exact.
"""

from typing import Literal

from tiktokd.copies import QUALITY_MIN
from tiktokd.footage import FrameHashes
from tiktokd.model import Output
from tiktokd.plugins import Analyzer, Context, Result, ok, partial


class FrameHash(Output):
    """One hashed frame."""

    t_s: float
    """Seconds from the start."""
    hash_hex: str
    """256 bits as 64 hexadecimal digits, as ThreatExchange writes them; of the picture inside its bars."""
    quality: int
    """0..100; hashes under 50 are not compared."""
    flipped_hex: str
    """The same of the mirrored picture."""
    cropped_hex: list[str]
    """The same of the middle 95 % and 90 % of the width and height."""


class VideoMatch(Output):
    """An earlier video that shows the same."""

    video_id: str
    """As in the queue."""
    matched_ratio: float
    """0..1, share of this video's frames that the other shows."""
    offset_s: float
    """Where this video's start lies in the other one, seconds."""
    kind: Literal["exact", "edited", "semantic"]
    """Exact: re-encoded or resized; edited: cropped, mirrored, overlaid; semantic: by embedding only."""


class NearDuplicateVideo(Output):
    """Hashes, and what the corpus says about them."""

    pdq: list[FrameHash]
    """About one per second, in order."""
    duplicate_cluster_id: str | None
    """The earliest video of the copies; `None`: not matched (yet), or the only one."""
    matches: list[VideoMatch]
    """Best first; empty: none found (yet)."""


def analyze(context: Context) -> Result:
    """Write down the hashes."""
    found: FrameHashes = context.features["frame_hashes"]
    output = NearDuplicateVideo(
        pdq=[
            FrameHash(
                t_s=round(float(t), 3),
                hash_hex=whole.text,
                quality=whole.quality,
                flipped_hex=whole.flipped_text,
                cropped_hex=[c.text for c in crops],
            )
            for t, whole, crops in zip(found.pts_s, found.hashes, found.crops, strict=True)
        ],
        duplicate_cluster_id=None,
        matches=[],
    )
    if all(h.quality < QUALITY_MIN for h in found.hashes):
        return partial(output, "low_quality", "too little structure in the picture: its hashes match nothing for sure")
    return ok(output)


ANALYZER = Analyzer(
    name="near_duplicate_video",
    title="Fingerprints of the picture, to find other copies of this video",
    group="video",
    output=NearDuplicateVideo,
    analyze=analyze,
    uses=("frame_hashes",),
    needs=frozenset({"video"}),
)
