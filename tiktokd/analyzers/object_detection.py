"""Which objects are in the picture, how many, how long and how large, with their tracks.

Boxes of D-FINE (Objects365) in up to 16 frames, joined into tracks by overlap from one sampled frame to the next.

Bad at small or blurred objects, stickers and overlays, and products that the 365 classes do not name; a track breaks
where an object moves further than its own size between two samples.
Source: D-FINE (arXiv 2410.13842, Apache-2.0); greedy IoU tracking after Bochinski et al. 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tiktokd.model import Output, Segment
from tiktokd.pictures import Box, Detection, FrameDetections, holds, iou, mean_over
from tiktokd.plugins import Analyzer, Context, Result, ok

IOU_MIN = 0.3
"""Overlap from which two boxes of the same class in neighbouring samples are one object; IOU-Tracker uses 0.5 at full
frame rate, boxes move further between samples half a second apart."""


class SeenObject(Output):
    """One class of object."""

    label: str
    """Of Objects365, lower case."""
    count_max: int
    """Most of them in one frame."""
    screen_time_s: float
    """Seconds in which at least one is visible, to the sampling step."""
    area_ratio_mean: float
    """0..1 of the picture, mean over the time in which it is seen, boxes added up and capped at 1."""
    score_max: float
    """0..1, the detector's best score; not calibrated on short video."""


class ObjectDetection(Output):
    """All classes seen."""

    objects: list[SeenObject]
    """Longest on screen first; empty where nothing was found."""


class Track(Segment):
    """One object over time."""

    label: str
    """Of Objects365."""
    score: float
    """0..1, best of the track."""
    box: tuple[float, float, float, float]
    """`[x, y, w, h]`, shares of the picture, where it was largest."""


@dataclass(slots=True)
class _Open:
    label: str
    start_s: float
    seen_s: float
    boxes: list[Box] = field(default_factory=list)
    score: float = 0.0
    frame: int = 0


def analyze(context: Context) -> Result:
    """Count the objects and follow them."""
    frames: tuple[FrameDetections, ...] = context.features["dfine"]
    durations = holds([f.pts_s for f in frames], context.facts.duration_s)
    labels = {d.label for frame in frames for d in frame.found}
    objects = [_summary(label, frames, durations) for label in labels]
    objects.sort(key=lambda o: (-o.screen_time_s, -o.score_max, o.label))
    return ok(ObjectDetection(objects=objects), tracks(frames, durations), calibrated=False)


def _summary(label: str, frames: Sequence[FrameDetections], durations: Sequence[float]) -> SeenObject:
    shown = [(f, hold) for f, hold in zip(frames, durations, strict=True) if any(d.label == label for d in f.found)]
    boxes = [[d for d in f.found if d.label == label] for f, _hold in shown]
    areas = [min(sum(d.box[2] * d.box[3] for d in found), 1.0) for found in boxes]
    return SeenObject(
        label=label,
        count_max=max(len(found) for found in boxes),
        screen_time_s=round(sum(hold for _f, hold in shown), 3),
        area_ratio_mean=round(mean_over(areas, [hold for _f, hold in shown]), 4),
        score_max=round(max(d.score for found in boxes for d in found), 4),
    )


def tracks(frames: Sequence[FrameDetections], durations: Sequence[float]) -> list[Track]:
    """Return the objects over time, in the order in which they appear."""
    closed: list[_Open] = []
    running: list[_Open] = []
    for number, (frame, hold) in enumerate(zip(frames, durations, strict=True)):
        free = list(running)
        for found in frame.found:
            match = max(free, key=lambda t: _match(t, found), default=None)
            if match is not None and _match(match, found) >= IOU_MIN:
                free.remove(match)
            else:
                match = _Open(label=found.label, start_s=frame.pts_s, seen_s=frame.pts_s)
                running.append(match)
            match.boxes.append(found.box)
            match.score, match.frame = max(match.score, found.score), number
            match.seen_s = frame.pts_s + hold
        closed += [t for t in running if t.frame != number]
        running = [t for t in running if t.frame == number]
    return [_track(t) for t in sorted(closed + running, key=lambda t: (t.start_s, t.label))]


def _match(track: _Open, found: Detection) -> float:
    return iou(track.boxes[-1], found.box) if track.label == found.label else -1.0


def _track(found: _Open) -> Track:
    box = max(found.boxes, key=lambda b: b[2] * b[3])
    x, y, w, h = (round(v, 4) for v in box)
    return Track(
        start_s=round(found.start_s, 3),
        end_s=round(found.seen_s, 3),
        label=found.label,
        score=round(found.score, 4),
        box=(x, y, w, h),
    )


ANALYZER = Analyzer(
    name="object_detection",
    title="Which objects are seen, how many, how long and how large",
    group="video",
    output=ObjectDetection,
    segment=Track,
    analyze=analyze,
    uses=("dfine",),
    needs=frozenset({"video"}),
    lightweight=False,
    version="3",
)
