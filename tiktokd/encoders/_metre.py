"""Which level of the metre is the beat: the period of onsets that repeat, then the slower one where accents say so.

Periods are in frames of 10 ms. Off-beat hats are as loud as the beat in an onset curve of logarithms, but they are
thin: without bass, without body. So the level is chosen by accents, the strength of onsets in three registers.

A kick that never misses is the beat, whatever plays three against two above it.

Bad at: strokes three to two against the beat without such a kick, drums in half time (their two levels are both right),
even arpeggios (the faster level, unless it is too fast to tap).

Source: Ellis, Beat Tracking by Dynamic Programming, J. New Music Research 36(1), 2007 (the period).
"""

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders.spectrum import LOG_GAIN, onset_strength

FRAMES_PER_S = 100
TEMPO_MIN_BPM, TEMPO_MAX_BPM = 30.0, 240.0
PREFERRED_BPM, PREFERENCE_OCTAVES = 120.0, 0.6
"""People tap near 120; log-normal weight (Ellis 2007, 3.2, with 0.9: then a bar of half the beats wins too easily)."""
LAGS = 410
"""Frames of autocorrelation: four beats at 60 BPM."""
SLOWER = 1.25
"""So much more weighted autocorrelation makes the slower of two levels of a triple metre the beat, ..."""
ALTERNATING = 1.02
"""... where the onsets themselves say so."""
REGISTERS = ((0, 4, 1.0), (4, 18, 1.0), (18, 40, 0.5))
"""Mel bands (below 330 Hz, to 1.9 kHz, above) and their share in an accent: kick and bass, body of drums and notes, and
hiss, which cymbals have alone."""
QUIET_REGISTER = 0.1
"""A register whose onsets are below this share of the strongest register's is not scaled up."""
ACCENT_MAX = 1.5
"""Single strokes count no more than this, in units of a strong one."""
KICK_BANDS = 2
"""Mel bands below 170 Hz."""
KICK_MIN_BPM, KICK_MAX_BPM, KICK_STEADY = 84.0, 170.0, 0.7
"""The least autocorrelation at one to four periods of a kick on every beat. Drum machines give 0.8..1, no other of 110
pieces and patterns more than 0.5."""
ATTACK = 6
"""Frames before a peak of the bass in which its stroke begins."""
OCTAVE = 0.1
"""Octaves off a whole number of them from which two periods are no levels of one metre."""
REACH = 4
"""Frames around a beat in which its accent lies."""
WINDOW_BEATS = 8
"""Accents are compared over two bars: a tracker that lost its step elsewhere does not matter."""
ACCENT_LEAD_MIN = 0.1
"""Equal clicks and machines stay below (0.02); a level that is not told apart at all stays the beat."""
ACCENT_WEIGHT, ACCENT_MARGIN = 2.0, 0.65
"""The slower level is the beat where weight times the lead of its accents exceeds the margin and what people prefer.
Leads measured on drum patterns of 60..180 BPM: beats against hats 0.6..1.0, kick against snare 0.1..0.4, breaks
0.2..0.6. The result hardly changes for weights of 2 to 3 with margins of 0.5 to 1.2."""


