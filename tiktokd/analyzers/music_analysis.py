"""Is there music, how fast, where are its beats, in which key?

Tempo in beats per minute, beats in seconds, key as a note name and a mode, confidences 0..1 (not probabilities). The
full tier adds genres and moods, AudioSet classes of the AST model, and lets it vouch for music without steady tones.

Bad at: half and double tempo where no accent tells them apart (even arpeggios, drum and bass; `tempo_candidates_bpm`
has both), rhythms of three against two without a steady kick (6/8: one and a half times the tempo may be given), short
loops of drums alone, rubato, changes of tempo (one of them or a mean is given), songs that change key (any key, with
little confidence), scales that are neither major nor minor (a Dorian vamp reads as its fourth), a minor key against its
relative major (four-chord loops are in both, and may be given the wrong one with full confidence), single tones that
recur, such as beeps (count as music), speech over music, music with steady noise less than 15 dB below it (no tones, no
beat), drums alone (a beat, but `music_present` only where it is very regular).

Validity: 6 s of sound. `skipped/no_music` where neither tones nor a beat make music. Music without a steady beat is
`partial/low_quality`: tempo and beats are left out where there is none, and given as a guess where it is faint
(`tempo_confidence` under 0.3).

Source: Ellis 2007 (beats); Krumhansl and Kessler, Psychological Review 89, 1982 (key profiles); AudioSet ontology
(CC BY-SA 4.0; genres and moods).
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import Beats, SoundScores, Span, Spectrum, cut_off_at

MIN_SOUND_S = 6.0
"""To a tenth: a codec leaves 5.99 s of six."""
MUSIC_RATIO = 0.3
"""Share of time with music from which a video has music."""
STRENGTH_NOTHING, STRENGTH_CERTAIN = 0.15, 0.6
"""Autocorrelation of onsets that gives confidence 0 and 1: speech and noise reach 0.3, drum machines 0.9."""
REGULAR_BEAT = 0.5
"""Strength from which a beat is reported without any tones, and ..."""
PERCUSSION = 0.7
"""... makes music by itself; no speech, footsteps or applause comes near."""
BEAT_SURE = 0.3
"""Confidence from which others lean on the beats: about where speech and noise end."""
CHROMA_STEP_S = 0.1
MAJOR = np.array((6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88))
MINOR = np.array((6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17))
"""How well each of the twelve pitch classes fits a key (Krumhansl and Kessler 1982)."""
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEY_MARGIN = 0.15
"""Lead of the best key's correlation over the second that counts as certain."""
KEY_NEAR, KEY_ASTRAY = 0.1, 0.3
"""How far, on average, the key may lie behind the best key of each half: up to the first it is theirs too, from the
second on it says nothing. Songs in one key give 0..0.1, with four slow chords up to 0.2; those that change key half-way
0.35..0.6, and then the sum of both is often a third key."""
KEY_HALF_S = 5.0
"""In less than this a half holds one or two chords and has no key of its own."""

GENRES = frozenset(
    {
        "A capella", "Afrobeat", "Ambient music", "Bluegrass", "Blues", "Carnatic music", "Christian music",
        "Classical music", "Country", "Disco", "Drum and bass", "Dubstep", "Electronic dance music", "Electronic music",
        "Electronica", "Flamenco", "Folk music", "Funk", "Gospel music", "Grunge", "Heavy metal", "Hip hop music",
        "House music", "Independent music", "Jazz", "Middle Eastern music", "Music for children", "Music of Africa",
        "Music of Asia", "Music of Bollywood", "Music of Latin America", "New-age music", "Opera", "Pop music",
        "Progressive rock", "Psychedelic rock", "Punk rock", "Reggae", "Rhythm and blues", "Rock and roll",
        "Rock music", "Salsa music", "Ska", "Soul music", "Swing music", "Techno", "Traditional music",
        "Trance music", "Vocal music",
    }
)  # fmt: skip
"""AudioSet's children of "Music genre"."""
MOODS = frozenset(
    {"Happy music", "Sad music", "Tender music", "Exciting music", "Angry music", "Scary music", "Funny music"}
)
"""AudioSet's children of "Music mood"."""
CLASS_MIN, CLASSES_MAX = 0.1, 5
"""Genres and moods score low beside "Music": at most five, from this score on."""
AST_MUSIC_MIN = 0.3
"""Score of "Music" from which a window has music, as in `audio_events`."""


