"""A fingerprint of the sound that finds the same recording in other videos, also re-encoded, talked over or sped up.

`landmarks` goes to the corpus, which compares it with all earlier videos (`tiktokd.sound_match`) and fills in cluster,
reuse and matches when the video is finished, as of that moment; until then they are `None`.

Bad at: covers and live versions (other recordings), sounds shorter than a few seconds, quiet music far below speech,
strong reverb (half of the excerpts of 8 s), time-stretching that keeps the pitch (missed from about 5 % on) and pitch
changed without the tempo (found, but its factor is given as the speed), loops of the same synthetic notes at one tempo
(taken for one recording).

Validity: 3 s of sound that is not silent, and 20 landmarks. Only the first 262 s count (`partial/truncated`).

Source: Wang, An Industrial-Strength Audio Search Algorithm, ISMIR 2003.
"""

import numpy as np
from pydantic import Field

from tiktokd.model import Output
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import ONLY_SILENCE, cut_off_at, is_silent
from tiktokd.sound_hashes import MAX_TIME_S, Landmarks, hashes_of
from tiktokd.sound_match import MIN_VOTES

MIN_SOUND_S = 3.0
MIN_LANDMARKS = 20


class SoundFingerprintMatch(Output):
    """The same sound in another video."""

    video_id: str
    """The other video's id."""
    offset_s: float
    """Where in the other video the start of this one lies."""
    votes: int = Field(ge=0)
    """Landmark pairs that agree on it."""
    speed_ratio: float = Field(gt=0)
    """How much faster this video plays the sound than the other, 0.80..1.26."""


class SoundFingerprintOutput(Output):
    """What identifies the sound, and where else it was heard."""

    fingerprint_hashes: int = Field(ge=0)
    """How many hashes the landmarks make; about 75 per second of music."""
    landmarks: str
    """Spectral peaks, 4 bytes each in base64 (`tiktokd.sound_hashes.unpack`)."""
    sound_cluster_id: str | None
    """Filled by the corpus: id of the first video with this sound to be finished, its own where this is the one, or the
    only one so far. `None`: not compared."""
    reuse_count: int | None
    """Filled by the corpus: videos with this sound that were finished before this one, not counted again when later
    ones come; 0: none; `None`: not compared."""
    matches: list[SoundFingerprintMatch] | None
    """Filled by the corpus, best first: some or all of those earlier ones. `None`: not compared."""
    platform_music_id: str | None
    """What the site calls the sound; `None` where it does not say."""
    unknown: dict[str, str]
    """Field of the corpus that is null → why: corpus_unavailable (not compared with earlier videos)."""


def audible_s(landmarks: Landmarks) -> float:
    """Return how many seconds hold landmarks."""
    return float(len(np.unique(landmarks.time_s.astype(np.int64))))


def analyze(context: Context) -> Result:
    """Pack the landmarks for the corpus."""
    samples = context.arrays["audio16"]
    landmarks: Landmarks = context.features["landmarks"]
    if is_silent(samples):
        return skipped("no_audio", ONLY_SILENCE)
    if context.audio16_covers_s < MIN_SOUND_S or audible_s(landmarks) < MIN_SOUND_S:
        return skipped("too_short", f"a fingerprint needs {MIN_SOUND_S:.0f} s of sound that is not silent")
    count = len(hashes_of(landmarks).value)
    if len(landmarks.time_s) < MIN_LANDMARKS or count < MIN_VOTES:
        return skipped("low_quality", "the sound has too few peaks to be told from others")
    output = SoundFingerprintOutput(
        fingerprint_hashes=count,
        landmarks=landmarks.pack(),
        sound_cluster_id=None,
        reuse_count=None,
        matches=None,
        platform_music_id=context.metadata.music_id,
        unknown=dict.fromkeys(("sound_cluster_id", "reuse_count", "matches"), "corpus_unavailable"),
    )
    cut_s = cut_off_at(context.audio16_covers_s, context.audio48_covers_s, context.facts.duration_s)
    if context.audio16_covers_s > MAX_TIME_S:
        cut_s = MAX_TIME_S
    if cut_s is not None:
        return partial(output, "truncated", f"only the first {cut_s:.1f} s of sound were fingerprinted")
    return ok(output)


ANALYZER = Analyzer(
    name="sound_fingerprint",
    title="Which recording is this, so that it is found in other videos?",
    group="audio",
    output=SoundFingerprintOutput,
    analyze=analyze,
    uses=("landmarks",),
    needs=frozenset({"audio"}),
    version="4",
)