def autocorrelation(onset: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Return the autocorrelation at lags 0..lags, 1 at lag 0."""
    from scipy import fft

    centred = onset - onset.mean()
    size = fft.next_fast_len(len(onset) + lags, real=True)
    power = np.abs(fft.rfft(centred, size)) ** 2
    found: NDArray[np.float64] = fft.irfft(power, size)[: lags + 1]
    return found / max(float(found[0]), 1e-12)


def preference(period: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of how much people prefer a beat of these periods in frames, 0 for the best."""
    octaves = np.log2(60.0 * FRAMES_PER_S / np.maximum(period, 1) / PREFERRED_BPM)
    return np.asarray(-0.5 * (octaves / PREFERENCE_OCTAVES) ** 2)


def period_frames(correlation: NDArray[np.float64]) -> int:
    """Return the frames per beat (Ellis 2007, 3.2), of two levels of the metre mostly the faster.

    The best peak together with its double (TPS2) or triple (TPS3). The third of a beat is the beat only where the whole
    is not clearly more salient: shuffles and 6/8 are counted in beats, waltzes too.
    """
    lags = np.arange(len(correlation), dtype=np.float64)
    weighted = np.maximum(correlation, 0.0) * np.exp(preference(lags))
    weighted[0] = 0.0
    shortest, longest = round(60 * FRAMES_PER_S / TEMPO_MAX_BPM), round(60 * FRAMES_PER_S / TEMPO_MIN_BPM)
    periods = np.arange(shortest, min(longest, len(correlation) - 1) + 1)

    def at(places: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(places < len(weighted), weighted[np.minimum(places, len(weighted) - 1)], 0.0)

    duple = at(periods) + 0.5 * at(2 * periods) + 0.25 * (at(2 * periods - 1) + at(2 * periods + 1))
    triple = at(periods) + 0.33 * (at(3 * periods) + at(3 * periods - 1) + at(3 * periods + 1))
    if duple.max() >= triple.max():
        return int(periods[int(duple.argmax())])
    fast = int(periods[int(triple.argmax())])
    near = np.arange(3 * fast - 2, 3 * fast + 3)
    slow = int(near[int(at(near).argmax())])
    is_clearly_slower = (
        slow <= longest
        and float(at(near).max()) > SLOWER * weighted[fast]
        and float(correlation[slow]) > ALTERNATING * float(correlation[fast])
    )
    return slow if is_clearly_slower else fast


def kick_onsets(log_mel: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the onset strength of the bass, roots of magnitudes, per frame."""
    return onset_strength(np.sqrt(np.expm1(log_mel[:, :KICK_BANDS]) / LOG_GAIN)).astype(np.float64)


def steady_kick(kick: NDArray[np.float64]) -> tuple[int, float] | None:
    """Return period and steadiness 0..1 of a kick that never misses, `None` where there is none."""
    lags = min(LAGS, len(kick) - 1)
    correlation = autocorrelation(kick, lags) / (1.0 - np.arange(lags + 1) / len(kick))
    best: tuple[int, float] | None = None
    for period in range(round(60 * FRAMES_PER_S / KICK_MAX_BPM), round(60 * FRAMES_PER_S / KICK_MIN_BPM) + 1):
        if 4 * period + 3 > lags:
            break
        least = min(float(correlation[k * period - k // 2 - 1 : k * period + k // 2 + 2].max()) for k in (1, 2, 3, 4))
        if least > (best[1] if best else KICK_STEADY):
            best = period, least
    return best


def attacks(onset: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the frames at which strokes of the bass begin in the whole sound: bass rises late, by about 30 ms."""
    padded = np.pad(onset, (ATTACK, 0))
    before = np.lib.stride_tricks.sliding_window_view(padded, ATTACK + 1)[frames, ::-1]
    # Backwards: a beat in silence, where no frame is the strongest, stays where it is.
    return np.asarray(frames - before.argmax(axis=1), np.int64)


def is_level_of(period: int, other: int) -> bool:
    """Return whether one period is the other, its half, its double ..."""
    octaves = float(np.log2(period / other))
    return abs(octaves - round(octaves)) <= OCTAVE


def accents(log_mel: NDArray[np.float32], heard: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how strong an onset each frame is, about 0..2.5, from mel bands as `Spectrum` has them.

    The registers are scaled to their strong onsets where `heard`; roots of magnitudes, so that loud stays louder.
    """
    root = np.sqrt(np.expm1(log_mel) / LOG_GAIN)
    onsets = [onset_strength(root[:, low:high]).astype(np.float64) for low, high, _ in REGISTERS]
    strong = [float(np.percentile(one[heard], 98)) for one in onsets]
    floor = max(QUIET_REGISTER * max(strong), 1e-9)
    scaled = [np.minimum(one / max(top, floor), ACCENT_MAX) for one, top in zip(onsets, strong, strict=True)]
    return np.asarray(sum(share * one for (_, _, share), one in zip(REGISTERS, scaled, strict=True)))


def lead(accent: NDArray[np.float64], beats: NDArray[np.int64]) -> float:
    """Return how much stronger every second beat is than those between, 0..2, as a share of the mean accent."""
    padded = np.pad(accent, REACH)
    strength = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1)[beats].max(axis=1)
    if len(strength) < 4:
        return 0.0
    found = []
    for first in range(0, max(1, len(strength) - WINDOW_BEATS + 1), WINDOW_BEATS // 2):
        part = strength[first : first + WINDOW_BEATS]
        found.append(abs(part[::2].mean() - part[1::2].mean()) / max(float(part.mean()), 1e-9))
    return float(np.mean(found))


def slower_period(correlation: NDArray[np.float64], period: int, accent_lead: float) -> int | None:
    """Return the period of every second beat where its accents make that the beat, `None` where they do not."""
    near = np.arange(2 * period - 2, 2 * period + 3)
    if near[-1] >= len(correlation) or 2 * period > 60 * FRAMES_PER_S / TEMPO_MIN_BPM:
        return None
    faster, slower = preference(np.array([period, 2.0 * period])).tolist()
    if accent_lead <= ACCENT_LEAD_MIN or ACCENT_WEIGHT * accent_lead <= ACCENT_MARGIN + faster - slower:
        return None
    return int(near[int(correlation[near].argmax())])