class MusicAnalysisOutput(Output):
    """The music of the video; `None` where it is not known."""

    music_present: bool
    """Steady tones for a third of the time, or a beat as regular as a drum machine's."""
    music_ratio: float = Field(ge=0, le=1)
    """Share of time in which tones hold their pitch as in music."""
    tempo_bpm: float | None
    """30..240; slope of the line through the beats. `None`: no_beat."""
    tempo_candidates_bpm: list[float]
    """Half, whole and double tempo within 30..300; listeners differ."""
    tempo_confidence: float = Field(ge=0, le=1)
    """0: no beat .. 1: like a drum machine. Below 0.3 it is faint: do not lean on tempo and beats."""
    beats_s: list[float]
    """Times of the beats, rising; empty without a beat."""
    key: str | None
    """C, C#, D .. B; `None`: no_tones, a beat alone has no key."""
    mode: str | None
    """`major` or `minor`; `None` as above."""
    key_confidence: float | None = Field(ge=0, le=1)
    """Lead over the second best key, less where the halves of the music have other keys; mostly low between relative
    keys, but see above. `None` as above."""
    genres: list[str] | None
    """AudioSet's names, best first, uncalibrated; `None` in the lite tier, see `unknown`."""
    moods: list[str] | None
    """The same for moods of the music: Happy music, Sad music ..."""
    unknown: dict[str, str]
    """Field that is null → why: no_beat, no_tones, no_music (nothing but a beat has no genre), model_missing,
    cpu_fallback, no_sources (the model failed)."""


class MusicSegment(Segment):
    """A stretch of music."""


def key_scores(chroma: NDArray[np.floating]) -> NDArray[np.float64] | None:
    """Return how well twelve major and twelve minor keys fit pitch classes C .. B, -1..1; `None` for none."""
    if float(chroma.sum()) <= 0.0 or float(chroma.std()) <= 1e-9:
        return None
    return np.array([np.corrcoef(chroma, np.roll(p, k))[0, 1] for p in (MAJOR, MINOR) for k in range(12)])


def key_of(chroma: NDArray[np.floating]) -> tuple[str, str, float] | None:
    """Return note, mode and confidence for the pitch classes `(n, 12)` C .. B of n steps in time; `None` for none."""
    scores = key_scores(chroma.sum(axis=0))
    if scores is None:
        return None
    first, second = np.argsort(scores)[::-1][:2]
    confidence = np.clip((scores[first] - scores[second]) / KEY_MARGIN, 0.0, 1.0) * (1.0 - astray(chroma, int(first)))
    return NOTES[first % 12], "major" if first < 12 else "minor", round(float(confidence), 3)


def astray(chroma: NDArray[np.floating], key: int) -> float:
    """Return 0..1, how little the key is that of both halves; 0 where they are too short to tell."""
    half = len(chroma) // 2
    if half * CHROMA_STEP_S < KEY_HALF_S:
        return 0.0
    found = [key_scores(part.sum(axis=0)) for part in (chroma[:half], chroma[half:])]
    behind = [float(scores.max() - scores[key]) for scores in found if scores is not None]
    return float(np.clip((np.mean(behind or [0.0]) - KEY_NEAR) / (KEY_ASTRAY - KEY_NEAR), 0.0, 1.0))


def tempo_confidence(strength: float) -> float:
    """Return 0..1 for the strength of a beat."""
    share = (strength - STRENGTH_NOTHING) / (STRENGTH_CERTAIN - STRENGTH_NOTHING)
    return round(float(np.clip(share, 0.0, 1.0)), 3)


def music_chroma(chroma: NDArray[np.float32], music: tuple[Span, ...]) -> NDArray[np.float64]:
    """Return the pitch classes `(n, 12)` of each 0.1 s in the spans of music, each with the same weight."""
    parts = [chroma[round(a / CHROMA_STEP_S) : round(b / CHROMA_STEP_S) + 1].astype(np.float64) for a, b in music]
    rows = np.concatenate([np.zeros((0, 12)), *parts])
    sums = rows.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(rows, sums, out=np.zeros_like(rows), where=sums > 0))


