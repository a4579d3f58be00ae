"""Which activities and categories stand out in the clip and in each shot, by SigLIP2's frames against the prompts.

Small results, so that level 2 can weigh them against movement, words and sound. Bad at what single frames do not show.
Source: data/prompts/{activities,content_categories}.toml, or the files of those names in the user's data directory; no
weights of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiktokd.footage import Shot, Shots
from tiktokd.pictures import ImageEmbeddings, Label, LabelCosines, Ranked, rank
from tiktokd.plugins import Context, Encoder, LoadContext

TAXONOMIES = ("activities", "content_categories")
LABELS_MAX = 5
SHOTS_MAX = 45
"""Shots that are named one by one, from the first on: both taxonomies stay below 16 KiB of signals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One clip's frames and shots."""

    images: ImageEmbeddings
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLabels:
    """What of one taxonomy stands out."""

    clip: tuple[Ranked, ...]
    """Best first."""
    shots: tuple[tuple[float, float, Ranked], ...]
    """Start and end in seconds, and the best label, of the shots in which one stands out."""
    known: tuple[Label, ...]
    """Every label of the taxonomy."""


def items(context: Context) -> list[Item]:
    """Return frames and shots."""
    images: ImageEmbeddings | None = context.features.get("siglip2")
    shots: Shots | None = context.features.get("shots")
    return [] if images is None or shots is None else [Item(images=images, shots=shots.shots)]


def judge(labels: LabelCosines, item: Item) -> PictureLabels:
    """Rank one taxonomy's labels over the clip and within each shot."""
    named, pts = [], item.images.pts_s
    for shot in item.shots[:SHOTS_MAX]:
        within = np.asarray((pts >= shot.start_s) & (pts < shot.end_s))
        named += [(shot.start_s, shot.end_s, found) for found in rank(labels, within, limit=1)]
    return PictureLabels(
        clip=tuple(rank(labels, limit=LABELS_MAX)),
        shots=tuple(named),
        known=labels.labels,
    )


def load(_context: LoadContext) -> None:
    """Nothing to load: the prompts are embedded by `siglip2`."""


def encode(_model: Any, batch: Sequence[Item]) -> list[dict[str, PictureLabels]]:
    """Judge each clip by each taxonomy that it was compared with."""
    known = [{name: item.images.taxonomies.get(name) for name in TAXONOMIES} for item in batch]
    return [
        {name: judge(labels, item) for name, labels in tables.items() if labels is not None}
        for item, tables in zip(batch, known, strict=True)
    ]


def signals(features: dict[str, PictureLabels]) -> dict[str, Any]:
    """Return taxonomy → `{"labels": [{id, name, score, z}], "shots": [{start_s, end_s, id, name, score, z}]}`.

    `activities` also says how its taxonomy calls `dancing`, null where it has none, and `content_categories` what its
    file says about each label: `{"about": {id: [name, group, IAB id]}}`.
    """
    told: dict[str, Any] = {
        name: {
            "labels": [_told(found) for found in labels.clip],
            "shots": [{"start_s": round(a, 3), "end_s": round(b, 3), **_told(found)} for a, b, found in labels.shots],
        }
        for name, labels in features.items()
    }
    if "activities" in features:
        names = {label.id: label.name for label in features["activities"].known}
        told["activities"]["dancing"] = names.get("dancing")
    if "content_categories" in features:
        known = features["content_categories"].known
        told["content_categories"]["about"] = {label.id: [label.name, label.group, label.iab] for label in known}
    return told


def _told(found: Ranked) -> dict[str, Any]:
    return {"id": found.label.id, "name": found.label.name, "score": round(found.score, 4), "z": round(found.z, 2)}


ENCODER = Encoder(
    name="picture_labels",
    title="Activities and categories that stand out in the clip and in each shot",
    input="features",
    place="gpu",
    load=load,
    items=items,
    encode=encode,
    signals=signals,
    uses=("siglip2", "shots"),
)
