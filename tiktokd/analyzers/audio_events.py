"""What is heard: speech, music, singing, laughter, applause, sirens, animals, engines and 500 other sounds.

AudioSet classes per window of 10.24 s by AST; shares of the time for the groups that people ask for. Silence is that
of `loudness`, measured to 20 ms. Classes that judge a voice by sex or age count as speech and singing.

Bad at short sounds inside a window, sound effects and overlapping sounds; times are as coarse as the windows. Long
sounds are sampled at twelve windows. Scores are not calibrated on short video.
Source: Gong et al. 2021; MIT/ast-finetuned-audioset-10-10-0.4593, BSD-3; AudioSet ontology (CC BY-SA 4.0).
"""

from typing import Literal, cast

import numpy as np

from tiktokd.analyzers.loudness import silences
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import LEVEL_STEP_S, SoundLevel, SoundScores, cut_off_at

EVENT_MIN = 0.1
"""Score from which a class is listed; AST's top class of a clear sound scores 0.3 to 0.9."""
PRESENT_MIN = 0.3
"""Score from which a group counts as present in a window."""
EVENTS_MAX = 15
Group = Literal[
    "speech", "music", "singing", "laughter", "applause", "siren", "gunshot", "animal", "engine", "nature", "silence",
]  # fmt: skip
GROUPS: dict[str, tuple[str, ...]] = {
    "speech": ("Speech", "Conversation", "Narration, monologue"),
    "music": ("Music",),
    "singing": ("Singing", "Choir", "Rapping", "A capella"),
    "laughter": ("Laughter", "Giggle", "Belly laugh", "Chuckle, chortle", "Snicker", "Baby laughter"),
    "applause": ("Applause", "Clapping", "Cheering"),
    "siren": ("Siren", "Police car (siren)", "Ambulance (siren)", "Fire engine, fire truck (siren)"),
    "gunshot": ("Gunshot, gunfire", "Machine gun", "Explosion", "Fireworks"),
    "animal": ("Animal", "Dog", "Bark", "Cat", "Meow", "Bird", "Bird vocalization, bird call, bird song", "Insect"),
    "engine": ("Engine", "Vehicle", "Car", "Motorcycle", "Truck"),
    "nature": ("Wind", "Rain", "Water", "Thunder", "Ocean", "Stream"),
}  # fmt: skip
"""Group → AudioSet classes; a group scores as its best class. Silence is measured and not guessed (`loudness`)."""


class SoundEvent(Output):
    """One AudioSet class."""

    label: str
    """AudioSet's display name."""
    score_max: float
    """0..1, best window; not calibrated."""
    time_ratio: float
    """0..1 of the time whose windows score at least 0.1."""


class AudioEvents(Output):
    """What is heard."""

    events: list[SoundEvent]
    """Best first, at most fifteen."""
    music_ratio: float
    """0..1 of the time with music."""
    speech_ratio: float
    """0..1 of the time with speech."""
    singing_ratio: float
    """0..1 of the time with singing."""
    groups: dict[Group, float]
    """Group → 0..1 of the time; groups that are not heard are not there."""


class SoundSegment(Segment):
    """A stretch with one group of sounds."""

    group: str
    """speech, music, singing, laughter, applause, siren, gunshot, animal, engine, nature or silence."""
    score: float | None
    """0..1, best window of the stretch; `None` for silence, which is measured."""


def analyze(context: Context) -> Result:
    """List the sounds and their shares of the time."""
    sound: SoundScores = context.features["ast"]
    lengths = np.array([end - start for start, end in sound.windows_s])
    if not len(lengths) or lengths.sum() <= 0:
        return skipped("too_short", "the sound is shorter than a spectrogram frame")
    weights = lengths / lengths.sum()
    events = [
        SoundEvent(
            label=sound.labels[i],
            score_max=round(float(sound.scores[:, i].max()), 4),
            time_ratio=round(float(weights[sound.scores[:, i] >= EVENT_MIN].sum()), 4),
        )
        for i in np.argsort(-sound.scores.max(axis=0))[:EVENTS_MAX]
        if sound.scores[:, i].max() >= EVENT_MIN
    ]
    best = {group: group_scores(sound, group) for group in GROUPS}
    heard = {group: round(float(weights[scores >= PRESENT_MIN].sum()), 4) for group, scores in best.items()}
    level: SoundLevel | None = context.features.get("sound_level")
    quiet = silences(level.db) if level else []
    if level and len(level.db):
        silent_s = sum(one.end_s - one.start_s for one in quiet)
        heard["silence"] = round(min(1.0, silent_s / (len(level.db) * LEVEL_STEP_S)), 4)
    output = AudioEvents(
        events=events,
        music_ratio=heard["music"],
        speech_ratio=heard["speech"],
        singing_ratio=heard["singing"],
        groups={cast(Group, group): ratio for group, ratio in heard.items() if ratio > 0},
    )
    measured = [SoundSegment(start_s=one.start_s, end_s=one.end_s, group="silence", score=None) for one in quiet]
    stretches = sorted([*segments(sound, best), *measured], key=lambda one: (one.start_s, one.group))
    cut_s = cut_off_at(context.audio16_covers_s, context.audio48_covers_s, context.facts.duration_s)
    if cut_s is not None:
        told = f"only the first {cut_s:.1f} s of sound were listened to"
        return partial(output, "truncated", told, stretches, calibrated=False)
    return ok(output, stretches, calibrated=False)


def group_scores(sound: SoundScores, group: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return (windows,) 0..1: the best class of the group in each window; 0 where the model knows none of them."""
    columns = [i for i, label in enumerate(sound.labels) if label in GROUPS[group]]
    if not columns:
        return np.zeros(len(sound.windows_s), np.float32)
    return np.asarray(sound.scores[:, columns].max(axis=1), np.float32)


def segments(sound: SoundScores, best: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]) -> list[SoundSegment]:
    """Return the stretches of each group, neighbouring windows joined, in the order of time."""
    found: list[SoundSegment] = []
    for group, scores in best.items():
        open_: SoundSegment | None = None
        for (start, end), score in zip(sound.windows_s, scores.tolist(), strict=True):
            if score < PRESENT_MIN:
                continue
            if open_ is not None and abs(open_.end_s - start) < 0.05:
                found.remove(open_)
                start, score = open_.start_s, max(open_.score or 0.0, score)  # noqa: PLW2901  (the stretch grows)
            open_ = SoundSegment(start_s=round(start, 3), end_s=round(end, 3), group=group, score=round(score, 4))
            found.append(open_)
    return sorted(found, key=lambda s: (s.start_s, s.group))


ANALYZER = Analyzer(
    name="audio_events",
    title="What is heard: speech, music, singing, laughter, animals, engines and more",
    group="audio",
    output=AudioEvents,
    segment=SoundSegment,
    analyze=analyze,
    uses=("ast",),
    optional=("sound_level",),
    needs=frozenset({"audio"}),
    lightweight=False,
    version="4",
)
