"""Whether frontal faces are in up to 8 frames, where no person detector has looked: boxes, and nothing about whose.

OpenCV on the CPU, in the process that would run D-FINE: only there is known whether it has.

Runs only where D-FINE has not: it is the lite tier's hint that somebody is there. No face is measured or compared.
Bad at everything but upright frontal faces: backs, profiles, masks and small people are missed, so "no face" never
means "nobody"; round textures are sometimes taken for faces.
Source: Viola and Jones 2001, with OpenCV's frontal-face cascade (Apache-2.0), which OpenCV 5 no longer ships.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tiktokd.encoders import _frame_choice
from tiktokd.errors import ModelMissing
from tiktokd.pictures import Detection, FrameDetections
from tiktokd.plugins import Array, Context, Encoder, LoadContext

CASCADE = "haarcascade_frontalface_default.xml"
FRAMES = 8
SHORT_SIDE_PX, FACE_MIN_PX = 240, 26
"""Searched at this size; faces below a ninth of the short side are not looked for."""
NEIGHBOURS_MIN, WEIGHT_MIN = 8, 3.0
"""Agreement of overlapping finds, and the last stage's weight: faces of seven known clips scored 3.0 to 12.8, the one
false find -0.8."""
SURE_MIN = 0.45
"""Score of the best face of a clip; below, none of its finds counts. The best face of eight filmed clips with people
scored 0.48 to 1.0, the best false find in drawn textures and furniture 0.30 to 0.41, some in two frames."""
WEIGHT_SURE = 10.0
"""Weight that counts as score 1."""


def load(_context: LoadContext) -> Any:
    """Return the cascade; raises `ModelMissing` where this OpenCV has none."""
    import cv2

    file = Path(getattr(getattr(cv2, "data", None), "haarcascades", "")) / CASCADE
    if not hasattr(cv2, "CascadeClassifier") or not file.is_file():
        raise ModelMissing("this OpenCV ships no face cascade; run: pip install 'opencv-python-headless<5'")
    return cv2.CascadeClassifier(str(file))


def items(context: Context) -> Sequence[tuple[float, Array]]:
    """Return up to 8 pairs of time and luma (H, W); none where D-FINE has found the people already."""
    if "dfine" in context.features:
        return []
    frames, pts = _frame_choice.seen(context, FRAMES)
    return [(at, frame[: len(frame) * 2 // 3]) for at, frame in zip(pts, frames, strict=True)]


def encode(model: Any, batch: Sequence[tuple[float, Array]]) -> Sequence[FrameDetections]:
    """Return the faces of each picture."""
    return [FrameDetections(pts_s=pts, found=_find(model, luma)) for pts, luma in batch]


def _find(model: Any, luma: Array) -> tuple[Detection, ...]:
    import cv2

    scale = min(1.0, SHORT_SIDE_PX / min(luma.shape))
    small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else luma
    size = (FACE_MIN_PX, FACE_MIN_PX)
    boxes, _levels, weights = model.detectMultiScale3(
        small, scaleFactor=1.1, minNeighbors=NEIGHBOURS_MIN, minSize=size, outputRejectLevels=True
    )
    height, width = small.shape
    found = [
        Detection(
            label="face",
            score=round(min(float(weight) / WEIGHT_SURE, 1.0), 3),
            box=(x / width, y / height, w / width, h / height),
        )
        for (x, y, w, h), weight in zip(np.asarray(boxes).reshape(-1, 4).tolist(), np.ravel(weights), strict=True)
        if weight >= WEIGHT_MIN
    ]
    return tuple(sorted(found, key=lambda face: -face.score))


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
