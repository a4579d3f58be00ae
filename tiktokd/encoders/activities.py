"""Which of some 120 activities stand out in the clip and in each shot, by SigLIP2's frames against the prompts.

Small results, so that level 2 can weigh them against movement and music. Bad at what single frames do not show.
Source: data/prompts/activities.toml, or the file of that name in the user's data directory; no weights of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiktokd.footage import Shot, Shots
from tiktokd.pictures import ImageEmbeddings, Ranked, rank
from tiktokd.plugins import Context, Encoder, LoadContext

TAXONOMY = "activities"
ACTIVITIES_MAX = 5
SHOTS_MAX = 80
"""Shots that are named one by one, from the first on: 7 KiB of signals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One clip's frames and shots."""

    images: ImageEmbeddings
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activities:
    """What stands out."""

    clip: tuple[Ranked, ...] | None
    """Best first; `None`: the taxonomy has no file of this name."""
    shots: tuple[tuple[float, float, Ranked], ...]
    """Start and end in seconds, and the best activity, of the shots in which one stands out."""
    names: dict[str, str]
    """Every activity of the taxonomy: id → name."""


def items(context: Context) -> list[Item]:
    """Return frames and shots."""
    images: ImageEmbeddings | None = context.features.get("siglip2")
    shots: Shots | None = context.features.get("shots")
    return [] if images is None or shots is None else [Item(images=images, shots=shots.shots)]


def judge(item: Item) -> Activities:
    """Rank the activities."""
    activities = item.images.taxonomies.get(TAXONOMY)
    if activities is None:
        return Activities(clip=None, shots=(), names={})
    named = []
    for shot in item.shots[:SHOTS_MAX]:
        pts = item.images.pts_s
        best = rank(activities, (pts >= shot.start_s) & (pts < shot.end_s), limit=1)
        named += [(shot.start_s, shot.end_s, best[0])] if best else []
    return Activities(
        clip=tuple(rank(activities, limit=ACTIVITIES_MAX)),
        shots=tuple(named),
        names={label.id: label.name for label in activities.labels},
    )


def load(_context: LoadContext) -> None:
    """Nothing to load: the prompts are embedded by `siglip2`."""


def encode(_model: Any, batch: Sequence[Item]) -> list[Activities]:
    """Judge each clip."""
    return [judge(item) for item in batch]


def signals(features: Activities) -> dict[str, Any]:
    """Return `{"labels": [{id, name, score, z}] or null, "shots": [{start_s, end_s, id, name, score}], "dancing"}`.

    `dancing`: the taxonomy's name of its activity of that id; null where it has none.
    """
    clip = None if features.clip is None else [_told(found) for found in features.clip]
    shots = [{"start_s": start, "end_s": end, **_told(found)} for start, end, found in features.shots]
    return {"labels": clip, "shots": shots, "dancing": features.names.get("dancing")}


def _told(found: Ranked) -> dict[str, Any]:
    return {
        "id": found.label.id,
        "name": found.label.name,
        "score": round(found.score, 4),
        "z": round(found.z, 2),
    }


ENCODER = Encoder(
    name="activities",
    title="Activities that stand out in the clip and in each shot",
    input="features",
    place="gpu",
    load=load,
    items=items,
    encode=encode,
    signals=signals,
    uses=("siglip2", "shots"),
)
