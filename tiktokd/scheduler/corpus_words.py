"""Whether a video's words fit its picture better than the words of the user's other videos would.

What is kept of a video is the vector of its words in the space of its pictures (signals of `siglip2_text`), one kind of
print per space: vectors of different spaces are never compared.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from pydantic import JsonValue

from tiktokd.robust import robust_z
from tiktokd.scheduler import schema
from tiktokd.scheduler.corpus_kind import Summary, kind_of_space
from tiktokd.scheduler.corpus_latest import VIDEOS_MIN, Measured, Standing, Vector, too_few

PICTURES, WORDS = "siglip2", "siglip2_text"
"""Encoders whose signals hold the vectors: `mean` and `vector`, both with their `space`."""
FIELD = "visual_text_z"
ALIKE = "no spread: the other videos' words are all alike"
SAME_COSINE = 0.9999
"""Of the vectors of one text, whose numbers are rounded on their way."""
LATEST = 500
"""Videos whose words are compared with: 1.5 MiB, and a product of 0.2 ms."""


def read(summary: Summary, signals: Mapping[str, Mapping[str, Any]]) -> Measured | None:
    """Return the vector of a video's words; `None` without one, and without pictures in the same space."""
    picture, words = signals.get(PICTURES), signals.get(WORDS)
    if picture is None or words is None or picture["space"] != words["space"]:
        return None
    vector, mean = (np.array(values, np.float32) for values in (words["vector"], picture["mean"]))
    if vector.ndim != 1 or vector.shape != mean.shape or not np.isfinite(vector).all() or not np.isfinite(mean).all():
        raise ValueError(f"words of shape {vector.shape} and pictures of shape {mean.shape} cannot be compared")
    return Measured(
        kind=kind_of_space(schema.WORDS_PREFIX, words["space"]),
        values=vector,
        judge=partial(judge, summary, vector, mean),
    )


def judge(summary: Summary, vector: Vector, mean: Vector, others: Vector) -> dict[str, JsonValue]:
    """Return the z of the words' nearness to the mean picture among that of other videos' words, or why there is none.

    Other videos with the very same words say nothing, and are left out: the copies of a post bring its caption along.
    """
    near = (others @ mean)[others @ vector < SAME_COSINE * float(vector @ vector)]
    z = robust_z(float(vector @ mean), near) if len(near) >= VIDEOS_MIN else None
    missing = {name: why for name, why in summary["missing"].items() if name != FIELD}
    if z is None:
        missing[FIELD] = ALIKE if len(near) >= VIDEOS_MIN else too_few(len(near))
    return {FIELD: None if z is None else round(z, 2), "missing": missing}


STANDING = Standing(analyzer="cross_modal_agreement", limit=LATEST, read=read)
