"""Lines of text in the picture: what they say, where, from when to when (see `TextLine` for units and ranges).

PP-OCRv6 small, detection and recognition, inside the rapidocr wheel (Apache-2.0; PaddleOCR 3, 2026); nothing is ever
downloaded. On the GPU where onnxruntime computes there (package onnxruntime-gpu; not measured on one), else on the CPU.
The picture is searched only when and where standing edges came up (`text_looks`), at a short side of 288 px
(0.05 s for a whole picture; letters of 20 px at 540 px width are still found); a line is then cut out of the full-size
frame, read once (0.006 to 0.03 s, by its length) and followed in time (`_text_tracks`); only an unsure reading is
repeated on a later sample. Smaller is cheaper and worse: of plain and grey lettering on photos, without outlines, 26 %
of the letters are lost at 288 px, 35 % at 224, 42 % at 192.

Bad at: Cyrillic, Greek, Arabic, Hangul, Thai and Indic letters (told as writing that cannot be read), Vietnamese tone
marks, letters below 2 % of the width, text shown for less than the sampling step, rotated and curved writing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._text_belief import GIANT_RATIO, believable
from tiktokd.encoders._text_gate import Band, Look
from tiktokd.encoders._text_reader import SURE_SCORE, TEXT_SCORE, Reader, load
from tiktokd.encoders._text_tracks import SAME_BOX_IOU, Followed, contains, follow, join, replaces, same_words
from tiktokd.encoders._unknown_writing import STANDS_S, STANDS_SAMPLES, looks_written
from tiktokd.pictures import iou
from tiktokd.plugins import ClipArrays, Context, Encoder
from tiktokd.texts import Box, OcrFeatures, TextLine

DETECT_SIDE_PX = 288
"""Short side of the picture while searching; a multiple of 32, exactly half of 576. Rendered text of 20-34 px at
540x960 was found as well at 256, 320 and 400."""
GROWN = 1.08
"""A line this much wider than when it was read has got another word (captions that grow word by word)."""
MOST_CHANGES = 40
"""A line is read on over so many changes of its letters: a clock that counts the seconds of most clips."""


@dataclass(slots=True)
class _Track:
    line: TextLine
    followed: Followed
    readings: int = 0
    written: bool = False
    """It looks like writing, whether it can be read or not."""


@dataclass(frozen=True, slots=True)
class ToRead:
    """One clip, and where in it text may be."""

    arrays: ClipArrays
    looks: tuple[Look, ...]
    """Ascending."""


@dataclass(slots=True)
class _Clip:
    """One clip while it is read."""

    arrays: ClipArrays
    reader: Reader
    tracks: list[_Track] = field(default_factory=list)
    searched_s: list[float] = field(default_factory=list)
    readings: int = 0

    @property
    def pts(self) -> NDArray[np.float64]:
        return np.asarray(self.arrays["frames_pts"], np.float64)

    @property
    def low(self) -> NDArray[np.uint8]:
        return np.asarray(self.arrays.get("low", np.zeros((0, 4, 4), np.uint8)))

    @property
    def low_pts(self) -> NDArray[np.float64]:
        return np.asarray(self.arrays.get("low_pts", np.zeros(0)), np.float64)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return a sample, (H, W, 3) BGR."""
        import cv2

        return np.asarray(cv2.cvtColor(self.arrays["frames"][index], cv2.COLOR_YUV2BGR_I420), np.uint8)

    @property
    def step_s(self) -> float:
        return float(np.median(np.diff(self.pts))) if len(self.pts) > 1 else 0.5


def items(context: Context) -> Sequence[ToRead]:
    """Return the clip if it has frames: whether a line must be read depends on what was read before it."""
    if not len(context.arrays.get("frames", ())):
        return []
    return [ToRead(context.arrays, context.features["text_looks"].looks)]


def encode(model: Reader, clips: Sequence[ToRead]) -> list[OcrFeatures]:
    """Return the features of each clip."""
    return [_read_clip(_Clip(arrays=clip.arrays, reader=model), clip.looks) for clip in clips]


