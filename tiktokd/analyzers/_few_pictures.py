"""Why nothing can be said of the motion between a video's pictures where none was dropped: it has too few. Pure."""

from tiktokd.model import MediaFacts, Reason

FEW = 3
"""A video of fewer pictures has no motion: two are one change."""


def too_few(facts: MediaFacts, apart_s: float) -> tuple[Reason, str] | None:
    """Return why the video itself shows no motion; `None`: its pictures are many and less than `apart_s` apart."""
    if facts.frame_count < FEW:
        return "too_short", f"the video has fewer than {FEW} pictures: too few for motion"
    each_s = facts.duration_s / facts.frame_count
    if each_s > apart_s:
        return "low_quality", f"the video shows a picture every {each_s:.2f} s: too few for motion"
    return None
