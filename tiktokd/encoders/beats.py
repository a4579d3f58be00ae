"""Beats, tempo and where there is music, from onset strength and steady tones.

Tempo in beats per minute within 1 % on clicks of 60..220 BPM, as the slope of a line through the beat times (the period
of the tracker itself is only good to a frame of 10 ms). Music: 2 s windows in which tones hold pitch and strength; in
speech the pauses decide, so that quiet music under a voice is heard and a voice is not.

Bad at: half and double tempo where no accent tells them apart, such as even arpeggios and drum and bass (both
candidates are given), strokes three to two against the beat without a steady kick (6/8), rubato and changes of tempo
(low strength), 5/4 and 7/8, music of drums alone (no tones; its beat is found). Bells, bird song and engines that
happen to be in tune count as music.

Source: Ellis, Beat Tracking by Dynamic Programming, J. New Music Research 36(1), 2007.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._metre import (
    FRAMES_PER_S,
    LAGS,
    TEMPO_MIN_BPM,
    accents,
    attacks,
    autocorrelation,
    is_level_of,
    kick_onsets,
    lead,
    period_frames,
    slower_period,
    steady_kick,
)
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.sound import Beats, Span, Spectrum, spans_of

TIGHTNESS = 100.0
"""How much beats prefer an even period over strong onsets (Ellis 2007: 100 for onsets in units of their deviation)."""
MIN_BEATS = 4
OFF_GRID = 0.1
"""Beats further from the grid, as a share of the period, do not count for the tempo: people play closer than that."""
GRID_ROUNDS = 8
"""Each takes in about ten times as many beats as the one before."""
MIN_ONSET = 0.15
"""98th percentile of onset strength: steady noise and tones stay below 0.1, soft strings reach 0.2, drums 1."""
ONSET_DELAY_S = 0.012
"""Onsets are seen this early: half a window reaches ahead (median over clicks of nine tempi)."""

MUSIC_STEADY = 0.12
"""Share of steady tones above which 2 s are music. Read speech in three languages gives 0..0.10, noise, machines, rooms
and a bird below 0.06, orchestra, jazz, folk song, celesta and trumpet 0.13..0.9."""
MUSIC_GOES_ON = 0.1
"""The same for 2 s beside such: music goes on where no speech has as much. An encoder at 64 kbit/s takes a tenth off
the steadiness of jazz at 0.12..0.15, a quarter of which would be no music then."""
IN_TUNE = 0.38
"""Mean resultant length of the steady tones' place between semitones: notes of one tuning give 0.5..0.95, also sung and
bowed ones; engines, sirens and other gliding tones below 0.35."""
QUIET_TONES = 0.3
"""Added to the strength of all peaks: what hardly sounds is no music."""
WINDOW_S, HOP_S = 2.0, 1.0
MIN_GAP_FRAMES = 15
"""0.3 s between words tell something about what is under them; pauses within ..."""
GAP_REACH_S = 4.0
"""... this distance count together."""
EDGE_S = 0.06
"""Echo and breath next to speech are left out."""
TONAL_STEP_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One clip's onsets and tones, and where somebody speaks."""

    spectrum: Spectrum
    speech: tuple[Span, ...]


def steadiness(tonal: NDArray[np.float32], speech: tuple[Span, ...]) -> NDArray[np.float64]:
    """Return the share of steady tones, 0..1, of each 2 s around whole seconds 0, 1, 2 ..."""
    count = len(tonal)
    silent = np.ones(count, np.bool_)
    for start, end in speech:
        silent[max(0, int((start - EDGE_S) / TONAL_STEP_S)) : int((end + EDGE_S) / TONAL_STEP_S) + 1] = False
    all_sums = _running(tonal, np.ones(count, np.bool_))
    gap_sums = _running(tonal, silent)
    centres = np.arange(0, count, round(HOP_S / TONAL_STEP_S))
    shares = []
    for centre in centres.tolist():
        near = _within(gap_sums, centre, WINDOW_S / 2)
        if near[2] < MIN_GAP_FRAMES:
            near = _within(gap_sums, centre, GAP_REACH_S)
        if near[2] < MIN_GAP_FRAMES:
            near = _within(all_sums, centre, WINDOW_S / 2)
        shares.append(near[0] / (near[1] + QUIET_TONES * near[2]))
    return np.array(shares)


