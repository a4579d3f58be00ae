"""Whether people move with the beat: the rhythm of their movement against the beat times of the sound. Pure.

Movement starts (rises of the energy curve) and stops (falls) are what people place on beats; kinematic beats are where
velocity is lowest (Li et al. 2021, "AI Choreographer", AIST++, 5.2), which a stop is. Each rise or fall counts by its
size with the cosine of its place between two beats: 1 on the beat, -1 half-way. Dancing in double time counts by the
half beats, as far as the beats themselves have their share. A constant lag of up to 0.08 s is allowed for. What the
same movement scores on unrelated tempi is chance and is taken off: short clips and steady movement score near 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.model import Reason
from tiktokd.plugins import Context

Floats = NDArray[np.float64]
BEAT_STRENGTH_MIN = 0.3
"""`music_analysis` asks not to lean on beats below this."""
BEATS_MIN = 8
"""Beats with people in view: two bars."""
ENERGY_MIN = 8.0
"""Mean change per second (levels of 255) from which people move at all: encoder noise on people who stand still."""
STEADY_TIE = 0.05
"""Starts and stops that keep time this nearly alike both count."""
LAGS_S = (-0.08, -0.04, 0.0, 0.04, 0.08)
OTHER_TEMPI = (0.69, 0.73, 0.78, 0.83, 0.88, 0.91, 1.1, 1.14, 1.19, 1.23, 1.28, 1.38, 1.43)
"""Tempi in no simple ratio to the beat, on which the same movement shows what chance gives."""
STARTS = (0.0, 0.25, 0.5, 0.75)
"""Beats by which the unrelated grids begin later."""
CHANCE_QUANTILE = 0.9
GAP_RATIO = 1.6
"""Beats further apart than this many usual beats have one missing between them."""
Sync = tuple[float | None, Reason | None, str | None]
"""The measure 0..1, or `None` with the reason for programs and for people."""


def sync(movement: Mapping[str, Any], beats: Mapping[str, Any]) -> Sync:
    """Return 0..1, how much of the people's movement keeps to the beats beyond chance.

    Args:
        movement: signals of encoder `person_motion`.
        beats: signals of encoder `beats`.
    """
    times = np.array(beats.get("beats_s", []), np.float64)
    if len(times) < 2 or beats.get("strength", 0.0) < BEAT_STRENGTH_MIN:
        return None, "no_beat", "no steady beat"
    if not movement["energy"]:
        return None, "truncated", "the pictures that were kept of this long video are too far apart for a rhythm"
    energy = np.array([np.nan if v is None else v for v in movement["energy"]], np.float64)
    at = movement["start_s"] + (np.arange(1, len(energy))) * movement["step_s"]
    step = np.diff(energy)
    usual = float(np.median(np.diff(times)))
    within = np.isfinite(step) & np.isfinite(phases(at, times))
    if within.sum() * movement["step_s"] < BEATS_MIN * usual:
        return None, "too_short", f"people are in view for less than {BEATS_MIN} beats"
    if float(np.nanmean(energy)) < ENERGY_MIN:
        return None, "low_quality", "the people hardly move"
    rises, falls = np.maximum(step, 0.0), np.maximum(-step, 0.0)
    score = best(rises, falls, at, times)
    chance = float(np.quantile([best(rises, falls, at, grid) for grid in _unrelated(times, usual)], CHANCE_QUANTILE))
    return round(float(np.clip((score - chance) / max(1.0 - chance, 1e-9), 0.0, 1.0)), 4), None, None


def in_clip(context: Context) -> Sync:
    """Return `sync` for a clip's signals; where one of the two is absent, why."""
    movement, beats = context.signals.get("person_motion"), context.signals.get("beats")
    lack = context.lack("person_motion")
    if movement is None or lack:
        return None, *(lack or ("no_sources", "people were not looked for"))
    if not context.facts.has_audio:
        return None, "no_audio", "the file has no sound track"
    lack = context.lack("beats")
    if beats is None or lack:
        return None, *(lack or ("no_sources", "beats were not looked for"))
    return sync(movement, beats)


def phases(at_s: Floats, beats_s: Floats) -> Floats:
    """Return where times lie between beats, in beats from the first one; NaN outside and where a beat is missing."""
    gaps = np.diff(beats_s)
    place = np.searchsorted(beats_s, at_s, "right") - 1
    inside = (place >= 0) & (place < len(gaps))
    slot = np.clip(place, 0, len(gaps) - 1)
    phase = place + (at_s - beats_s[slot]) / gaps[slot]
    return np.where(inside & (gaps[slot] <= GAP_RATIO * np.median(gaps)), phase, np.nan)


def best(rises: Floats, falls: Floats, at_s: Floats, beats_s: Floats) -> float:
    """Return how far starts or stops lie on the beats, -1..1, at the best lag: of those that keep time better.

    The others follow from how long a movement takes, and may fall on beats by chance where the sharp ones are off.
    """
    phase = phases(at_s, beats_s)
    steady = [steadiness(events, phase) for events in (rises, falls)]
    kept = [events for events, s in zip((rises, falls), steady, strict=True) if s >= max(steady) - STEADY_TIE]
    shifted = [phases(at_s - lag, beats_s) for lag in LAGS_S]
    return max(on_beat(events, phase) for events in kept for phase in shifted)


def steadiness(events: Floats, phase: Floats) -> float:
    """Return 0..1, how much events keep to one place in the beat, or to two places half a beat apart."""
    known = np.isfinite(events) & np.isfinite(phase)
    size, angle = events[known], 2j * np.pi * phase[known]
    total = max(float(size.sum()), 1e-9)
    return max(float(np.abs((size * np.exp(k * angle)).sum())) / total for k in (1, 2))


def on_beat(events: Floats, phase: Floats) -> float:
    """Return -1..1: 1 where all events lie on beats, or evenly on beats and half beats; -1 where all lie half-way.

    Args:
        events: (N,) sizes, 0 or more; NaN: not known.
        phase: (N,) place between beats; NaN: not known.
    """
    known = np.isfinite(events) & np.isfinite(phase)
    size, angle = events[known], 2 * np.pi * phase[known]
    total = float(size.sum())
    if total <= 0:
        return 0.0
    single, double = (float((size * np.cos(k * angle)).sum()) / total for k in (1, 2))
    near = float(size[np.cos(angle) > 0].sum()) / total
    return max(single, double * min(1.0, 2 * near))


def _unrelated(beats_s: Floats, usual_s: float) -> Sequence[Floats]:
    grids = []
    for ratio in OTHER_TEMPI:
        for start in STARTS:
            count = int((beats_s[-1] - beats_s[0]) / (usual_s * ratio)) + 2
            grids.append(beats_s[0] + (np.arange(count) - start) * usual_s * ratio)
    return grids
