"""Prints of what a video shows, whatever its pixels: SigLIP2 embeddings. Find copies edited beyond PDQ's reach.

One kind of print, and one index file, per space (a model at one revision): vectors of different spaces are never
compared. The first look counts bits of sketches of the mean embedding (`corpus_sketch`), which finds at most 48 videos;
of those the cosine of the means counts, and then their frames: at least half of the frames of one of the two must have
their like in the other. So a part of a video is found by frames that its mean alone would not tell from a lookalike,
and two montages of other pictures with the same mean are no copies. Frames are compared by sketches too: 32 vectors of
768 numbers would not fit into the 16 KiB that an encoder may publish.

The limits are not calibrated: they were chosen, not fitted to labelled copies. Two videos of one person in one room may
reach them, so such a match says "look at both", it joins no cluster, and a match of the hashes takes its place.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from tiktokd.model import Envelope, ModelUsed
from tiktokd.plugins import ABSENT, MODELS
from tiktokd.scheduler import schema, store_corpus
from tiktokd.scheduler.corpus_kind import CANDIDATES, kind_of_space
from tiktokd.scheduler.corpus_sketch import SketchIndex
from tiktokd.sketches import BITS, WORDS, alike, share, sketch

ENCODER = "siglip2"
"""Whose signals hold the vectors: `mean`, `frames` and `space`."""
COSINE_MIN = 0.95
"""Of two mean embeddings where one of the videos has no frames to compare: it was finished before frames were kept."""
CANDIDATE_MIN = 0.9
"""Of two mean embeddings whose frames are compared."""
FRAMES_RATIO_MIN = 0.5
"""Of the frames of one of the two videos that have their like in the other."""


def _bits_at(cosine: float, deviations: float) -> int:
    """Return differing bits of sketches at a cosine, so many standard deviations above what is usual."""
    usual = share(cosine)
    return round(BITS * usual + deviations * float(np.sqrt(BITS * usual * (1 - usual))))


BITS_MAX = _bits_at(CANDIDATE_MIN, 4)
"""Differing bits up to which the means are compared: 105; 3 in 100,000 pairs at exactly `CANDIDATE_MIN` have more."""
FRAME_BITS_MAX = _bits_at(0.95, 1)
"""Differing bits up to which two frames are alike: 59, which 84 of 100 pairs at a cosine of 0.95 keep to, and 3 of 100
at 0.9."""
COMPARED = 48
"""Vectors that are compared, nearest sketches first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The embeddings of one video."""

    space: str
    """Model and revision."""
    vector: NDArray[np.float32]
    """(D,) of length 1."""
    entry: bytes
    """Its sketch."""
    frames: NDArray[np.uint64]
    """(F, WORDS) sketches of frames; F = 0 where there are none."""
    models: tuple[ModelUsed, ...]
    """The weights that made it."""

    @property
    def kind(self) -> str:
        """The kind of print under which vectors of this space are kept."""
        return kind_of(self.space)


def kind_of(space: str) -> str:
    """Return the kind of print under which vectors of a space are kept."""
    return kind_of_space(schema.MEANING_PREFIX, space)


def read(signals: Mapping[str, Mapping[str, Any]]) -> Meaning | None:
    """Return the embedding among a video's signals, `None` where no encoder made one.

    Raises: `ValueError`, `KeyError`, `TypeError` where it is not what `encoders.siglip2` writes.
    """
    told = signals.get(ENCODER)
    if told is None:
        return None
    vector = np.array(told["mean"], np.float32)
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not np.isfinite(length) or length == 0:
        raise ValueError(f"a mean embedding of shape {vector.shape} and length {length} has no direction")
    frames = _frames(base64.b64decode(told.get("frames", "")))
    vector = vector / length
    return Meaning(
        space=str(told["space"]), vector=vector, entry=sketch(vector), frames=frames, models=_models(signals)
    )


def lack(signals: Mapping[str, Mapping[str, Any]]) -> str:
    """Return why a video has no embedding."""
    return str(signals.get(ABSENT + ENCODER, {}).get("reason", "no_sources"))


def _frames(raw: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(raw, "<u8").reshape(-1, WORDS)


def _models(signals: Mapping[str, Mapping[str, Any]]) -> tuple[ModelUsed, ...]:
    told = signals.get(MODELS + ENCODER, {})
    return tuple(ModelUsed.model_validate(each) for each in told.get("used", []))


def to_print(meaning: Meaning, seq: int) -> store_corpus.NewPrint:
    """Return what is kept of the video `seq`."""
    exact = meaning.vector.astype("<f2").tobytes() + meaning.frames.tobytes()
    return store_corpus.NewPrint(kind=meaning.kind, cluster=seq, entry=meaning.entry, exact=exact)


def candidates(index: SketchIndex, meaning: Meaning) -> list[int]:
    """Return the revisions of prints worth comparing, nearest first."""
    return index.nearest(meaning.entry, BITS_MAX, COMPARED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """An earlier video that means the same."""

    row: store_corpus.Known
    cosine: float
    """Of the means; at least `CANDIDATE_MIN`."""
    matched_ratio: float | None
    """0..1, share of the new video's frames that have their like here; `None`: one of the two has no frames."""


def compare(meaning: Meaning, known: Sequence[store_corpus.Known]) -> list[Near]:
    """Return those that mean the same, best first."""
    mean_bytes = 2 * len(meaning.vector)
    found = []
    for row in known:
        cosine = float(np.frombuffer(row.exact[:mean_bytes], "<f2").astype(np.float32) @ meaning.vector)
        if cosine >= CANDIDATE_MIN:
            theirs = _frames(row.exact[mean_bytes:])
            found.append(_judged(row, cosine, alike(meaning.frames, theirs, FRAME_BITS_MAX)))
    near = [each for each in found if each is not None]
    near.sort(key=lambda each: (-(each.matched_ratio or 0.0), -each.cosine, each.row.seq))
    return near[:CANDIDATES]


def _judged(row: store_corpus.Known, cosine: float, same: NDArray[np.bool_]) -> Near | None:
    """Return an earlier video that means the same, by the cosine and by which frames (mine, theirs) are alike."""
    if not same.size:
        return Near(row=row, cosine=cosine, matched_ratio=None) if cosine >= COSINE_MIN else None
    mine, theirs = float(same.any(axis=1).mean()), float(same.any(axis=0).mean())
    return Near(row=row, cosine=cosine, matched_ratio=mine) if max(mine, theirs) >= FRAMES_RATIO_MIN else None


def fill(envelope: Envelope, meaning: Meaning, near: Sequence[Near]) -> Envelope:
    """Return the result of near_duplicate_video with these matches after those of its hashes, whose videos stay theirs.

    Its tier is full now: the embedding was there.
    """
    matches = list(cast(Sequence[Mapping[str, JsonValue]], envelope.summary["matches"]))
    listed = {each["video_id"] for each in matches}
    matches += [
        {
            "video_id": each.row.id,
            "matched_ratio": None if each.matched_ratio is None else round(each.matched_ratio, 4),
            "offset_s": None,
            "kind": "semantic",
            "cosine": round(min(each.cosine, 1.0), 4),
        }
        for each in near
        if each.row.id not in listed
    ]
    unknown = cast(Mapping[str, JsonValue], envelope.summary.get("unknown", {}))
    unknown = {name: why for name, why in unknown.items() if name != "embedding_space"}
    summary = {**envelope.summary, "matches": matches, "embedding_space": meaning.space, "unknown": unknown}
    models = [*envelope.models, *(model for model in meaning.models if model not in envelope.models)]
    return envelope.model_copy(update={"summary": summary, "tier": "full", "models": models})
