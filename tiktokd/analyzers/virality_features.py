"""How a post did, and what it is made of: rates per view, views per day, and the features that a fit can use.

Rates are plain quotients of the counts at the time of the snapshot. Outlier score, percentile and the fit compare with
the user's own corpus and are filled in by the daemon when it has one (`tiktokd.virality_fit`: 200 videos at least,
judged on creators that the fit has not seen). Bad at: young posts (counts still grow), promoted posts, deleted
failures that no corpus holds (survivorship). Nothing here is causal.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, JsonValue

from tiktokd.model import Envelope, Metadata, Output
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.texts import hashtags, without_tags

DAY_S = 86400.0
AGE_MIN_S = 3600.0
"""Views per day of a post younger than an hour would be a guess."""
READ = {
    "hook": ("hook_index", "cuts_0_3", "motion_ratio"),
    "shot_boundaries": ("shot_count", "mean_shot_s"),
    "pacing": ("cuts_per_min", "beat_sync_ratio", "pace_level"),
    "loopability": ("loop_score",),
    "motion": ("motion_mean", "static_ratio"),
    "visual_quality": ("sharpness",),
    "on_screen_text": ("text_time_ratio", "reading_speed_cps"),
    "loudness": ("integrated_lufs",),
    "vocal_delivery": ("speech_ratio", "syllables_per_s"),
    "music_analysis": ("tempo_bpm",),
    "sound_fingerprint": ("reuse_count",),
    "near_duplicate_video": ("cluster_size",),
    "sentiment_mood": ("valence",),
}
"""Analyzer → numbers of its summary that become features, named analyzer.field. What the corpus fills in (reuse of the
sound, size of the cluster of copies) gets there when the video is finished."""


class ViralityModel(BaseModel):
    """A fit on the user's corpus."""

    model_config = ConfigDict(frozen=True)

    fitted: bool
    """The corpus was large enough."""
    cv_spearman: float
    """Rank correlation on creators that the fit has not seen, -1..1."""
    cv_r2: float | None
    """Explained share of variance on them, at most 1; below 0: worse than the mean. `None`: fit of an older version."""
    importance: dict[str, float]
    """The ten features that the fit leans on most → how much rank correlation is lost where their values are shuffled;
    what went along with views here, and no cause."""
    n: int
    """Videos in the fit."""


class ViralityFeatures(Output):
    """Summary."""

    engagement_rate: float | None
    """(likes + comments + shares + saves where known) / views, 0 or more; `None`: a count is not known, or no views."""
    share_rate: float | None
    """Shares / views, 0 or more; `None`: not known."""
    save_rate: float | None
    """Saves / views, 0 or more; `None`: not known."""
    views_per_day: float | None
    """Views / age in days at the snapshot; `None`: not known, or younger than an hour."""
    outlier_z: float | None
    """Robust z of log views among the creator's other videos; `None` until the corpus has eight of them."""
    percentile: float | None
    """Share 0..1 of the corpus with fewer views per day; `None` until there is a corpus."""
    features: dict[str, float | None]
    """What a fit can use: numbers of other analyzers as analyzer.field, and duration_s, caption_chars, hashtag_count,
    cta_count; `None`: not known. Also like_rate and comment_rate, which no fit sees: they have the views in them."""
    model: ViralityModel | None
    """`None` until there is a fit on the corpus."""
    unknown: dict[str, str]
    """Field that is null → why: no_metadata (the site did not say), no_views (nobody has seen it), too_young (under an
    hour); of `outlier_z`, `percentile` and `model` corpus_unavailable, or in words, "corpus too small: n of m"."""


def analyze(context: Context) -> Result:
    """Return rates and features, or skipped/no_metadata where no count is known."""
    post = context.metadata
    if all(count is None for count in (post.view_count, post.like_count, post.comment_count, post.repost_count)):
        return skipped("no_metadata", "no counts of this post are known")
    output = ViralityFeatures(
        engagement_rate=engagement_rate(post),
        share_rate=_per_view(post.repost_count, post),
        save_rate=_per_view(post.save_count, post),
        views_per_day=views_per_day(post),
        outlier_z=None,
        percentile=None,
        features=_features(context),
        model=None,
        unknown=dict.fromkeys(("outlier_z", "percentile", "model"), "corpus_unavailable"),
    )
    output = output.model_copy(update={"unknown": _unknown(output, post) | output.unknown})
    if post.view_count == 0:
        return partial(output, "no_metadata", "nobody has seen it yet: there are no rates per view")
    if output.engagement_rate is None:
        return partial(output, "no_metadata", "views, likes, comments or shares are not known")
    return ok(output)


def _unknown(output: ViralityFeatures, post: Metadata) -> dict[str, str]:
    """Return which of the post's own numbers are null, and why."""
    why = dict.fromkeys(("engagement_rate", "share_rate", "save_rate"), "no_metadata")
    if post.view_count == 0:
        counted = (post.like_count, post.comment_count, post.repost_count)
        told = (None not in counted, post.repost_count is not None, post.save_count is not None)
        why = {name: "no_views" if known else reason for (name, reason), known in zip(why.items(), told, strict=True)}
    young = None not in (post.view_count, post.created_at_s, post.fetched_at_s)
    why["views_per_day"] = "too_young" if young else "no_metadata"
    return {name: reason for name, reason in why.items() if getattr(output, name) is None}


def engagement_rate(post: Metadata) -> float | None:
    """Return reactions per view."""
    needed = (post.like_count, post.comment_count, post.repost_count)
    if any(count is None for count in needed):
        return None
    return _per_view(sum(count or 0 for count in (*needed, post.save_count)), post)


def views_per_day(post: Metadata) -> float | None:
    """Return views per day of age at the snapshot."""
    if post.view_count is None or post.created_at_s is None or post.fetched_at_s is None:
        return None
    age_s = post.fetched_at_s - post.created_at_s
    return round(post.view_count * DAY_S / age_s, 4) if age_s >= AGE_MIN_S else None


def _per_view(count: int | None, post: Metadata) -> float | None:
    return round(count / post.view_count, 6) if count is not None and post.view_count else None


def _features(context: Context) -> dict[str, float | None]:
    post, caption = context.metadata, context.metadata.description
    found: dict[str, float | None] = {
        "duration_s": round(context.facts.duration_s, 3),
        "caption_chars": None if caption is None else len(without_tags(caption)),
        "hashtag_count": None if caption is None else len(hashtags(caption)),
        "cta_count": _length(context.outputs.get("call_to_action"), "ctas"),
        "like_rate": _per_view(post.like_count, post),
        "comment_rate": _per_view(post.comment_count, post),
    }
    for analyzer, fields in READ.items():
        summary = _summary(context.outputs.get(analyzer))
        found |= {f"{analyzer}.{field}": _number(summary.get(field)) for field in fields}
    return found


def _summary(envelope: Envelope | None) -> Mapping[str, JsonValue]:
    return envelope.summary if envelope is not None and envelope.status in ("ok", "partial") else {}


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _length(envelope: Envelope | None, field: str) -> float | None:
    values = _summary(envelope).get(field)
    return float(len(values)) if isinstance(values, list) else None


ANALYZER = Analyzer(
    name="virality_features",
    title="How the post did, and which of its features a fit on the corpus can use",
    group="metadata",
    output=ViralityFeatures,
    analyze=analyze,
    after=(*READ, "call_to_action"),
    needs=frozenset({"metadata"}),
    version="5",
)
