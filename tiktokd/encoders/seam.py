"""What happens when a video starts again: pictures, motion and sound across the seam, beside what is usual around it.

A loop is seamless when going from the last picture to the first is a step like any other. So each measurement comes
with its usual value, from the last and the first half second. A video that shows one stretch a whole number of times
has the same seam inside.

Bad at: seams hidden by a cut on both sides (a cut is unusual), sound that is cut by the encoder's padding (a few
milliseconds of silence at the end make a click).
Source: Wang et al., IEEE TIP 2004 (SSIM, 8x8 windows); PDQ; DIS flow as in `flow`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd import pdq
from tiktokd.copies import QUALITY_MIN
from tiktokd.encoders import _soft_transitions as soft
from tiktokd.encoders import flow
from tiktokd.footage import Floats, Seam
from tiktokd.plugins import Array, Context, Encoder, LoadContext
from tiktokd.sound import cut_off_at, is_silent

AROUND_S = 0.5
SMALLEST_S = 0.3
"""Under this there is no "around" to compare with."""
C1, C2 = (0.01 * 219) ** 2, (0.03 * 219) ** 2
"""SSIM's stabilisers for luma of limited range."""
WINDOW_PX = 8
PATCHES = 16
STILL_PX = 0.5
"""Motion is compared above this: below it, flow is noise."""
PERIODS_MAX = 12
PERIOD_S = 0.5
REPEAT_MAX, REPEAT_SHARE = 2.5, 0.15
"""Mean |difference| of pictures one period apart, 0..255, and its share of that of pictures half a period apart, ..."""
REPEAT_CHANGE = 1.0
"""... which must be so much: a still picture repeats nothing."""
BLANK_STD = 3.0
"""Standard deviation of luma (0..255) under which a picture shows nothing; codecs leave about 1 in plain colour."""
SOUND_WINDOW_S = 0.05
BANDS = 24
SILENT_DBFS, MASKED_DB = -60.0, 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """One video's pictures and sound."""

    low: Array
    low_s: NDArray[np.float64]
    thumbs: Array
    thumb_s: NDArray[np.float64]
    end_s: float
    sound: Array | None
    """(n,) int16 from the start to `end_s`; `None`: there is none, or its end did not fit into memory."""
    rate_hz: int
    silent: bool
    """There is sound, and all of it is silence."""


def measure(engine: Any, item: Ends) -> Seam:
    """Return the measurements at one video's seam."""
    first, last = item.low[0], item.low[-1]
    near = _near_ends(item.low_s, item.end_s)
    usual = [_alike(engine, item.low[i], item.low[i + 1]) for i in near] or [(1.0, 0)]
    changes = _thumb_changes(item)
    structure, bits = _alike(engine, last, first)
    return Seam(
        ssim=structure,
        ssim_usual=float(np.median([u[0] for u in usual])),
        bits=bits,
        bits_usual=float(np.median([u[1] for u in usual if u[1] is not None] or [0])),
        change=_apart(item.thumbs[-1], item.thumbs[0]),
        change_usual=float(np.quantile(changes, 0.9)) if len(changes) else 0.0,
        motion_apart=_motion_apart(engine, item),
        period_s=_period(item),
        # Picture by picture, up to the first that shows something: all at once they take 100 MiB as float64.
        blank=all(float(picture.std()) < BLANK_STD for picture in item.low),
        silent=item.silent,
        **_sound(item),
    )


def ssim(a: Array, b: Array) -> float:
    """Return the mean structural similarity, -1..1, of two luma pictures of one size."""
    import cv2

    one, two = a.astype(np.float32), b.astype(np.float32)

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, (WINDOW_PX, WINDOW_PX)), np.float32)

    mu1, mu2 = mean(one), mean(two)
    var1, var2, both = mean(one * one) - mu1 * mu1, mean(two * two) - mu2 * mu2, mean(one * two) - mu1 * mu2
    score = (2 * mu1 * mu2 + C1) * (2 * both + C2) / ((mu1**2 + mu2**2 + C1) * (var1 + var2 + C2))
    return float(score.mean())


