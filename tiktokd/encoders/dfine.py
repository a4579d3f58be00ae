"""D-FINE object boxes in up to 16 frames: 365 everyday classes (Objects365).

Bad at small and blurred objects, stickers and overlays, and products it has never seen. Pictures are stretched to a
square as in training, so boxes as shares need no inverse. Class 0 of the checkpoint is "None", no object: its boxes are
dropped.
Source: Peng et al. 2024, "D-FINE", arXiv 2410.13842; ustc-community/dfine-small-obj365, Apache-2.0, AP 30.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tiktokd.encoders import _frame_choice, _hub, _pixels
from tiktokd.model import ModelUsed
from tiktokd.pictures import Detection, FrameDetections, shares
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

WEIGHTS = Weights(
    hub_id="ustc-community/dfine-small-obj365",
    revision=None,
    licence="Apache-2.0",
    size_mib=42,
)
FRAMES = 16
SIZE_PX = 640
"""Side of the square that the checkpoint was trained on."""
SCORE_MIN = 0.4
"""Boxes below are dropped; the model card's demo uses 0.5, people far away score 0.4 to 0.5."""
BOXES_MAX = 50
"""Boxes kept per frame."""
NO_OBJECT = "none"
"""Name of the checkpoint's class 0, which stands for nothing (its `id2label` has 366 names for 365 things)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dfine:
    """The detector and its class names."""

    hub: _hub.HubModel
    labels: dict[int, str]
    size_px: int

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the boxes."""
        return self.hub.used


def load(context: LoadContext) -> Dfine:
    """Return the detector."""
    # The decoder adds small steps to positions that it keeps in the weights' format: bfloat16 has 256 of them from 0.5
    # to 1, so that boxes would lie on a grid of 2.5 pixels of 640.
    hub = _hub.load(WEIGHTS, context, "DFineForObjectDetection", dtype="float32")
    labels = {int(k): str(v).lower().strip() for k, v in hub.model.config.id2label.items()}
    return Dfine(hub=hub, labels=labels, size_px=_hub.input_size(hub.path, SIZE_PX))


def items(context: Context) -> Sequence[tuple[float, Array]]:
    """Return up to `FRAMES` pairs of time and picture."""
    frames, pts = _frame_choice.seen(context, FRAMES)
    return list(zip(pts, frames, strict=True))


def encode(model: Dfine, batch: Sequence[tuple[float, Array]]) -> Sequence[FrameDetections]:
    """Return the boxes of each picture."""
    import torch

    with torch.inference_mode():
        pixels = _pixels.squares([picture for _pts, picture in batch], model.size_px, model.hub.device)
        out = model.hub.model(pixel_values=pixels.to(model.hub.dtype))
        scores, classes = out.logits.float().sigmoid().max(dim=-1)
        boxes = out.pred_boxes.float().cpu().numpy()
    rows = zip(batch, scores.cpu().numpy(), classes.cpu().numpy(), boxes, strict=True)
    return [
        FrameDetections(pts_s=pts, found=decode(model.labels, score, label, box))
        for (pts, _picture), score, label, box in rows
    ]


def decode(labels: dict[int, str], scores: Array, classes: Array, boxes: Array) -> tuple[Detection, ...]:
    """Return the kept boxes of one picture, best first.

    Args:
        labels: class number to name.
        scores: (Q,) 0..1.
        classes: (Q,) class numbers.
        boxes: (Q, 4) centre x, centre y, width, height as shares of the picture.
    """
    order = [int(i) for i in (-scores).argsort(kind="stable")[:BOXES_MAX] if scores[i] >= SCORE_MIN]
    kept = [i for i in order if labels.get(int(classes[i])) != NO_OBJECT]
    return tuple(
        Detection(label=labels.get(int(classes[i]), str(classes[i])), score=float(scores[i]), box=corner(boxes[i]))
        for i in kept
    )


def corner(box: Array) -> tuple[float, float, float, float]:
    """Return `[x, y, w, h]` clipped to the picture from centre x, centre y, width, height."""
    cx, cy, w, h = (float(v) for v in box)
    left, top = min(max(cx - w / 2, 0.0), 1.0), min(max(cy - h / 2, 0.0), 1.0)
    right, bottom = min(max(cx + w / 2, 0.0), 1.0), min(max(cy + h / 2, 0.0), 1.0)
    return left, top, max(right - left, 0.0), max(bottom - top, 0.0)


def collect(context: Context, results: Sequence[FrameDetections]) -> tuple[FrameDetections, ...]:
    """Return the boxes frame by frame, with the time that each frame stands for."""
    weights = shares([frame.pts_s for frame in results], context.facts.duration_s)
    return tuple(replace(frame, share=share) for frame, share in zip(results, weights, strict=True))


def signals(features: tuple[FrameDetections, ...]) -> dict[str, Any]:
    """Return per label its share of the time, its best score and when it is first seen, the 40 seen longest.

    `people` has one entry per frame: its time, then the share of the picture that each person takes.
    """
    time: dict[str, float] = {}
    best: dict[str, float] = {}
    first: dict[str, float] = {}
    for frame in features:
        for label in {d.label for d in frame.found}:
            time[label] = time.get(label, 0.0) + frame.share
            first.setdefault(label, round(frame.pts_s, 3))
        for found in frame.found:
            best[found.label] = max(best.get(found.label, 0.0), round(found.score, 3))
    top = sorted(time, key=lambda label: (-time[label], label))[:40]
    return {
        "labels": {
            label: {"time_ratio": round(time[label], 4), "score": best[label], "first_s": first[label]} for label in top
        },
        "people": [[round(frame.pts_s, 3), *_people(frame)] for frame in features],
    }


def _people(frame: FrameDetections) -> list[float]:
    """Return the share of the picture that each person takes."""
    return [round(d.box[2] * d.box[3], 4) for d in frame.found if d.label.lower() == "person"]


ENCODER = Encoder(
    name="dfine",
    title="D-FINE boxes of 365 object classes in up to 16 frames",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_frame_choice.BLANK,
    encode=encode,
    collect=collect,
    signals=signals,
    weights=WEIGHTS,
    max_batch=32,
    gflop_per_item=28.63,
)
