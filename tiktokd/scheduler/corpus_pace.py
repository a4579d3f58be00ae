"""How fast a video is among the user's others: robust z-scores of its cuts, motion, sounds and words, and their mean.

Words are compared with words where enough videos have a transcript, syllables with syllables otherwise.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from pydantic import JsonValue

from tiktokd.robust import middle_and_spread
from tiktokd.scheduler import schema
from tiktokd.scheduler.corpus_kind import Summary
from tiktokd.scheduler.corpus_latest import VIDEOS_MIN, Measured, Standing, Vector, too_few

PARTS = ("cuts_per_min", "motion", "onsets_per_s", "words_per_s", "syllables_per_s")
"""Fields of the summary, in the order in which they are stored: changing it makes the rows worthless."""
ALIKE = "no spread: the other videos are all alike"
LATEST = 2000
"""Videos that are compared with: their median is off by 3 % of a spread, and takes 0.4 ms per video."""


def read(summary: Summary, _signals: Mapping[str, Mapping[str, Any]]) -> Measured | None:
    """Return what a result of pacing measured; `None` where that is nothing."""
    values = np.array([np.nan if summary[name] is None else float(summary[name]) for name in PARTS], np.float32)
    if not np.isfinite(values).any():
        return None
    return Measured(kind=schema.PACE_KIND, values=values, judge=partial(judge, summary, values))


def judge(summary: Summary, values: Vector, others: Vector) -> dict[str, JsonValue]:
    """Return the index, what it is made of, and why there is none."""
    known = [column for column in range(len(PARTS)) if np.isfinite(values[column])]
    samples = {column: others[np.isfinite(others[:, column]), column] for column in known}
    enough = [column for column in known if len(samples[column]) >= VIDEOS_MIN]
    parts = [part for column in enough if (part := _part(column, float(values[column]), samples[column]))]
    if any(part["name"] == "words_per_s" for part in parts):
        parts = [part for part in parts if part["name"] != "syllables_per_s"]
    unknown = {name: why for name, why in summary["unknown"].items() if name != "pace_index"}
    if not parts:
        most = max(len(sample) for sample in samples.values())
        unknown["pace_index"] = ALIKE if enough else too_few(most)
    z = [float(str(part["z"])) for part in parts]
    return {
        "pace_index": round(sum(z) / len(z), 4) if z else None,
        "pace_parts": [dict(part) for part in parts],
        "pace_videos": len(others),
        "unknown": unknown,
    }


def _part(column: int, value: float, sample: Vector) -> dict[str, JsonValue] | None:
    middle, spread = middle_and_spread(sample)
    if not spread:
        return None
    z = (value - middle) / spread
    return {
        "name": PARTS[column],
        "value": round(value, 4),
        "median": round(middle, 4),
        "spread": round(spread, 4),
        "z": round(z, 4),
    }


STANDING = Standing(analyzer="pacing", limit=LATEST, read=read)