def _read_clip(clip: _Clip, looks: Sequence[Look]) -> OcrFeatures:
    for look in looks:
        _read_sample(clip, look)
    lines = join([track.line for track in clip.tracks if track.line.score >= TEXT_SCORE])
    return OcrFeatures(
        lines=tuple(line for line in lines if believable(line, lines)),
        searched_s=tuple(clip.searched_s),
        readings=clip.readings,
        unread=tuple(sorted((one.line.start_s, one.line.end_s) for one in clip.tracks if _unread(one))),
    )


def _unread(track: _Track) -> bool:
    """Return whether this is writing laid over the picture that cannot be read."""
    line = track.line
    stands = line.still and line.end_s - line.start_s >= STANDS_S and line.samples >= STANDS_SAMPLES
    return track.written and stands and line.score < TEXT_SCORE


def _read_sample(clip: _Clip, look: Look) -> None:
    """Search one sample; read what is new, and again what was read unsurely."""
    import cv2

    at_s = float(clip.pts[look.index])
    bands = [band for band in look.bands if _has_news(clip, band, at_s)]
    if not bands:
        return
    clip.searched_s.append(round(at_s, 3))
    picture = clip.picture(look.index)
    scale = DETECT_SIDE_PX / min(picture.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    for band in bands:
        for corners, detected in zip(*clip.reader.boxes(small, band), strict=True):
            if _height_ratio(corners / scale, picture.shape[0]) <= GIANT_RATIO:
                _read_line(clip, picture, corners / scale, float(detected), at_s)


def _read_line(
    clip: _Clip, picture: NDArray[np.uint8], corners: NDArray[np.float32], detected: float, at_s: float
) -> None:
    """Read one line that was found in one sample with a score of `detected`, unless it is known and sure."""
    box = _bounds(corners, picture.shape)
    known = _known(clip, box, at_s)
    if known is not None and (known.line.score >= SURE_SCORE or known.readings > 1):
        return
    if known is None:
        known = _track(clip, corners, picture.shape, at_s)
        clip.tracks.append(known)
    clip.readings += 1
    known.readings += 1
    crop = _straight(picture, corners)
    text, score = clip.reader.read(crop)
    if score < TEXT_SCORE:
        known.written = known.written or looks_written(crop, detected, known.line.height_ratio)
    if score > known.line.score:
        known.line = replace(known.line, text=text, score=round(score, 4), box=box)
    if known.line.score >= TEXT_SCORE:
        _end_covered(clip, known, at_s)
        _read_on(clip, known, corners)


def _end_covered(clip: _Clip, new: _Track, at_s: float) -> None:
    """Let lines end that seem to go on where another stands by now: a short word is found again inside a longer one."""
    for old in clip.tracks:
        lasts = old.line.start_s < new.line.start_s <= at_s < old.line.end_s
        if lasts and replaces(new.line, old.line, old.followed.box_at(at_s)):
            _end(old, new.line.start_s)


def _read_on(clip: _Clip, track: _Track, corners: NDArray[np.float32]) -> None:
    """Read a line again where one of its letters changed, and follow from there what it says then."""
    for _ in range(MOST_CHANGES):
        changed_s = track.followed.changed_s
        if changed_s is None:
            return
        index = int(np.searchsorted(clip.pts, changed_s - 1e-3))
        if index == len(clip.pts) or clip.pts[index] > max(track.line.end_s, changed_s + clip.step_s):
            _end(track, changed_s)
            return
        picture, at_s = clip.picture(index), float(clip.pts[index])
        clip.readings += 1
        text, score = clip.reader.read(_straight(picture, corners))
        after = _track(clip, corners, picture.shape, at_s)
        if same_words(text, track.line.text):
            shown = int(((clip.pts >= track.line.start_s - 1e-3) & (clip.pts < after.line.end_s)).sum())
            track.line = replace(track.line, end_s=after.line.end_s, samples=shown)
            track.followed = replace(
                track.followed, end_s=after.followed.end_s, changed_s=after.followed.changed_s, path=after.followed.path
            )
            continue
        _end(track, changed_s)
        if score < TEXT_SCORE:
            return
        start_s = max(after.line.start_s, round(changed_s, 3))
        after.line = replace(after.line, text=text, score=round(score, 4), start_s=start_s)
        after.readings = 1
        clip.tracks.append(after)
        track = after


def _end(track: _Track, at_s: float) -> None:
    """Let a line end where its letters changed."""
    track.line = replace(track.line, end_s=round(at_s, 3))
    track.followed = replace(track.followed, end_s=at_s, changed_s=None)


def _has_news(clip: _Clip, band: Band, at_s: float) -> bool:
    """Return whether more came up in a band than lines that are known already."""
    if not band.news:
        return True
    places = [t.followed.box_at(at_s) for t in clip.tracks if t.line.score >= SURE_SCORE and _shown(t.line, at_s)]
    unknown = [
        (x, y) for x, y in band.news if not any(bx <= x <= bx + w and by <= y <= by + h for bx, by, w, h in places)
    ]
    return len(unknown) > 0


def _shown(line: TextLine, at_s: float) -> bool:
    return line.start_s - 1e-3 <= at_s < line.end_s


def _known(clip: _Clip, box: Box, at_s: float) -> _Track | None:
    """Return the line that was read before, is still shown, and is here now; one that has grown is read again."""
    for track in clip.tracks:
        if not _shown(track.line, at_s):
            continue
        place = track.followed.box_at(at_s)
        part = track.line.score >= TEXT_SCORE and contains(place, box)
        if part or (iou(place, box) >= SAME_BOX_IOU and box[2] <= GROWN * place[2]):
            return track
    return None


def _track(clip: _Clip, corners: NDArray[np.float32], shape: tuple[int, ...], at_s: float) -> _Track:
    """Return a line at this place whose text is not read yet."""
    box = _bounds(corners, shape)
    followed = follow(clip.low, clip.low_pts, box, at_s, clip.step_s)
    shown = int(((clip.pts >= followed.start_s - 1e-3) & (clip.pts < followed.end_s)).sum())
    line = TextLine(
        text="",
        score=0.0,
        box=box,
        height_ratio=_height_ratio(corners, shape[0]),
        start_s=round(followed.start_s, 3),
        end_s=round(followed.end_s, 3),
        samples=max(shown, 1),
        still=followed.still,
    )
    return _Track(line, followed)


def _height_ratio(corners: NDArray[np.float32], height_px: int) -> float:
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    return round(min(float(sides[1::2].mean()), float(sides[::2].mean())) / height_px, 4)


def _bounds(corners: NDArray[np.float32], shape: tuple[int, ...]) -> Box:
    height, width = shape[:2]
    x0, y0 = np.clip(corners.min(axis=0) / (width, height), 0.0, 1.0)
    x1, y1 = np.clip(corners.max(axis=0) / (width, height), 0.0, 1.0)
    return round(float(x0), 4), round(float(y0), 4), round(float(x1 - x0), 4), round(float(y1 - y0), 4)


def _straight(picture: NDArray[np.uint8], corners: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the line cut out and turned upright."""
    from rapidocr.utils.process_img import get_rotate_crop_image

    return np.asarray(get_rotate_crop_image(picture, corners.astype(np.float32)), np.uint8)


def signals(features: OcrFeatures) -> dict[str, Any]:
    """Return how much was read; the lines themselves are the output of `on_screen_text`."""
    return {"lines": len(features.lines), "readings": features.readings, "searched": len(features.searched_s)}


ENCODER = Encoder(
    name="ocr",
    title="Lines of text in the picture with place, time and score (PP-OCRv6 small)",
    input="frames",
    place="either",
    onnx=True,
    load=load,
    encode=encode,
    items=items,
    signals=signals,
    uses=("text_looks",),
    max_batch=8,
    gflop_per_item=80.0,
)