def best_classes(sound: SoundScores | None, names: frozenset[str]) -> list[str] | None:
    """Return the classes among `names` that are heard, best first; `None` where nobody listened."""
    if sound is None or not len(sound.scores):
        return None
    tops = sound.scores.max(axis=0)
    order = np.argsort(-tops, kind="stable").tolist()
    heard = [sound.labels[i] for i in order if sound.labels[i] in names and tops[i] >= CLASS_MIN]
    return heard[:CLASSES_MAX]


def ast_music_ratio(sound: SoundScores | None) -> float:
    """Return the share of windows in which the model hears music; 0 where nobody listened."""
    if sound is None or "Music" not in sound.labels or not len(sound.scores):
        return 0.0
    return float(np.mean(sound.scores[:, sound.labels.index("Music")] >= AST_MUSIC_MIN))


def _summary(beats: Beats, spectrum: Spectrum, present: bool, heard: SoundScores | None) -> MusicAnalysisOutput:
    confidence = tempo_confidence(beats.strength)
    steady = confidence > 0.0 and beats.tempo_bpm is not None
    key = key_of(music_chroma(spectrum.chroma, beats.music)) if beats.music_ratio >= MUSIC_RATIO else None
    return MusicAnalysisOutput(
        music_present=present,
        music_ratio=round(beats.music_ratio, 3),
        tempo_bpm=round(beats.tempo_bpm, 2) if steady and beats.tempo_bpm is not None else None,
        tempo_candidates_bpm=[round(b, 2) for b in beats.candidates_bpm] if steady else [],
        tempo_confidence=confidence,
        beats_s=list(beats.times_s) if steady else [],
        key=key[0] if key else None,
        mode=key[1] if key else None,
        key_confidence=key[2] if key else None,
        genres=best_classes(heard, GENRES) if present else None,
        moods=best_classes(heard, MOODS) if present else None,
        unknown={},
    )


def _unknown(context: Context, output: MusicAnalysisOutput) -> dict[str, str]:
    """Return the fields that are null, each with its reason."""
    untold = (context.lack("ast") or ("no_music", ""))[0]
    why = {"tempo_bpm": "no_beat"} | dict.fromkeys(("key", "mode", "key_confidence"), "no_tones")
    why |= dict.fromkeys(("genres", "moods"), untold)
    return {name: reason for name, reason in why.items() if getattr(output, name) is None}


def analyze(context: Context) -> Result:
    """Decide whether there is music and describe it."""
    spectrum: Spectrum = context.features["spectrum"]
    beats: Beats = context.features["beats"]
    if round(spectrum.duration_s, 1) < MIN_SOUND_S:
        return skipped("too_short", f"{spectrum.duration_s:.1f} s of sound; music needs {MIN_SOUND_S:.0f} s")
    heard: SoundScores | None = context.features.get("ast")
    present = max(beats.music_ratio, ast_music_ratio(heard)) >= MUSIC_RATIO or beats.strength >= PERCUSSION
    cut_s = cut_off_at(context.audio16_covers_s, context.audio48_covers_s, context.facts.duration_s)
    if not present and beats.strength < REGULAR_BEAT:
        where = "" if cut_s is None else f" in the first {cut_s:.1f} s"
        return skipped("no_music", f"neither steady tones nor a steady beat{where}")
    output = _summary(beats, spectrum, present, heard)
    output = output.model_copy(update={"unknown": _unknown(context, output)})
    segments = [MusicSegment(start_s=round(a, 2), end_s=round(b, 2)) for a, b in beats.music]
    if cut_s is not None:
        return partial(
            output, "truncated", f"only the first {cut_s:.1f} s of sound were looked at", segments, calibrated=False
        )
    if output.tempo_bpm is None:
        return partial(output, "low_quality", "the music has no steady beat", segments, calibrated=False)
    if output.tempo_confidence < BEAT_SURE:
        said = "the beat is faint: tempo and beats are a guess"
        return partial(output, "low_quality", said, segments, calibrated=False)
    return ok(output, segments, calibrated=False)


ANALYZER = Analyzer(
    name="music_analysis",
    title="Is there music, how fast is it, where are its beats, in which key?",
    group="audio",
    output=MusicAnalysisOutput,
    segment=MusicSegment,
    analyze=analyze,
    uses=("spectrum", "beats"),
    optional=("ast",),
    needs=frozenset({"audio"}),
    version="5",
)
