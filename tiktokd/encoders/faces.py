"""Whether frontal faces are in up to 8 frames, where no person detector has looked: boxes, and nothing about whose.

OpenCV on the CPU, in the process that would run D-FINE: only there is known whether it has.

Runs only where D-FINE has not: it is the lite tier's hint that somebody is there. No face is measured or compared.
A find of the first cascade counts where a second one, trained apart from it, finds a face in the same place, and either
is sure of it or an eye is seen; colour plays no part.
Bad at everything but upright frontal faces: backs, profiles, masks, faces cut by the frame and small people are missed,
so "no face" never means "nobody"; drawings of faces are taken for faces, and now and then a round pattern.
Source: Viola and Jones 2001, with three cascades of OpenCV (Apache-2.0), which OpenCV 5 no longer ships.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tiktokd.encoders import _frame_choice
from tiktokd.errors import ModelMissing
from tiktokd.pictures import Box, Detection, FrameDetections, iou
from tiktokd.plugins import Array, Context, Encoder, LoadContext

CASCADES = ("frontalface_default", "frontalface_alt", "eye_tree_eyeglasses")
FRAMES = 8
SHORT_SIDE_PX, FACE_MIN_PX = 240, 26
"""Searched at this size; faces below a ninth of the short side are not looked for."""
NEIGHBOURS_MIN, WEIGHT_MIN = 8, 3.0
"""Agreement of overlapping finds, and the last stage's weight: faces of seven known clips scored 3.0 to 12.8, the one
false find -0.8."""
SECOND_SAME, SECOND_SIZE, SECOND_NEIGHBOURS = 0.35, 0.6, 2
"""Overlap from which on the second cascade has found the same face, and its least size and agreement beside that of the
first."""
SECOND_SURE = 108.0
"""Weight of the second cascade (its last stage sums to this scale) from which on no eye must be seen. Of 111 finds of
filmed faces 109 had 106.5 to 110.7, those in which no eye was found 108 to 109.5; of 50 finds in drawn cups, leaves and
round things 31 had 106.2 to 107.9, 2 more, and the second cascade saw nothing in 17."""
EYE_FACE_PX, EYES_SHARE, EYE_NEIGHBOURS = 160, 0.65, 3
"""Eyes are looked for in the upper part of the face, made this wide; 2 of those 50 drawn things showed one."""
EYE_PX = (22, 64)
SURE_MIN = 0.45
"""Score of the best face of a clip; below, none of its finds counts. The best face of eight filmed clips with people
scored 0.48 to 1.0, the best false find in drawn textures and furniture 0.30 to 0.41, some in two frames."""
WEIGHT_SURE = 10.0
"""Weight that counts as score 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascades:
    """OpenCV's classifiers."""

    face: Any
    second: Any
    eye: Any


def load(_context: LoadContext) -> Cascades:
    """Return the cascades; raises `ModelMissing` where this OpenCV has none."""
    import cv2

    folder = Path(getattr(getattr(cv2, "data", None), "haarcascades", ""))
    files = [folder / f"haarcascade_{name}.xml" for name in CASCADES]
    if not hasattr(cv2, "CascadeClassifier") or not all(file.is_file() for file in files):
        raise ModelMissing("this OpenCV ships no face cascade; run: pip install 'opencv-python-headless<5'")
    face, second, eye = (cv2.CascadeClassifier(str(file)) for file in files)
    return Cascades(face=face, second=second, eye=eye)


def items(context: Context) -> Sequence[tuple[float, Array]]:
    """Return up to 8 pairs of time and luma (H, W); none where D-FINE has found the people already."""
    if "dfine" in context.features:
        return []
    frames, pts = _frame_choice.seen(context, FRAMES)
    return [(at, frame[: len(frame) * 2 // 3]) for at, frame in zip(pts, frames, strict=True)]


def encode(model: Cascades, batch: Sequence[tuple[float, Array]]) -> Sequence[FrameDetections]:
    """Return the faces of each picture."""
    return [FrameDetections(pts_s=pts, found=_find(model, luma)) for pts, luma in batch]


def _find(model: Cascades, luma: Array) -> tuple[Detection, ...]:
    import cv2

    scale = min(1.0, SHORT_SIDE_PX / min(luma.shape))
    small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else luma
    height, width = small.shape
    found = [
        Detection(
            label="face",
            score=round(min(weight / WEIGHT_SURE, 1.0), 3),
            box=(x / width, y / height, w / width, h / height),
        )
        for (x, y, w, h), weight in _weighed(model.face, small, 1.1, NEIGHBOURS_MIN, FACE_MIN_PX)
        if weight >= WEIGHT_MIN and _confirmed(model, small, luma, (x, y, w, h))
    ]
    return tuple(sorted(found, key=lambda face: -face.score))


def _weighed(cascade: Any, picture: Array, step: float, neighbours: int, least_px: int) -> list[tuple[Box, float]]:
    """Return what a cascade finds, as boxes in pixels with the weight of its last stage."""
    boxes, _levels, weights = cascade.detectMultiScale3(
        picture, scaleFactor=step, minNeighbors=neighbours, minSize=(least_px, least_px), outputRejectLevels=True
    )
    pairs = zip(np.asarray(boxes).reshape(-1, 4).tolist(), np.ravel(weights), strict=True)
    return [((x, y, w, h), float(weight)) for (x, y, w, h), weight in pairs]


def _confirmed(model: Cascades, small: Array, luma: Array, box: Box) -> bool:
    """Return whether the second cascade finds this face (pixels of `small`) too, and is sure or sees an eye."""
    x, y, w, h = (int(v) for v in box)
    left, top = max(0, x - w // 2), max(0, y - h // 2)
    around = np.ascontiguousarray(small[top : y + h + h // 2, left : x + w + w // 2])
    here = (float(x - left), float(y - top), float(w), float(h))
    again = _weighed(model.second, around, 1.05, SECOND_NEIGHBOURS, int(w * SECOND_SIZE))
    weight = max((weight for other, weight in again if iou(other, here) >= SECOND_SAME), default=None)
    return weight is not None and (weight >= SECOND_SURE or _shows_eye(model.eye, luma, box, len(luma) / len(small)))


def _shows_eye(eye: Any, luma: Array, box: Box, scale: float) -> bool:
    import cv2

    x, y, w, h = (v * scale for v in box)
    upper = luma[int(y) : int(y + h * EYES_SHARE), int(x) : int(x + w)]
    factor = EYE_FACE_PX / w
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(upper, None, fx=factor, fy=factor, interpolation=way)
    least, most = EYE_PX
    return len(eye.detectMultiScale(picture, 1.05, EYE_NEIGHBOURS, minSize=(least, least), maxSize=(most, most))) > 0


def collect(_context: Context, results: Sequence[FrameDetections]) -> tuple[FrameDetections, ...]:
    """Return the faces frame by frame; doubtful ones only in a clip that shows a sure one as well."""
    if any(face.score >= SURE_MIN for frame in results for face in frame.found):
        return tuple(results)
    return tuple(replace(frame, found=()) for frame in results)


def signals(features: Sequence[FrameDetections]) -> dict[str, Any]:
    """Return how many faces each frame shows: `{"faces": [[s, count], …]}`."""
    return {"faces": [[round(frame.pts_s, 3), len(frame.found)] for frame in features]}


ENCODER = Encoder(
    name="faces",
    title="Frontal faces of up to 8 frames, where no person detector runs",
    input="frames",
    place="either",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=f"{_frame_choice.BLANK}, or a person detector has looked",
    encode=encode,
    collect=collect,
    signals=signals,
    max_batch=8,
)