def _running(tonal: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    columns = np.column_stack((tonal[:, :2] * kept[:, None], kept))
    return np.concatenate((np.zeros((1, 3)), np.cumsum(columns, axis=0, dtype=np.float64)))


def _within(sums: NDArray[np.float64], centre: int, reach_s: float) -> NDArray[np.float64]:
    reach = round(reach_s / TONAL_STEP_S)
    difference: NDArray[np.float64] = sums[min(len(sums) - 1, centre + reach)] - sums[max(0, centre - reach)]
    return difference


def in_tune(tonal: NDArray[np.float32], spans: Sequence[Span]) -> float:
    """Return 0..1, how much the steady tones within spans keep to one tuning."""
    total = np.zeros(3)
    for start, end in spans:
        part = tonal[int(start / TONAL_STEP_S) : int(end / TONAL_STEP_S) + 1, 2:]
        total += part.sum(axis=0, dtype=np.float64)
    return float(np.hypot(total[1], total[2]) / max(total[0], 1e-9))


def music_spans(
    tonal: NDArray[np.float32], speech: tuple[Span, ...], duration_s: float
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return where there is music, to about a second, and where that is sure by itself."""
    steady = steadiness(tonal, speech)
    half = HOP_S / 2

    def spans(least: float) -> tuple[Span, ...]:
        runs = [(a, b) for a, b in spans_of(steady > least, HOP_S) if a - half < duration_s]
        found = [(a, b) for a, b in runs if steady[round(a / HOP_S) : round(b / HOP_S)].max() > MUSIC_STEADY]
        return tuple((max(0.0, a - half), min(duration_s, b - half)) for a, b in found)

    sure = spans(MUSIC_STEADY)
    return (spans(MUSIC_GOES_ON), sure) if in_tune(tonal, sure) > IN_TUNE else ((), ())


def track(onset: NDArray[np.float64], period: int) -> NDArray[np.int64]:
    """Return the frames of beats that are strong and about `period` apart, by dynamic programming."""
    around = np.arange(-period, period + 1)
    blur = np.exp(-0.5 * (around * 32.0 / period) ** 2)
    local = np.convolve(onset / max(float(onset.std()), 1e-9), blur, "same")
    before = np.arange(-2 * period, -round(period / 2) + 1)
    penalty = -TIGHTNESS * np.log(-before / period) ** 2
    offset = 2 * period
    score = np.zeros(len(onset) + offset)
    origin = np.full(len(onset), -1, np.int64)
    started = False
    floor = 0.01 * float(local.max())
    width = len(before)
    for frame in range(len(onset)):
        options = score[frame : frame + width] + penalty
        best = int(options.argmax())
        score[frame + offset] = local[frame] + options[best]
        started = started or local[frame] >= floor
        if started:
            origin[frame] = frame + before[best]
    tail = score[-period:]
    beats = [len(onset) - len(tail) + int(tail.argmax())]
    while (earlier := int(origin[beats[-1]])) >= 0:
        beats.append(earlier)
    return np.array(beats[::-1], np.int64)


def regressed_bpm(times_s: NDArray[np.float64], period_s: float) -> float | None:
    """Return the tempo as the slope of the least-squares line through the beats that lie on one grid.

    Missing beats do not matter, nor do a few that the tracker put between the beats, as in an opening without drums:
    the line starts from the beat that most others agree with, and takes in what fits as it gets surer.
    """
    if len(times_s) < MIN_BEATS:
        return None
    steps = np.maximum(1, np.round(np.diff(times_s) / period_s))
    periods = np.diff(times_s) / steps
    slope = float(periods[np.abs(periods / np.median(periods) - 1.0) <= OFF_GRID].mean())
    number = np.concatenate(([0.0], np.cumsum(steps)))
    place = times_s - number * slope
    start = float(place[int((np.abs(place[None, :] - place[:, None]) <= OFF_GRID * slope).sum(axis=1).argmax())])
    for _ in range(GRID_ROUNDS):
        fits = np.abs(times_s - start - number * slope) <= OFF_GRID * slope
        if np.count_nonzero(fits) < MIN_BEATS:
            break
        slope, start = (float(v) for v in np.polyfit(number[fits], times_s[fits], 1))
    return 60.0 / slope


def strength_of(correlation: NDArray[np.float64], period: int) -> float:
    """Return the largest autocorrelation near one, two or four periods: bars count where single beats vary."""
    found = [0.0]
    for beats in (1, 2, 4):
        around = correlation[beats * period - 2 * beats : beats * period + 2 * beats + 1]
        if len(around):
            found.append(float(around.max()))
    return min(1.0, max(found))


def _follow(item: Item) -> Beats:
    spectrum = item.spectrum
    music, sure = music_spans(spectrum.tonal, item.speech, spectrum.duration_s)
    music_s = sum(end - start for start, end in music)
    ratio = min(1.0, music_s / max(spectrum.duration_s, 1e-9))
    onset = spectrum.onset.astype(np.float64)
    heard = np.zeros(len(onset), np.bool_)
    for start, end in sure:
        heard[int(start * FRAMES_PER_S) : int(end * FRAMES_PER_S) + 1] = True
    if sum(end - start for start, end in sure) < WINDOW_S:
        heard[:] = True
    # Words over music elsewhere would only disturb, and so do faint stretches: a solo trumpet would lose its tempo.
    onset, loud = onset * heard, onset[heard]
    nothing = Beats(times_s=(), tempo_bpm=None, candidates_bpm=(), strength=0.0, music=music, music_ratio=ratio)
    if len(onset) < 2 * FRAMES_PER_S or float(np.percentile(loud, 98)) < MIN_ONSET:
        return nothing
    correlation = autocorrelation(onset, min(LAGS, len(onset) - 1))
    period = period_frames(correlation)
    strength = strength_of(correlation, period)
    kick = kick_onsets(spectrum.log_mel) * heard
    steady = steady_kick(kick)
    if steady is not None and not is_level_of(period, steady[0]):
        period, strength = steady
        frames = attacks(onset, track(kick, period))
    else:
        frames = track(onset, period)
        accent = accents(spectrum.log_mel, heard) * heard
        if slower := slower_period(correlation, period, lead(accent, frames)):
            period, frames = slower, track(onset, slower)
    frames = frames[heard[frames]]
    times_s = frames / FRAMES_PER_S + ONSET_DELAY_S
    tempo_bpm = regressed_bpm(times_s, period / FRAMES_PER_S)
    if tempo_bpm is None:
        return nothing
    return Beats(
        times_s=tuple(np.round(times_s, 2).tolist()),
        tempo_bpm=tempo_bpm,
        candidates_bpm=tuple(tempo_bpm * k for k in (0.5, 1.0, 2.0) if TEMPO_MIN_BPM <= tempo_bpm * k <= 300.0),
        strength=strength,
        music=music,
        music_ratio=ratio,
    )


def items(context: Context) -> list[Item]:
    """Return the spectrum with the spans of speech."""
    spectrum, speech = context.features.get("spectrum"), context.features.get("vad")
    if spectrum is None or speech is None:
        return []
    return [Item(spectrum=spectrum, speech=speech.spans)]


def load(_context: LoadContext) -> None:
    """Nothing to load: no weights."""


def encode(_model: Any, batch: Sequence[Item]) -> list[Beats]:
    """Track the beats of each clip."""
    return [_follow(item) for item in batch]


def signals(features: Beats) -> dict[str, Any]:
    """Return `beats_s` (at most 1500), `tempo_bpm`, `strength`, `music_ratio` as in `tiktokd.sound.Beats`."""
    return {
        "beats_s": list(features.times_s[:1500]),
        "tempo_bpm": features.tempo_bpm,
        "strength": round(features.strength, 3),
        "music_ratio": round(features.music_ratio, 3),
    }


ENCODER = Encoder(
    name="beats",
    title="Beat times, tempo, strength of the beat, spans of music",
    input="features",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    signals=signals,
    uses=("spectrum", "vad"),
)
