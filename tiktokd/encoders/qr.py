"""QR codes in the picture: what they hold and when they are shown. A payload is text; it is never opened.

OpenCV's detector (Apache-2.0, no model file) on the luma of at most eight of the samples at which text may have come
up (`text_looks`): a code brings up as many standing edges as a caption. 0.045 s per frame of 576x1024. Independent of
encoder `ocr`: text may be read on the GPU, codes are found by a CPU worker in any case.

Bad at: codes below about a tenth of the picture's shorter side (60 px of samples of 576), bent or inverted ones,
artistic ones with logos, codes shown for under two seconds (may fall between the samples).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Context, Encoder, LoadContext

FRAMES_MAX = 8
PAYLOAD_MAX = 1024
"""Characters kept of a payload; a QR code holds up to 4,296."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture to look at."""

    pts_s: float
    luma: NDArray[np.uint8]
    """(H, W)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QrCode:
    """One payload and the moments of the samples that show it."""

    payload: str
    first_s: float
    last_s: float


def load(_context: LoadContext) -> Any:
    """Return the detector."""
    import cv2

    return cv2.QRCodeDetector()


def items(context: Context) -> list[Sample]:
    """Return the samples to look at: spread over those at which text may have come up, the last one among them."""
    frames = context.arrays.get("frames", np.zeros((0, 6, 4), np.uint8))
    if not len(frames):
        return []
    pts = np.asarray(context.arrays["frames_pts"], np.float64)
    chosen = sorted({look.index for look in context.features["text_looks"].looks} | {len(pts) - 1})
    few = np.unique(np.linspace(0, len(chosen) - 1, min(FRAMES_MAX, len(chosen))).round().astype(int))
    height = frames.shape[1] * 2 // 3
    return [Sample(float(pts[chosen[i]]), np.asarray(frames[chosen[i], :height])) for i in few]


def encode(model: Any, samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """Return the payloads in each picture."""
    return [_payloads(model, sample.luma) for sample in samples]


def _payloads(model: Any, luma: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the different payloads. OpenCV's search for several codes misses some single ones, and the other way."""
    picture = np.ascontiguousarray(luma)
    _, several, _, _ = model.detectAndDecodeMulti(picture)
    found = [text for text in several if text] or [model.detectAndDecode(picture)[0]]
    return tuple(dict.fromkeys(text[:PAYLOAD_MAX] for text in found if text))


def collect(context: Context, results: Sequence[tuple[str, ...]]) -> list[QrCode]:
    """Return each payload once, with its first and last moment."""
    seen: dict[str, list[float]] = {}
    for sample, payloads in zip(items(context), results, strict=True):
        for payload in payloads:
            seen.setdefault(payload, []).append(sample.pts_s)
    return [QrCode(payload=payload, first_s=min(times), last_s=max(times)) for payload, times in seen.items()]


def signals(codes: list[QrCode]) -> dict[str, Any]:
    """Return the codes for level 2: `{"codes": [{payload, first_s, last_s}]}`, at most ten."""
    return {"codes": [{"payload": c.payload, "first_s": c.first_s, "last_s": c.last_s} for c in codes[:10]]}


ENCODER = Encoder(
    name="qr",
    title="QR codes in the picture (OpenCV); payloads are data, never opened",
    input="frames",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    collect=collect,
    signals=signals,
    uses=("text_looks",),
    max_batch=16,
    gflop_per_item=0.05,
)
