"""What it takes to find other copies of this video: PDQ hashes of a frame per second, plain, mirrored and cropped.

The hashes are taken inside the bars. Which earlier videos match is filled in by the corpus once the video is finished
(`duplicate_cluster_id`, `cluster_size`, `matches`, `embedding_space`), and stays as it was then; to find all copies of
a video, ask for those with its cluster. `tiktokd.copies.match` is the rule: frames within 31 bits, at one offset in
time, for at least 30 % of the frames and two of them; videos under a second and a half have one frame, and are compared
by it with others as short alone. Full tier: copies edited beyond that (cropped far, turned, at another speed) and
parts of a video are found by SigLIP2 embeddings: the cosine of the clips' means, at least 0.9, finds a few, and at
least half of the frames of one must have their like in the other (a cosine of about 0.95, by sketches of 512 bits).
Videos from before frames were kept are compared by their means alone, at least 0.95. The limits are not calibrated: two
videos of one person in one room may reach them, and so may two that end on the same long card. A semantic match says
"look at both", has no place in time and joins no cluster; where the hashes match too, theirs is the one that is listed.
A cluster is one earliest video, the first to be finished, and those that match it: a copy of a copy that the earliest
does not match names the copy.

Bad at: without SigLIP2, crops over 12 %, stickers that cover a tenth of the picture, rotation, copies at another speed
and parts of a moving picture that begin between two full seconds, where other moments are hashed (missed); with it, a
short part of a long and varied video (the means are too far apart); slideshows that share one picture; videos of plain
or dark pictures (their hashes say nothing, quality under 50, and nor do their embeddings). The embedding comes from the
video's signals (`siglip2`) and not through the analyzer: the hashes cost a second of CPU, which must not wait on a GPU.

Source: PDQ and vPDQ, Meta ThreatExchange (BSD-3), own implementation, bit-exact.
"""

from typing import Literal

from tiktokd.copies import QUALITY_MIN
from tiktokd.footage import FrameHashes
from tiktokd.model import Output, Reason
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
    matched_ratio: float | None
    """0..1, share of this video's frames that the other shows; `None`: semantic, and one has no frames to compare."""
    offset_s: float | None
    """Where this video's start lies in the other one, seconds; `None`: semantic."""
    kind: Literal["exact", "edited", "semantic"]
    """Exact: re-encoded or resized; edited: cropped, mirrored, overlaid; semantic: by embedding only, uncalibrated."""
    cosine: float | None
    """0.9..1, of the clips' mean embeddings; `None`: matched by hashes."""


class NearDuplicateVideo(Output):
    """Hashes, and what the corpus says about them."""

    pdq: list[FrameHash]
    """About one per second, in order."""
    duplicate_cluster_id: str | None
    """Id of the earliest of this video and its exact and edited copies, so the same for all that match that one: its
    own id where this video is the earliest, or the only one so far. `None`: not compared."""
    cluster_size: int | None
    """Videos that are filed under that earliest one when this one is finished, itself included, and not counted again
    when later ones come: the latest copy has the highest. 1: the only one; `None`: not compared."""
    matches: list[VideoMatch]
    """Exact and edited ones, then semantic ones by their frames, each best first. Of the videos that were finished
    before this one: later ones name it, and not the other way round. Empty: none found, or not compared."""
    embedding_space: str | None
    """Model and revision whose embeddings were compared, only with their like; `None`: semantic copies were not looked
    for, since there was no embedding."""
    unknown: dict[str, str]
    """Field that is null → why: corpus_unavailable (not compared with earlier videos), low_quality (too little
    structure to compare); once the video is finished `embedding_space` → model_missing, cpu_fallback or no_sources."""


def analyze(context: Context) -> Result:
    """Write down the hashes."""
    found: FrameHashes = context.features["frame_hashes"]
    weak = all(h.quality < QUALITY_MIN for h in found.hashes)
    filed: Reason = "low_quality" if weak else "corpus_unavailable"
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
        cluster_size=None,
        matches=[],
        embedding_space=None,
        unknown=dict.fromkeys(("duplicate_cluster_id", "cluster_size", "embedding_space"), filed),
    )
    if weak:
        return partial(
            output,
            "low_quality",
            "too little structure in the picture: its hashes match nothing for sure",
            tier="lite",
        )
    return ok(output, tier="lite")


ANALYZER = Analyzer(
    name="near_duplicate_video",
    title="Fingerprints of the picture, to find other copies of this video",
    group="video",
    output=NearDuplicateVideo,
    analyze=analyze,
    uses=("frame_hashes",),
    signals=("siglip2",),
    needs=frozenset({"video"}),
    version="6",
)
