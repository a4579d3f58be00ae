"""What `pacing` computes of single parts: its fixed scale of speed, cuts on the beat, counts per second."""

from collections.abc import Sequence

import numpy as np

from tiktokd.analyzers.music_analysis import BEAT_SURE, MusicAnalysisOutput
from tiktokd.analyzers.shot_boundaries import ShotBoundaries

BEAT_WINDOW_S = 0.1

FAST_CUTS_PER_MIN, FAST_SPEED, FAST_ONSETS_PER_S, FAST_WORDS_PER_S, FAST_SYLLABLES_PER_S = 40.0, 0.5, 5.0, 4.0, 6.0
"""What counts as full speed: a cut every 1.5 s, half a picture per second, sixteenths at 75 BPM, a fast speaker."""
LEVEL_FORMULA = (
    "mean of known: min(1, cuts_per_min/40), min(1, motion/0.5), min(1, onsets_per_s/5), min(1, words_per_s/4)"
)


def talk(words_per_s: float | None, syllables_per_s: float | None) -> float | None:
    """Return 0..1 of full speed, of words or else of syllables."""
    if words_per_s is not None:
        return min(1.0, words_per_s / FAST_WORDS_PER_S)
    return None if syllables_per_s is None else min(1.0, syllables_per_s / FAST_SYLLABLES_PER_S)


def level(
    cuts_per_min: float | None, speed: float | None, onsets_per_s: float | None, talk: float | None
) -> float | None:
    """Return the mean over the known parts, 0..1; `None` where nothing is known."""
    known = [
        min(1.0, value / fast)
        for value, fast in (
            (cuts_per_min, FAST_CUTS_PER_MIN),
            (speed, FAST_SPEED),
            (onsets_per_s, FAST_ONSETS_PER_S),
            (talk, 1.0),
        )
        if value is not None
    ]
    return sum(known) / len(known) if known else None


def has_beat(music: MusicAnalysisOutput) -> bool:
    """Return whether the music has a beat to lean on."""
    return bool(music.beats_s) and music.tempo_confidence >= BEAT_SURE


def beat_sync(shots: ShotBoundaries | None, music: MusicAnalysisOutput | None, heard_s: float) -> float | None:
    """Return the share of the cuts in the heard part that are on a beat; `None` without cuts or a reliable beat."""
    cuts = np.array([t for t in shots.cut_times_s if t < heard_s] if shots else [])
    if music is None or not len(cuts) or not has_beat(music):
        return None
    apart = np.abs(cuts[:, None] - np.array(music.beats_s)[None, :]).min(axis=1)
    return round(float((apart <= BEAT_WINDOW_S).mean()), 4)


def per_second(times_s: Sequence[float], count: int) -> list[int]:
    """Return how many of the times lie in each of the first `count` seconds; later ones count to the last."""
    bins = np.clip(np.floor(np.asarray(times_s, np.float64)), 0, count - 1).astype(np.int64)
    return np.bincount(bins, minlength=count).tolist()  # type: ignore[no-any-return]