def _near_ends(pts: NDArray[np.float64], end_s: float) -> list[int]:
    """Return i for the pairs (i, i + 1) of neighbours in the first and last half second."""
    able = (np.diff(pts) <= flow.GAP_S) & ((pts[1:] <= AROUND_S + 1e-6) | (pts[:-1] >= end_s - AROUND_S - 1e-6))
    return np.flatnonzero(able).tolist()


def _alike(engine: Any, a: Array, b: Array) -> tuple[float, int | None]:
    """Return SSIM and PDQ distance of two pictures, the second moved back by the flow between them.

    The distance is `None` where a picture has too little in it for its hash to mean anything: of one and the same flat
    drawing, an encoder's noise of one level moved 84 bits.

    A fast pan leaves little that is the same in the same place: what flow explains is the same.
    """
    import cv2

    moved = flow.pair_flow(engine, a, b)
    y, x = np.mgrid[: a.shape[0], : a.shape[1]].astype(np.float32)
    back = cv2.remap(b, x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    one, two = pdq.hash_luma(a), pdq.hash_luma(back)
    if min(one.quality, two.quality) < QUALITY_MIN:
        return ssim(a, back), None
    return ssim(a, back), int(pdq.distances(one.bits[None], two.bits[None])[0, 0])


def _apart(a: Array, b: Array) -> float:
    """Return the mean |difference| of two RGB thumbnails, summed over the planes (0..765)."""
    return float(np.abs(a.astype(np.int16) - b).sum(-1).mean())


def _thumb_changes(item: Ends) -> list[float]:
    return [_apart(item.thumbs[i], item.thumbs[i + 1]) for i in _near_ends(item.thumb_s, item.end_s)]


def _motion_apart(engine: Any, item: Ends) -> float | None:
    gap_s = item.end_s - float(item.low_s[-1]) + float(item.low_s[0])
    steps = np.diff(item.low_s)
    if len(item.low) < 3 or not 0.01 < gap_s <= flow.GAP_S or max(steps[0], steps[-1]) > flow.GAP_S:
        return None
    pairs = (
        (item.low[-2], item.low[-1], steps[-1]),
        (item.low[-1], item.low[0], gap_s),
        (item.low[0], item.low[1], steps[0]),
    )
    before, across, after = (_patch_flow(engine, a, b) / float(step_s) * 0.1 for a, b, step_s in pairs)
    usual = (before + after) / 2
    size = np.hypot(*np.moveaxis(across, -1, 0)).mean() + np.hypot(*np.moveaxis(usual, -1, 0)).mean()
    off = np.hypot(*np.moveaxis(across - usual, -1, 0)).mean()
    return float(2.0 * off / (size + 2 * STILL_PX))


def _patch_flow(engine: Any, a: Array, b: Array) -> Floats:
    import cv2

    return np.asarray(cv2.resize(flow.pair_flow(engine, a, b), (PATCHES, PATCHES), interpolation=cv2.INTER_AREA))


def _period(item: Ends) -> float | None:
    """Return the period of a video that shows one stretch a whole number of times."""
    count = len(item.thumbs)
    small = soft.shrink(item.thumbs)
    for repeats in range(PERIODS_MAX, 1, -1):
        period = round(count / repeats)
        if abs(period * repeats - count) > 1 or item.end_s / repeats < PERIOD_S or period < 4:
            continue
        apart = float(np.abs(small[period:] - small[:-period]).mean())
        half = float(np.abs(small[period // 2 :] - small[: -(period // 2)]).mean())
        if half >= REPEAT_CHANGE and apart <= REPEAT_MAX and apart <= REPEAT_SHARE * half:
            return round(item.end_s / repeats, 3)
    return None


def _sound(item: Ends) -> dict[str, float | None]:
    """Return the four measurements of the sound, all `None` where there is none."""
    nothing: dict[str, float | None] = dict.fromkeys(("mel_apart", "mel_usual", "level_jump_db", "click"))
    window = int(SOUND_WINDOW_S * item.rate_hz)
    around = int(AROUND_S * item.rate_hz)
    if item.sound is None or item.silent or len(item.sound) < 2 * around:
        return nothing
    tail, head = (part.astype(np.float64) / 16384.0 for part in (item.sound[-around:], item.sound[:around]))
    if max(_level_db(tail[-window:]), _level_db(head[:window])) < SILENT_DBFS:
        return {"mel_apart": 0.0, "mel_usual": 0.0, "level_jump_db": 0.0, "click": 0.0}
    bands = [_bands(part, window, item.rate_hz) for part in (tail, head)]
    # What lies 40 dB under the loudest band around is masked: an encoder's noise there is no difference.
    floor = max(float(b.max()) for b in bands) - MASKED_DB
    bands = [np.maximum(b, floor) for b in bands]
    usual = np.concatenate([np.sqrt((np.diff(b, axis=0) ** 2).mean(1)) for b in bands])
    steps = np.abs(np.diff(np.concatenate([tail[-window:], head[:window]])))
    across = steps[window - 1]
    beside = float(np.sqrt((np.delete(steps, window - 1) ** 2).mean()))
    return {
        "mel_apart": float(np.sqrt(((bands[1][0] - bands[0][-1]) ** 2).mean())),
        "mel_usual": float(np.quantile(usual, 0.9)),
        "level_jump_db": float(_level_db(head[:window]) - _level_db(tail[-window:])),
        "click": float(across / max(beside, 1e-4)),
    }


def _level_db(samples: NDArray[np.float64]) -> float:
    return float(10.0 * np.log10(np.mean(samples**2) + 1e-9))


def _bands(samples: NDArray[np.float64], window: int, rate_hz: int) -> NDArray[np.float64]:
    """Return `(k, BANDS)` levels in dB of windows side by side, in bands evenly spaced on the mel scale."""
    parts = samples[: len(samples) // window * window].reshape(-1, window) * np.hanning(window)
    power = np.abs(np.fft.rfft(parts, axis=1)) ** 2 / window
    mel = np.linspace(0, 2595 * np.log10(1 + min(8000, rate_hz / 2) / 700), BANDS + 1)
    edges = np.searchsorted(np.fft.rfftfreq(window, 1 / rate_hz), 700 * (10 ** (mel / 2595) - 1))
    sums = [power[:, a : max(a + 1, b)].sum(1) for a, b in pairwise(edges)]
    return 10.0 * np.log10(np.stack(sums, axis=1) + 1e-7)  # the floor: what lies 70 dB under full scale is silence


def _items(context: Context) -> list[Ends]:
    arrays = context.arrays
    # Of one picture the last is the first: it would loop perfectly whatever it shows.
    if not all(name in arrays and len(arrays[name]) > 1 for name in ("low", "thumbs")):
        return []
    end_s = context.facts.duration_s
    sound, rate_hz = None, 16000
    covered = (context.audio48_covers_s, context.audio16_covers_s)
    for name, rate, covers_s in (
        ("audio48", 48000, context.audio48_covers_s),
        ("audio16", 16000, context.audio16_covers_s),
    ):
        # Sound that ends before the picture is followed by silence; what did not fit is not known.
        ends = covers_s >= end_s - AROUND_S or cut_off_at(covers_s, max(covered), end_s) is None
        if name in arrays and sound is None and ends:
            whole = arrays[name] if arrays[name].ndim == 1 else arrays[name][:, 0]
            missing = max(0, round(end_s * rate) - len(whole))
            sound, rate_hz = np.pad(whole[: round(end_s * rate)], (0, missing)), rate
    return [
        Ends(
            low=arrays["low"],
            low_s=arrays["low_pts"],
            thumbs=arrays["thumbs"],
            thumb_s=arrays["thumbs_pts"],
            end_s=end_s,
            sound=sound,
            rate_hz=rate_hz,
            silent="audio16" in arrays and is_silent(arrays["audio16"]),
        )
    ]


def _encode(engine: Any, batch: Sequence[Ends]) -> list[Seam]:
    return [measure(engine, item) for item in batch]


def _load(context: LoadContext) -> Any:
    return flow.ENCODER.load(context)


def signals(features: Seam) -> dict[str, float | bool | None]:
    """Return the measurements by the names of `footage.Seam`: a dozen numbers."""
    return asdict(features)


ENCODER = Encoder(
    name="seam",
    title="Pictures, motion and sound from the last moment to the first",
    input="low",
    place="cpu",
    load=_load,
    encode=_encode,
    items=_items,
    nothing_said="of a single picture nobody can say how its end runs into its start",
    signals=signals,
)
