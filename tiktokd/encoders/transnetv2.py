"""Shots as TransNet V2 sees them: a network trained on cuts, fades, dissolves and wipes, on a thumbnail of every frame.

The network says per frame how sure it is that the middle of a transition is here, and that the frame belongs to one.
Which of them the transition is, and its exact frames, are then read off the pictures. Flashes are dropped as in
`shots`. Windows of 100 frames overlap by 50 and the middle 50 count, as in training; the values near the edge of a
window's middle depend a little on where the windows lie.

Bad at: pictures in other rates than 24 to 30 per second (not run below 12); dissolves longer than 2 s (60 frames in
training); which kind a wipe is (it is called a dissolve). F1 of the authors: 0.78 on ClipShots, 0.96 on BBC Planet
Earth, 0.94 on RAI. Its weights were never at hand here: the network is held to the published sizes and to planted
weights, its accuracy on short vertical video is not measured.
Source: Soucek and Lokoc 2020, arXiv 2008.04838; github.com/soCzech/TransNetV2, MIT. Training labels: the last frame of
the old shot for a cut, all mixed frames for a dissolve (`input_processing.concat_shots` there).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub, shots
from tiktokd.encoders import _picture_change as differ
from tiktokd.encoders import _soft_transitions as soft
from tiktokd.footage import Kind, Shots, Transition
from tiktokd.model import ModelUsed
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

Floats = NDArray[np.float32]
WEIGHTS = Weights(
    hub_id="soCzech/TransNetV2",
    revision=None,
    licence="MIT",
    size_mib=29.1,
    has_config=False,
    by_hand="the authors publish no safetensors; convert their weights once into soCzech--TransNetV2/model.safetensors "
    'in the models directory, see "Weights that no hub has" in docs/operations.md',
)
WINDOW, MARGIN = 100, 25
"""Frames per window, and how many of them at either end only give the others their surroundings."""
KEPT = WINDOW - 2 * MARGIN
SURE = 0.5
"""The authors' threshold, for both outputs."""
RATE_MIN_HZ = 12.0
"""Pictures per second below which the network is not asked: half of the 24 it knows. Chosen, not measured."""
JUMP = 0.5
"""Share of the whole change in one step from which a transition is a cut; fades and dissolves move in small steps."""
BLENDED_FRAMES = 3
"""A cut may have this many mixed frames, from a change of the frame rate; fewer than in any edited dissolve."""
SAME_CONTRAST = 1.0
"""Levels of 255 within which frames are as plain as the plainest: what compression leaves."""


