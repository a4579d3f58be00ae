"""Prints of what a video shows, whatever its pixels: mean SigLIP2 embeddings. Find copies edited beyond PDQ's reach.

One kind of print, and one index file, per space (a model at one revision): vectors of different spaces are never
compared. The first look counts bits of sketches (`corpus_sketch`); what counts is the cosine with the few nearest.

`COSINE_MIN` is not calibrated: it was chosen, not fitted to labelled copies. Two videos of one person in one room may
reach it, so such a match says "look at both", it joins no cluster, and a match of the hashes takes its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from tiktokd.model import Envelope, ModelUsed
from tiktokd.plugins import MODELS
from tiktokd.scheduler import schema, store_corpus
from tiktokd.scheduler.corpus_kind import CANDIDATES, kind_of_space
from tiktokd.scheduler.corpus_sketch import BITS, SketchIndex, share, sketch

ENCODER = "siglip2"
"""Whose signals hold the vector: `mean` and `space`."""
COSINE_MIN = 0.95
"""Of two mean embeddings; not calibrated."""
BITS_MAX = round(BITS * share(COSINE_MIN) + 4 * np.sqrt(BITS * share(COSINE_MIN) * (1 - share(COSINE_MIN))))
"""Differing bits of a sketch up to which the vectors are compared: 79, four standard deviations above what is usual at
`COSINE_MIN`; 3 in 100,000 pairs at that very cosine have more."""
COMPARED = 48
"""Vectors that are compared, nearest sketches first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The mean embedding of one video."""

    space: str
    """Model and revision."""
    vector: NDArray[np.float32]
    """(D,) of length 1."""
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
    return Meaning(space=str(told["space"]), vector=vector / length, models=_models(signals))


def _models(signals: Mapping[str, Mapping[str, Any]]) -> tuple[ModelUsed, ...]:
    told = signals.get(MODELS + ENCODER, {})
    return tuple(ModelUsed.model_validate(each) for each in told.get("used", []))


def to_print(meaning: Meaning, seq: int) -> store_corpus.NewPrint:
    """Return what is kept of the video `seq`."""
    exact = meaning.vector.astype("<f2").tobytes()
    return store_corpus.NewPrint(kind=meaning.kind, cluster=seq, entry=sketch(meaning.vector), exact=exact)


def candidates(index: SketchIndex, meaning: Meaning) -> list[int]:
    """Return the revisions of prints worth comparing, nearest first."""
    return index.nearest(sketch(meaning.vector), BITS_MAX, COMPARED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """An earlier video that means the same."""

    row: store_corpus.Known
    cosine: float
    """At least `COSINE_MIN`."""


def compare(meaning: Meaning, known: Sequence[store_corpus.Known]) -> list[Near]:
    """Return those that mean the same, best first."""
    vectors = [np.frombuffer(row.exact, "<f2").astype(np.float32) for row in known]
    found = [Near(row=row, cosine=float(v @ meaning.vector)) for row, v in zip(known, vectors, strict=True)]
    found.sort(key=lambda near: (-near.cosine, near.row.seq))
    return [near for near in found if near.cosine >= COSINE_MIN][:CANDIDATES]


def fill(envelope: Envelope, meaning: Meaning, near: Sequence[Near]) -> Envelope:
    """Return the result of near_duplicate_video with these matches after those of its hashes, whose videos stay theirs.

    Its tier is full now: the embedding was there.
    """
    matches = list(cast(Sequence[Mapping[str, JsonValue]], envelope.summary["matches"]))
    listed = {each["video_id"] for each in matches}
    matches += [
        {
            "video_id": each.row.id,
            "matched_ratio": None,
            "offset_s": None,
            "kind": "semantic",
            "cosine": round(min(each.cosine, 1.0), 4),
        }
        for each in near
        if each.row.id not in listed
    ]
    summary = {**envelope.summary, "matches": matches, "embedding_space": meaning.space}
    models = [*envelope.models, *(model for model in meaning.models if model not in envelope.models)]
    return envelope.model_copy(update={"summary": summary, "tier": "full", "models": models})
