"""Features of pictures as analyzers see them: embeddings, detections, poses. Knows no model and no torch.

N frames, D dimensions, L labels, B background prompts, K keypoints. Boxes are `[x, y, w, h]`, shares of the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""Order of the 17 body keypoints (COCO 2017); left and right are the person's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One class of a taxonomy."""

    id: str
    name: str
    """For people."""
    group: str | None = None
    """What the taxonomy file says beside it: a parent, a policy area; `None` where it says nothing."""
    iab: str | None = None
    """Unique ID in the IAB Content Taxonomy 3.0; `None` where the file names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCosines:
    """How near each frame lies to each label of one taxonomy."""

    labels: tuple[Label, ...]
    cosine: Floats
    """(N, L), -1..1, mean over the label's prompts."""
    background: Floats
    """(N, B), -1..1: prompts that describe nothing in particular; a label must beat them."""
    scale: float
    """The model's learned temperature: logits are `scale * cosine + bias`."""
    bias: float
    weight: Floats | None = None
    """(N,) share of the video that each frame stands for; `None`: all alike."""

    def weights(self, frames: NDArray[np.bool_] | None = None) -> Floats:
        """Return the shares of the frames, or of some of them, so that they sum to 1."""
        every = np.ones(len(self.cosine), np.float32) if self.weight is None else self.weight
        chosen = every if frames is None else every[frames]
        total = float(chosen.sum())
        return np.asarray(chosen / total if total > 0 else np.full(len(chosen), 1.0 / max(len(chosen), 1)), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEmbeddings:
    """What SigLIP2 sees in sampled frames."""

    vectors: Floats
    """(N, D), length 1."""
    pts_s: NDArray[np.float64]
    """(N,) seconds."""
    space: str
    """Model and revision; vectors of different spaces must never be compared."""
    taxonomies: dict[str, LabelCosines]
    """By file name in `data/prompts`; empty where the model has no text tower."""
    weight: Floats | None = None
    """(N,) share of the video that each frame stands for; `None`: all alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One object in one frame."""

    label: str
    score: float
    """0..1, the model's own; not calibrated on short video."""
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDetections:
    """All objects of one frame, best first."""

    pts_s: float
    found: tuple[Detection, ...]
    share: float = 0.0
    """0..1 of the video that this frame stands for; 0: nobody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One person's keypoints in one frame."""

    pts_s: float
    box: tuple[float, float, float, float]
    points: Floats
    """(K, 3): x, y as shares of the picture and the score 0..1, in the order of `COCO_KEYPOINTS`."""


HIPS, SHOULDERS = ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")
HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
SEEN = 0.3
"""Keypoint score from which a joint counts as visible (mmpose's default `kpt_thr`)."""


def visible(pose: Pose) -> frozenset[str]:
    """Return the names of the joints that are seen inside the picture."""
    named = zip(COCO_KEYPOINTS, pose.points, strict=True)
    return frozenset(n for n, (x, y, score) in named if score >= SEEN and 0 <= x <= 1 and 0 <= y <= 1)


def facing(pose: Pose) -> bool:
    """Return whether nose and both eyes are seen: the person looks towards the camera."""
    return {"nose", "left_eye", "right_eye"} <= visible(pose)


def told_poses(signals: Mapping[str, Any]) -> list[Pose]:
    """Return the poses among the signals of encoder `vitpose`, in the order of time; none where it gave none."""
    told: list[dict[str, Any]] = signals.get("vitpose", {}).get("poses", [])
    return [
        Pose(pts_s=one["pts_s"], box=tuple(one["box"]), points=np.array(one["points"], np.float32).reshape(-1, 3))
        for one in told
    ]


def upright(pose: Pose, aspect: float) -> bool | None:
    """Return whether a person stands or sits: the body points up, by less than 45 degrees from the vertical.

    The body is the way from the hips to the shoulders, or from the shoulders to the head where no hip is seen, as in a
    close-up.

    Args:
        aspect: width / height of the picture.

    Returns:
        `None` where the joints that are seen do not tell.
    """
    seen, points = visible(pose), dict(zip(COCO_KEYPOINTS, pose.points, strict=True))
    parts = [[points[name][:2] for name in names if name in seen] for names in (HIPS, SHOULDERS, HEAD)]
    hips, shoulders, head = (np.mean(part, axis=0) if part else None for part in parts)
    low, high = (hips, shoulders) if hips is not None else (shoulders, head)
    if low is None or high is None:
        return None
    right, up = (high[0] - low[0]) * aspect, low[1] - high[1]
    return bool(up > abs(right))


def holds(times_s: Sequence[float], duration_s: float) -> list[float]:
    """Return how long each sampled frame stands for the video, in seconds: until the next sample, or the end."""
    ends = [*times_s[1:], max(duration_s, times_s[-1])] if times_s else []
    return [max(end - start, 0.0) for start, end in zip(times_s, ends, strict=True)]


def shares(times_s: Sequence[float], duration_s: float) -> list[float]:
    """Return the share of the video that each sampled frame stands for; they sum to 1.

    The first seconds are sampled densely: a mean over frames would count them several times.
    """
    lengths = holds(times_s, duration_s)
    total = sum(lengths)
    return [length / total if total > 0 else 1.0 / len(lengths) for length in lengths]


def mean_over(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the weighted mean of one value or more, the plain one where nothing weighs."""
    return float(np.average(values, weights=weights if sum(weights) > 0 else None))


def median_over(values: Sequence[float] | Floats, weights: Sequence[float] | Floats) -> float:
    """Return the weighted median of one value or more: half of the weight lies below, the mean of two on a tie."""
    order = np.argsort(values, kind="stable")
    weighed = np.asarray(weights, np.float64)[order] if sum(weights) > 0 else np.ones(len(order))
    reached = np.cumsum(weighed) / weighed.sum()
    low, high = (int(np.searchsorted(reached, at)) for at in (0.5 - 1e-9, 0.5 + 1e-9))
    return (float(values[order[low]]) + float(values[order[min(high, len(order) - 1)]])) / 2


def iou(a: Box, b: Box) -> float:
    """Return the intersection over the union of two `[x, y, w, h]` boxes, 0..1."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameScores:
    """Class scores of a picture classifier."""

    pts_s: NDArray[np.float64]
    labels: tuple[str, ...]
    scores: Floats
    """(N, L), 0..1, sums to 1 over the labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCaption:
    """Features of encoder `captioner`."""

    raw: str
    """As the model wrote it."""
    prompt: str
    """What it was asked, the pictures and the words of the video left out."""
    heard: bool = False
    """It was also given what is said."""
    shown: bool | None = None
    """It was also given what the picture says; `None`: nobody could tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One label that stands out in a clip or a shot."""

    label: Label
    score: float
    """0..1: mean share among all labels and background prompts; relative, not a probability."""
    z: float
    """Robust z-score among the labels of this clip."""


Z_STANDS_OUT = 2.0
"""A label is named when it lies this many robust deviations above the clip's other labels; 2.0 keeps about the upper
2 % of a normal spread, so that "none of these" stays possible."""


def rank(cosines: LabelCosines, frames: NDArray[np.bool_] | None = None, limit: int = 5) -> list[Ranked]:
    """Return the labels that stand out over `frames` (all by default), best first, at most `limit`.

    A label must beat every background prompt on average over the time and stand out among the labels by `Z_STANDS_OUT`.
    """
    chosen = cosines.cosine if frames is None else cosines.cosine[frames]
    background = cosines.background if frames is None else cosines.background[frames]
    if not len(chosen):
        return []
    weights = cosines.weights(frames)
    mean = weights @ chosen
    floor = float((weights @ background).max()) if background.size else -1.0
    spread = 1.4826 * float(np.median(np.abs(mean - np.median(mean))))
    z = (mean - np.median(mean)) / spread if spread > 1e-6 else np.zeros_like(mean)
    share = weights @ _shares(chosen, background, cosines.scale)
    order = np.argsort(-mean)
    return [
        Ranked(label=cosines.labels[i], score=float(share[i]), z=float(z[i]))
        for i in order[:limit]
        if mean[i] > floor and z[i] >= Z_STANDS_OUT
    ]


def winner(cosines: LabelCosines, frames: NDArray[np.bool_] | None = None, margin: float = 0.01) -> Ranked | None:
    """Return the nearest label of a small taxonomy, or `None` where no label beats the background by `margin`.

    For taxonomies of a handful of labels, among which "stands out" has no meaning; `z` is 0.
    """
    chosen = cosines.cosine if frames is None else cosines.cosine[frames]
    background = cosines.background if frames is None else cosines.background[frames]
    if not len(chosen):
        return None
    weights = cosines.weights(frames)
    mean = weights @ chosen
    best = int(mean.argmax())
    floor = float((weights @ background).max()) if background.size else -1.0
    if mean[best] < floor + margin:
        return None
    share = float((weights @ _shares(chosen, background, cosines.scale))[best])
    return Ranked(label=cosines.labels[best], score=share, z=0.0)


def _shares(cosine: Floats, background: Floats, scale: float) -> Floats:
    """Return the softmax share (N, L) of each label among labels and background."""
    logits = np.concatenate([cosine, background], axis=1) * scale
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray((weights / weights.sum(axis=1, keepdims=True))[:, : cosine.shape[1]], np.float32)
