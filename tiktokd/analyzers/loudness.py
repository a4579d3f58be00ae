"""How loud the video is: integrated loudness, loudness range, true peak, clipping, silence, stereo correlation.

LUFS and LU as in EBU R128: programmes for broadcast sit at -23, platforms for short video play at about -14. A mono
file counts as one channel (BS.1770-4).

Bad at: mono sound stored as stereo (counted 3 dB louder than the same as mono, as the standard wants it), more than two
channels (`partial/low_quality`: measured as they are mixed down, a voice in the centre 7.6 dB too quiet), true peaks
above +6 dBTP, DC offset (raises the plain level, so that silence is missed), programmes with long fades (LRA grows).

Validity: from 0.4 s on; LRA and short-term values from 3 s on. A track of digital silence has nothing to measure and is
`skipped/no_audio` like a video without a track. Long videos are measured as far as the clip holds their sound
(`partial/truncated`).

Source: ITU-R BS.1770-4, EBU R128 (2020), EBU Tech 3341 and 3342.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import LEVEL_STEP_S, ONLY_SILENCE, Loudness, SoundLevel, cut_off_at, spans_of

OFFSET_LUFS = -0.691
"""So that a 1 kHz sine at full scale in one channel reads -3.01 LUFS (BS.1770-4, equation 2)."""
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
"""Below the loudness of what passes the absolute gate (BS.1770-4)."""
RANGE_GATE_LU = -20.0
"""The same for the loudness range (EBU Tech 3342)."""
MOMENTARY, SHORT_TERM = 4, 30
"""Blocks of 0.1 s in a gating block and in a short-term window."""
BLOCK_S = 0.1
SILENCE_DBFS, SILENCE_S = -60.0, 0.3
"""Quieter for at least as long is silence (the level is ffmpeg silencedetect's default)."""
MEASURED_CHANNELS = 2
OPENING_S = 3.0
"""The part that decides whether people stay: `hook` asks about it."""


class LoudnessOutput(Output):
    """Levels of the whole sound track."""

    integrated_lufs: float | None
    """Gated loudness, about -70..0; `None` where everything is below the gate of -70."""
    lra_lu: float | None
    """Loudness range, 0..70; `None` under 3 s. Under 15 s it rests on few windows, and meters differ by up to 0.5."""
    true_peak_dbtp: float | None
    """Largest value between the samples, about -90..+6; above 0 players clip."""
    max_short_term_lufs: float | None
    """Loudest 3 s; `None` under 3 s."""
    clip_ratio: float = Field(ge=0, le=1)
    """Share of samples at or beyond -0.1 dBFS."""
    silence_ratio: float = Field(ge=0, le=1)
    """Share of time in stretches of at least 0.3 s below -60 dBFS."""
    stereo_correlation: float | None = Field(ge=-1, le=1)
    """1: both channels alike, 0: unrelated, below 0: cancels in mono; `None` for mono files."""
    opening_jump_lu: float | None
    """Largest rise from one 0.4 s to the next within the first 3 s (silence counts as -70 LUFS); `None` under 0.8 s."""
    unknown: dict[str, str]
    """Field that is null → why: too_short, low_quality (below the gate of -70 LUFS; of the correlation: a channel that
    never changes). `stereo_correlation` is null without one for mono files."""


class LoudnessSegment(Segment):
    """A stretch of silence, or one second of the loudness curve."""

    kind: str
    """`silence` or `level`."""
    momentary_max_lufs: float | None = None
    """Loudest 0.4 s that starts in this second; `None` below -70 LUFS and for silence."""
    short_term_lufs: float | None = None
    """Of the 3 s that end with this second, as a meter shows it; `None` earlier, below -70 LUFS and for silence."""


def windows_lufs(power: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return the loudness of each `length` blocks in a row, one per block of `power`; at least -120 LUFS."""
    if len(power) < length:
        return np.zeros(0)
    sums = np.cumsum(np.concatenate(([0.0], power)))
    return to_lufs((sums[length:] - sums[:-length]) / length)


def to_lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return K-weighted mean squares as LUFS, at least -120."""
    return OFFSET_LUFS + 10.0 * np.log10(np.maximum(power, 1e-12))


def gate(lufs: NDArray[np.float64], relative_lu: float) -> NDArray[np.float64]:
    """Return the values above the absolute gate and above their own power mean plus `relative_lu`."""
    loud = lufs[lufs > ABSOLUTE_GATE_LUFS]
    if len(loud) == 0:
        return loud
    return loud[loud > power_mean(loud) + relative_lu]


def power_mean(lufs: NDArray[np.float64]) -> float:
    """Return the loudness of the mean power."""
    return float(10.0 * np.log10(np.mean(10.0 ** (lufs / 10.0))))


def integrated_lufs(power: NDArray[np.float64]) -> float | None:
    """Return the gated loudness (BS.1770-4, equation 7), `None` where nothing passes the gates."""
    kept = gate(windows_lufs(power, MOMENTARY), RELATIVE_GATE_LU)
    return power_mean(kept) if len(kept) else None


def loudness_range_lu(power: NDArray[np.float64]) -> float | None:
    """Return the distance of the 95th from the 10th percentile of gated short-term loudness (EBU Tech 3342)."""
    kept = gate(windows_lufs(power, SHORT_TERM), RANGE_GATE_LU)
    if len(kept) == 0:
        return None
    low, high = np.percentile(kept, (10, 95))
    return float(high - low)


def opening_jump_lu(power: NDArray[np.float64]) -> float | None:
    """Return the largest rise between neighbouring 0.4 s in the first 3 s, at least 0."""
    momentary = windows_lufs(power[: round(OPENING_S / BLOCK_S)], MOMENTARY)
    if len(momentary) <= MOMENTARY:
        return None
    floored = np.maximum(momentary, ABSOLUTE_GATE_LUFS)
    return max(0.0, float((floored[MOMENTARY:] - floored[:-MOMENTARY]).max()))


def silences(level_db: NDArray[np.float64]) -> list[LoudnessSegment]:
    """Return the stretches of silence."""
    quiet = spans_of(level_db < SILENCE_DBFS, LEVEL_STEP_S)
    return [
        LoudnessSegment(start_s=round(a, 2), end_s=round(b, 2), kind="silence")
        for a, b in quiet
        if b - a >= SILENCE_S - 1e-9
    ]


def curve(power: NDArray[np.float64]) -> list[LoudnessSegment]:
    """Return the loudness second by second."""
    momentary, short_term = windows_lufs(power, MOMENTARY), windows_lufs(power, SHORT_TERM)
    per_second = round(1.0 / BLOCK_S)
    seconds = []
    for first in range(0, len(momentary), per_second):
        end = min(first + per_second, len(power))
        seconds.append(
            LoudnessSegment(
                start_s=round(first * BLOCK_S, 1),
                end_s=round(end * BLOCK_S, 1),
                kind="level",
                momentary_max_lufs=_gated(float(momentary[first : first + per_second].max())),
                short_term_lufs=_gated(float(short_term[end - SHORT_TERM])) if end >= SHORT_TERM else None,
            )
        )
    return seconds


def _gated(lufs: float | None) -> float | None:
    return None if lufs is None or lufs <= ABSOLUTE_GATE_LUFS else round(lufs, 2)


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def _summary(level: Loudness, quiet: list[LoudnessSegment], sound_s: float) -> LoudnessOutput:
    short_term = windows_lufs(level.power, SHORT_TERM)
    loudest = float(short_term.max()) if len(short_term) else None
    silent_s = sum(s.end_s - s.start_s for s in quiet)
    return LoudnessOutput(
        integrated_lufs=_rounded(integrated_lufs(level.power)),
        lra_lu=_rounded(loudness_range_lu(level.power)),
        true_peak_dbtp=_rounded(level.true_peak_dbtp),
        max_short_term_lufs=_gated(loudest),
        clip_ratio=round(level.clip_ratio, 6),
        silence_ratio=round(min(1.0, silent_s / max(LEVEL_STEP_S, sound_s)), 4),
        stereo_correlation=_rounded(level.correlation, 3),
        opening_jump_lu=_rounded(opening_jump_lu(level.power)),
        unknown={},
    )


def _unknown(output: LoudnessOutput, level: Loudness, channels: int) -> dict[str, str]:
    """Return the fields that are null, each with its reason; the correlation of one channel is no question."""
    short = "too_short" if len(level.power) < SHORT_TERM else "low_quality"
    why = {"integrated_lufs": "low_quality", "true_peak_dbtp": "low_quality", "opening_jump_lu": "too_short"}
    why |= dict.fromkeys(("lra_lu", "max_short_term_lufs"), short)
    why |= {"stereo_correlation": "low_quality"} if channels > 1 else {}
    return {name: reason for name, reason in why.items() if getattr(output, name) is None}


def analyze(context: Context) -> Result:
    """Gate and sum up what the level meter measured."""
    level: Loudness = context.features["level"]
    if level.silent:
        return skipped("no_audio", ONLY_SILENCE)
    if len(level.power) < MOMENTARY:
        return skipped("too_short", "loudness needs 0.4 s of sound")
    steps: SoundLevel = context.features["sound_level"]
    quiet = silences(steps.db)
    channels = context.facts.audio_channels or 0
    output = _summary(level, quiet, len(steps.db) * LEVEL_STEP_S)
    output = output.model_copy(update={"unknown": _unknown(output, level, channels)})
    segments = [*quiet, *curve(level.power)]
    cut_s = cut_off_at(context.audio48_covers_s, context.audio16_covers_s, context.facts.duration_s)
    if cut_s is not None:
        return partial(output, "truncated", f"only the first {cut_s:.1f} s of sound were measured", segments)
    if channels > MEASURED_CHANNELS:
        message = f"levels of {channels} channels mixed down to two, up to 8 dB low"
        return partial(output, "low_quality", message, segments)
    if output.integrated_lufs is None:
        return partial(output, "low_quality", "all of the sound is below the gate of -70 LUFS", segments)
    if len(level.power) < SHORT_TERM:
        return partial(output, "too_short", "loudness range and short-term loudness need 3 s of sound", segments)
    return ok(output, segments)


ANALYZER = Analyzer(
    name="loudness",
    title="How loud is it, how much does that change, does it clip, where is it silent?",
    group="audio",
    output=LoudnessOutput,
    segment=LoudnessSegment,
    analyze=analyze,
    uses=("level", "sound_level"),
    needs=frozenset({"audio"}),
    version="4",
)
