"""Where one shot ends and the next begins: hard cuts at exact frames, fades, dissolves.

A caption that appears, a flash, a hand before the lens and a pan are no cuts. Stretches of black are no shots: they
are neither counted nor listed, and a jump out of or into black is no cut (visual_quality lists them). Where black lies
between two shots, the cut is the start of the later one, unless that fades in. Tier lite compares pictures; tier full
asks the network TransNet V2 where a transition is and reads its frames and its kind off the pictures. Its weights are
put there by hand (docs/operations.md). Without them, without a GPU, or where less than 12 pictures per second fit into
memory, the result is lite and as complete. Colours, motion and statistics per shot always keep to the shots of the lite
tier.

Both see every frame, made small to 48x27, at the video's own rate. Where a long video did not fit into memory frame by
frame (`partial/truncated`; 64 MiB hold 57 s at 30 fps), cut times are as coarse as the message says, and shots shorter
than that are missed.

Bad at: shots shorter than four frames (taken for flashes), strobe light, changes that leave more than half of the
picture alone (picture in picture, one half of a split screen), dissolves longer than 2.4 s, wipes, pushes and whip pans
from one shot to the next (mostly missed; a whip that starts within one frame may count as a cut), jump cuts within a
calm take, light that is switched while the camera moves quickly (may count as a cut or dissolve). Tier full besides: it
was not measured on short vertical video here (its authors: F1 0.78 on ClipShots, 0.96 on BBC Planet Earth), and a wipe
is called a dissolve.

Source: adaptive comparison of neighbouring frames after PySceneDetect's AdaptiveDetector (BSD-3, no code taken);
straight-line test for dissolves, own; Soucek and Lokoc 2020, arXiv 2008.04838.
"""

import numpy as np

from tiktokd.footage import Kind, Shots
from tiktokd.model import Output, Segment, Tier
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

SHORTEST_S = 1.0
"""In less there is nothing to compare a change with."""
EVERY_FRAME = 1.5
"""Mean spacing of the pictures over that of the video's frames up to which each frame was seen."""


class TransitionFound(Output):
    """One change of shot."""

    t_s: float
    """The first frame of the new shot for a cut, the middle for the others."""
    kind: Kind
    """A fade has one plain end, black or white; a dissolve has none."""
    score: float
    """0..1: for a cut how far it stands out from the motion around it, for the others how clean the mix is; in tier
    full the network's highest value, above 0.5. Not a probability."""
    start_s: float
    """Last frame that is all the old shot; for a cut, the first of the new one."""
    end_s: float
    """First frame that is all the new shot; equal to `start_s` for a cut."""


class ShotBoundaries(Output):
    """The cutting of a video."""

    shot_count: int
    """1 or more; 0 only where the whole video is black."""
    cut_times_s: list[float]
    """Hard cuts: time of the first frame of each shot that begins at once, the video's first shot left out."""
    mean_shot_s: float | None
    """`None` where there is no shot."""
    median_shot_s: float | None
    """`None` where there is no shot."""
    transitions: list[TransitionFound]
    """Hard cuts and soft ones, in order. A fade out of black at the start or into black at the end is listed too, and
    a way through black is two fades."""


class ShotSegment(Segment):
    """One shot, without the black before and after it."""

    keyframe_s: float
    """A typical frame, away from the ends."""


def analyze(context: Context) -> Result:
    """Report what the network found, or without it the shots encoder."""
    seen = context.features.get("transnetv2")
    found: Shots = seen or context.features["shots"]
    cuts_s = found.cut_times_s()
    tier: Tier = "full" if seen else "lite"
    if context.facts.duration_s < SHORTEST_S:
        return skipped("too_short", f"{context.facts.duration_s:.2f} s; cuts are looked for from {SHORTEST_S:g} s on")
    shots = [s for s in found.shots if not s.black]
    lengths = [s.end_s - s.start_s for s in shots]
    output = ShotBoundaries(
        shot_count=len(shots),
        cut_times_s=[round(t, 3) for t in cuts_s],
        mean_shot_s=round(float(np.mean(lengths)), 3) if lengths else None,
        median_shot_s=round(float(np.median(lengths)), 3) if lengths else None,
        transitions=[
            TransitionFound(
                t_s=round(t.t_s, 3), kind=t.kind, score=t.score, start_s=round(t.start_s, 3), end_s=round(t.end_s, 3)
            )
            for t in found.transitions
            if t.kind != "cut" or t.start_s in cuts_s
        ],
    )
    segments = [
        ShotSegment(start_s=round(s.start_s, 3), end_s=round(s.end_s, 3), keyframe_s=round(s.keyframe_s, 3))
        for s in shots
    ]
    if not shots:
        return partial(output, "low_quality", "the picture is black throughout", tier=tier)
    if context.facts.frame_count > EVERY_FRAME * len(found.pts):
        apart_s = context.facts.duration_s / len(found.pts)
        return partial(
            output,
            "truncated",
            f"only a frame every {apart_s:.2f} s was kept",
            segments,
            calibrated=False,
            tier=tier,
        )
    return ok(output, segments, calibrated=False, tier=tier)


ANALYZER = Analyzer(
    name="shot_boundaries",
    title="Shots and the cuts, fades and dissolves between them",
    group="video",
    output=ShotBoundaries,
    segment=ShotSegment,
    analyze=analyze,
    uses=("shots",),
    optional=("transnetv2",),
    needs=frozenset({"video"}),
    version="4",
)