class Span(NamedTuple):
    """One transition in thumbnails."""

    kind: Kind
    before: int
    """Last frame that is all the old shot."""
    after: int
    """First frame that is all the new one."""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransNet:
    """The network, ready to run."""

    hub: _hub.HubModel

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the shots."""
        return self.hub.used


def load(context: LoadContext) -> TransNet:
    """Return the network."""
    return TransNet(hub=_hub.load_network(WEIGHTS, context, _network))


def _network(tensors: Mapping[str, Any]) -> Any:
    """Return the network as wide as its tensors, so that a narrower one of the same kind, trained by a user, loads."""
    from tiktokd.encoders._transnetv2 import FILTERS, HIDDEN, TransNetV2

    first, dense = tensors.get("SDDCNN.0.DDCNN.0.Conv3D_1.layers.1.weight"), tensors.get("fc1.bias")
    return TransNetV2(FILTERS if first is None else len(first), HIDDEN if dense is None else len(dense))


def items(context: Context) -> Sequence[Array]:
    """Return the windows of a video; none where its pictures are too far apart in time."""
    thumbs, pts = context.arrays.get("thumbs"), context.arrays.get("thumbs_pts")
    if thumbs is None or pts is None or len(thumbs) < 2:
        return []
    rate_hz = (len(pts) - 1) / max(float(pts[-1] - pts[0]), 1e-6)
    return windows(thumbs) if rate_hz >= RATE_MIN_HZ else []


def windows(thumbs: Array) -> list[Array]:
    """Return (100, 27, 48, 3) windows 50 frames apart; the first and last frame stand for what lies beyond the ends."""
    beyond = -len(thumbs) % KEPT + MARGIN
    padded = np.pad(thumbs, ((MARGIN, beyond), (0, 0), (0, 0), (0, 0)), mode="edge")
    return [padded[start : start + WINDOW] for start in range(0, len(thumbs), KEPT)]


def encode(model: TransNet, batch: Sequence[Array]) -> Sequence[Floats]:
    """Return per window (50, 2), 0..1: the middle of a transition is here; this frame belongs to one."""
    import torch

    with torch.inference_mode():
        logits = model.hub.model(torch.from_numpy(np.stack(batch)).to(model.hub.device))
        kept = logits[:, MARGIN : MARGIN + KEPT].float().sigmoid().cpu().numpy()
    return list(kept)


def collect(context: Context, results: Sequence[Floats]) -> Shots:
    """Return the shots between the transitions that the network sees."""
    measured: Shots = context.features["shots"]
    thumbs = context.arrays["thumbs"]
    sure = np.concatenate(results)[: len(thumbs)]
    found = [timed(span, measured.pts) for span in transitions(sure, thumbs, measured.pts)]
    parts = shots.split(thumbs, measured.pts, found, context.facts.duration_s)
    return replace(measured, transitions=tuple(found), shots=parts)


def timed(span: Span, pts: NDArray[np.float64]) -> Transition:
    """Return a transition in seconds, `pts` being the times of the thumbnails."""
    start = span.after if span.kind == "cut" else span.before
    return Transition(kind=span.kind, start_s=float(pts[start]), end_s=float(pts[span.after]), score=span.score)


def transitions(sure: Floats, thumbs: Array, pts: NDArray[np.float64]) -> list[Span]:
    """Return the transitions in order, flashes left out.

    Args:
        sure: (T, 2) 0..1, as `encode` gives them.
        thumbs: (T, 27, 48, 3) uint8 RGB.
        pts: (T,) their times, seconds.
    """
    small = soft.shrink(thumbs)
    picture = differ.Pictures(thumbs, differ.active_cells(thumbs))
    kept: list[Span] = []
    for seen in (span for first, last, score in _runs(sure) for span in _spans(small, first, last, score)):
        free = kept[-1].after if kept else 0
        if seen.after <= free:
            continue  # two runs led to one and the same step of the picture
        span = seen._replace(before=max(seen.before, free))
        if _flashes(picture, pts, span.before, (span.before + span.after) // 2, span.after):
            continue
        if kept and _flashes(picture, pts, kept[-1].before, (kept[-1].after + span.after) // 2, span.after):
            kept.pop()
            continue
        kept.append(span)
    return kept


def _flashes(picture: differ.Pictures, pts: NDArray[np.float64], before: int, inside: int, after: int) -> bool:
    # From the first other frame to the first one back, as `shots` counts it.
    short = pts[after] - pts[min(before + 1, after)] <= shots.FLASH_S
    return bool(short) and shots.comes_back(picture, before, inside, after)


def _runs(sure: Floats) -> Iterator[tuple[int, int, float]]:
    """Yield first and last frame and score of each transition: frames of a middle, and those around it that belong."""
    middle, part = (sure > SURE).T
    edges = np.flatnonzero(np.diff(middle.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    free = 0
    for (start, stop), following in zip(edges, [*edges[:, 0], len(sure)][1:], strict=True):
        first, last = int(start), int(stop) - 1
        while first > free and part[first - 1]:
            first -= 1
        while last + 1 < following and part[last + 1]:
            last += 1
        free = last + 1
        if start < len(sure) - 1:  # after the last frame there is no other shot
            yield first, last, round(float(sure[start:stop, 0].max()), 3)


def _spans(small: Floats, first: int, last: int, score: float) -> list[Span]:
    """Return the transition with the frames `first` to `last` (of a cut: its last old one), its kind by the picture.

    A way through black or white is two fades, as `shots` has it.
    """
    for beside in (1, 2):  # a frame further where the picture stays the same: the network may be one off
        before, after = max(first - beside, 0), min(last + beside, len(small) - 1)
        alpha = soft.line(small, before, after)[0]
        if len(alpha):
            break
    steps = np.diff(alpha)
    if len(steps) and steps.max() >= JUMP:
        cut = before + int(steps.argmax()) + 1
        return [Span("cut", cut - 1, cut, score)]
    if last - first < BLENDED_FRAMES:
        # Mixed frames belong to whom they show more of; where nothing is seen to change the network alone is asked.
        cut = before + int((alpha >= JUMP).argmax()) if len(alpha) else min(last + 1, len(small) - 1)
        return [Span("cut", cut - 1, cut, score)]
    contrast = np.array([soft.contrast(picture) for picture in small[before : after + 1]])
    if contrast.min() >= soft.PLAIN_STD:
        return [Span("dissolve", before, after, score)]
    if min(contrast[0], contrast[-1]) < soft.PLAIN_STD:
        return [Span("fade", before, after, score)]
    plainest = before + np.flatnonzero(contrast <= contrast.min() + SAME_CONTRAST)
    return [Span("fade", before, int(plainest[0]), score), Span("fade", int(plainest[-1]), after, score)]


ENCODER = Encoder(
    name="transnetv2",
    title="Cuts, fades and dissolves as TransNet V2 sees them, and the shots between them",
    input="thumbs",
    place="gpu",
    load=load,
    encode=encode,
    items=items,
    nothing="truncated",
    nothing_said=f"fewer than {RATE_MIN_HZ:g} pictures per second are here, too few for the network",
    collect=collect,
    uses=("shots",),
    weights=WEIGHTS,
    max_batch=4,
    gflop_per_item=83.2,
)
