"""How a post stands among the user's other posts: outlier score, percentile, and a fit of views on features.

The numbers are those of `virality_fit`; this file gets them their rows. The fit is made anew when the corpus has grown
by a quarter, after a video is stored, never while one waits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import JsonValue
from sqlalchemy.engine import Connection

from tiktokd.model import Envelope, Metadata
from tiktokd.plugins import Array
from tiktokd.scheduler import store_corpus, store_upkeep
from tiktokd.scheduler.database import Database
from tiktokd.virality_fit import FOLDS, HISTORY_MIN, VIDEOS_MIN, Fit, fit, outlier_z

ANALYZER = "virality_features"
CORPUS_FEATURES = (("sound_fingerprint", "reuse_count"), ("near_duplicate_video", "cluster_size"))
"""Analyzer and field of its summary, `None` until the corpus has filled it in."""
HISTORY_MAX = 500
"""A creator's latest posts that say what is usual for them."""
FIT_POSTS_MAX = 2000
"""Latest posts that a fit is made from; more take longer and say the same."""
RATES = frozenset({"like_rate", "comment_rate"})
"""Features that no fit sees: they are divided by the views that it is to explain. Where likes grow more slowly than
views (as their power 0.8), these alone gave a rank correlation of 0.7."""
IMPORTANCE_MAX = 10
"""Features that a result names; the fit has about thirty."""
GROWTH = 1.25
SETTING = "virality_model_2"
"""The number changes with what a fit sees: one that an earlier version stored is not told on, but made anew."""


def post_of(metadata: Metadata, summary: Mapping[str, Any]) -> store_corpus.NewPost:
    """Return what the corpus keeps of a post."""
    return store_corpus.NewPost(
        creator=metadata.channel_id or metadata.uploader_id or metadata.uploader,
        views=metadata.view_count,
        views_per_day=summary["views_per_day"],
        features=summary["features"],
    )


class Reach:
    """The views per day of all posts in order, as the rows have them; for one thread.

    Counting half of 100,000 rows takes SQLite 4 ms, finding a place among 800 KB of numbers a hundredth of that. They
    can differ from the rows only where rows were deleted, and then the counts differ, too: all are read again.
    """

    def __init__(self) -> None:
        self._values: Array = np.zeros(0)
        self._own: float | None = None
        """What the video that was asked for last had before."""

    def standing(self, conn: Connection, post: store_corpus.NewPost, *, seq: int) -> dict[str, JsonValue]:
        """Return `outlier_z` and `percentile` of the post of video `seq` among all others, and the latest `model`.

        Each is `None` where there are too few posts for it, and `unknown` says so.
        """
        unknown: dict[str, JsonValue] = {}
        z: float | None = None
        if post.views is None or post.creator is None:
            unknown["outlier_z"] = "no_metadata"
        else:
            history = store_corpus.views_of(conn, post.creator, besides=seq, limit=HISTORY_MAX)
            z = outlier_z(post.views, history)
            if z is None:
                few = f"corpus too small: {len(history)} of {HISTORY_MIN} other videos of this creator"
                unknown["outlier_z"] = few if len(history) < HISTORY_MIN else "no spread: their views are all the same"
        total, self._own = store_corpus.rated(conn, besides=seq)
        if total != len(self._values):
            self._values = np.array(store_corpus.views_per_day(conn), np.float64)
        share = None if post.views_per_day is None else self._percentile(post.views_per_day)
        if share is None:
            unknown["percentile"] = "no_metadata" if post.views_per_day is None else "corpus too small: 0 of 1 videos"
        known = store_upkeep.setting(conn, SETTING) or {}
        model = known.get("model") and {"cv_r2": None, "importance": {}} | known["model"]
        if model is None:
            unknown["model"] = _unfitted(conn, tried="posts" in known)
        return {"outlier_z": z, "percentile": share, "model": model, "unknown": unknown}

    def add(self, post: store_corpus.NewPost) -> None:
        """Take in the post of the video that was asked for last: it is stored."""
        if self._own is not None:
            self._values = np.delete(self._values, np.searchsorted(self._values, self._own))
            self._own = None
        if post.views_per_day is not None:
            self._values = np.insert(
                self._values, np.searchsorted(self._values, post.views_per_day), post.views_per_day
            )

    def _percentile(self, value: float) -> float | None:
        """As `virality_fit.percentile`, whose sample would be every other post of the corpus: ties count half."""
        below, upto = (int(np.searchsorted(self._values, value, side)) for side in ("left", "right"))
        equal, total = upto - below, len(self._values)
        if self._own is not None:
            below, equal, total = below - (self._own < value), equal - (self._own == value), total - 1
        return round((below + equal / 2) / total, 4) if total else None


def _unfitted(conn: Connection, *, tried: bool) -> str:
    """Return why there is no fit."""
    if tried:
        return f"too few creators: {FOLDS} are needed"
    posts = store_corpus.post_count(conn)
    few = f"corpus too small: {posts} of {VIDEOS_MIN} videos with views and a creator"
    return few if posts < VIDEOS_MIN else "not fitted yet"


def with_corpus(summary: Mapping[str, Any], filled: Mapping[str, Envelope]) -> dict[str, JsonValue]:
    """Return the features with those that other results have only from the corpus."""
    features = dict(summary["features"])
    for analyzer, field in CORPUS_FEATURES:
        envelope = filled.get(analyzer)
        value = envelope.summary.get(field) if envelope is not None else None
        if isinstance(value, int | float):
            features[f"{analyzer}.{field}"] = float(value)
    return {"features": features}


def told(found: Fit) -> dict[str, JsonValue]:
    """Return what results say of a fit."""
    order = sorted(zip(found.importance, found.names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return {
        "fitted": True,
        "cv_spearman": found.cv_spearman,
        "cv_r2": found.cv_r2,
        "importance": {name: drop for drop, name in order[:IMPORTANCE_MAX] if drop > 0},
        "n": found.videos,
    }


def refit(database: Database) -> None:
    """Fit views on features anew where the corpus has grown enough since the last time."""
    known = database.read_blocking(store_upkeep.setting, SETTING) or {}
    posts = database.read_blocking(store_corpus.post_count)
    if posts < max(VIDEOS_MIN, GROWTH * known.get("posts", 0)):
        return
    rows = database.read_blocking(store_corpus.posts, limit=FIT_POSTS_MAX)
    features = [{name: value for name, value in r.features.items() if name not in RATES} for r in rows]
    found = fit(features, [r.views or 0 for r in rows], [r.creator or "" for r in rows])
    # `None`: too few creators. It is remembered too, or each video would try again.
    model = None if found is None else told(found)
    database.write_blocking(store_upkeep.set_setting, SETTING, {"posts": posts, "model": model})
