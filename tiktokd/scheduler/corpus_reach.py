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
from tiktokd.virality_fit import VIDEOS_MIN, fit, outlier_z

ANALYZER = "virality_features"
REUSE_FEATURE = "sound_fingerprint.reuse_count"
HISTORY_MAX = 500
"""A creator's latest posts that say what is usual for them."""
FIT_POSTS_MAX = 2000
"""Latest posts that a fit is made from; more take longer and say the same."""
GROWTH = 1.25
SETTING = "virality_model"


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

        Each is `None` where there are too few posts for it.
        """
        z: float | None = None
        if post.views is not None and post.creator is not None:
            z = outlier_z(post.views, store_corpus.views_of(conn, post.creator, besides=seq, limit=HISTORY_MAX))
        total, self._own = store_corpus.rated(conn, besides=seq)
        if total != len(self._values):
            self._values = np.array(store_corpus.views_per_day(conn), np.float64)
        share = None if post.views_per_day is None else self._percentile(post.views_per_day)
        model = (store_upkeep.setting(conn, SETTING) or {}).get("model")
        return {"outlier_z": z, "percentile": share, "model": model}

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


def with_reuse(summary: Mapping[str, Any], sound: Envelope | None) -> dict[str, JsonValue]:
    """Return the features with the reuse of the sound, which is known only now."""
    features = dict(summary["features"])
    reuse = sound.summary.get("reuse_count") if sound is not None else None
    if isinstance(reuse, int):
        features[REUSE_FEATURE] = float(reuse)
    return {"features": features}


def refit(database: Database) -> None:
    """Fit views on features anew where the corpus has grown enough since the last time."""
    known = database.read_blocking(store_upkeep.setting, SETTING) or {}
    posts = database.read_blocking(store_corpus.post_count)
    if posts < max(VIDEOS_MIN, GROWTH * known.get("posts", 0)):
        return
    rows = database.read_blocking(store_corpus.posts, limit=FIT_POSTS_MAX)
    found = fit([r.features for r in rows], [r.views or 0 for r in rows], [r.creator or "" for r in rows])
    # `None`: too few creators. It is remembered too, or each video would try again.
    model = None if found is None else {"fitted": True, "cv_spearman": found.cv_spearman, "n": found.videos}
    database.write_blocking(store_upkeep.set_setting, SETTING, {"posts": posts, "model": model})
