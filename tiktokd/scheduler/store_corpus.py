"""Rows of the corpus: prints of videos, and how their posts did. Written with the results, in one transaction.

A print gets a new `revision` whenever it is written, never used twice: an index that names revisions can be behind,
but never wrong. Knows not what is in a print.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.model import Envelope, MediaFacts, Signals
from tiktokd.scheduler import schema, store_claims
from tiktokd.scheduler import store_transition as moves
from tiktokd.scheduler.prepared import Prepared

_prints = schema.corpus_prints
_posts = schema.corpus_posts
_queue = schema.processing_queue
POST = "post"
"""What `complete` calls the post among the things that it replaces."""
MEANING, WORDS = f"{schema.MEANING_PREFIX}%", f"{schema.WORDS_PREFIX}%"
"""And the vectors, of whatever space; everything else there is a kind of print."""
CHUNK, NO_KEY = 16, -1
"""Keys per statement that reads prints, always as many, filled up with one that no row has: so it is compiled once."""
_NAMES = tuple(f"key{place}" for place in range(CHUNK))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrint:
    """A print to store."""

    kind: str
    cluster: int
    """The `seq` of the video that names its cluster: one that it matches, or itself."""
    entry: bytes
    """For the index."""
    exact: bytes
    """For the comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """How a post did at the time of its snapshot."""

    creator: str | None
    views: int | None
    views_per_day: float | None
    features: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is to be stored of one video."""

    outputs: Mapping[str, Envelope]
    prints: Sequence[NewPrint] = ()
    done: frozenset[str] = frozenset()
    """What these results speak of: kinds of prints, `MEANING`, `WORDS`, `POST`. The rest is kept where single analyzers
    were asked for again, and is gone with the results that it came from otherwise."""
    post: NewPost | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A stored print, without its entry."""

    revision: int
    seq: int
    id: str
    cluster: int
    exact: bytes


def complete(
    conn: Connection,
    token: str,
    *,
    compared: Compared,
    signals: Signals,
    facts: MediaFacts | None,
    timings: Mapping[str, float],
    now: float,
) -> list[int] | None:
    """Finish the video as `store.complete` does, and replace its prints and its post.

    Returns: the revisions of the prints, or `None` where the token is stale and nothing was written.
    """
    seq = moves.parse(token)[1]
    again = conn.scalar(sa.select(_queue.c.rerun).where(_queue.c.seq == seq)) is not None
    results: dict[str, Any] = {"outputs": compared.outputs, "signals": signals, "facts": facts, "timings": timings}
    if not store_claims.complete(conn, token, **results, now=now):
        return None
    gone = compared.done if again else frozenset(("%", POST))
    for kind in gone - {POST}:
        _DELETE_PRINT.run(conn, {"of": seq, "which": kind})
    if POST in gone:
        _DELETE_POST.run(conn, {"of": seq})
    if (post := compared.post) is not None:
        values = (post.creator, post.views, post.views_per_day, dict(post.features))
        _INSERT_POST.run(conn, {"seq": seq, **dict(zip(_POST_FIELDS, values, strict=True))})
    return [_insert(conn, seq, each) for each in compared.prints]


def known(conn: Connection, revisions: Sequence[int]) -> list[Known]:
    """Return those of the prints that are still there."""
    return _each(conn, _BY_REVISION, revisions)


def heads(conn: Connection, kind: str, seqs: Sequence[int]) -> list[Known]:
    """Return the prints of this kind of these videos."""
    return _each(conn, _BY_SEQ, seqs, which=kind)


def cluster_size(conn: Connection, kind: str, cluster: int, besides: int) -> int:
    """Return how many prints are filed under a cluster, not counting the video `besides`."""
    return int(_CLUSTER_SIZE.first(conn, {"which": kind, "under": cluster, "of": besides}).size)


def newest(conn: Connection, kind: str) -> int:
    """Return the highest revision of a kind, 0 where there is none."""
    return int(conn.scalar(sa.select(sa.func.max(_prints.c.revision)).where(_prints.c.kind == kind)) or 0)


def revisions(conn: Connection, kind: str, *, upto: int) -> list[int]:
    """Return the revisions of prints whose videos are still in the queue, up to one."""
    query = sa.select(_prints.c.revision).join_from(_prints, _queue, _queue.c.seq == _prints.c.seq)
    return list(conn.scalars(query.where(_prints.c.kind == kind, _prints.c.revision <= upto)))


def entries(conn: Connection, kind: str, *, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
    """Return (revision, entry) of up to `limit` prints with after < revision <= upto, the oldest first."""
    query = (
        sa.select(_prints.c.revision, _prints.c.entry)
        .where(_prints.c.kind == kind, _prints.c.revision > after, _prints.c.revision <= upto)
        .order_by(_prints.c.revision)
        .limit(limit)
    )
    return [(row.revision, row.entry) for row in conn.execute(query)]


def latest(conn: Connection, kind: str, *, limit: int) -> list[tuple[int, bytes]]:
    """Return (seq, exact) of the latest prints of videos that are still in the queue, the oldest of them first."""
    query = (
        sa.select(_prints.c.seq, _prints.c.exact)
        .join_from(_prints, _queue, _queue.c.seq == _prints.c.seq)
        .where(_prints.c.kind == kind)
        .order_by(_prints.c.revision.desc())
        .limit(limit)
    )
    return [(row.seq, row.exact) for row in conn.execute(query)][::-1]


def views_of(conn: Connection, creator: str, *, besides: int, limit: int) -> list[int]:
    """Return the views of a creator's other posts, the latest to arrive first."""
    return [row.views for row in _VIEWS_OF.every(conn, {"whose": creator, "of": besides, "most": limit})]


def rated(conn: Connection, *, besides: int) -> tuple[int, float | None]:
    """Return how many posts have views per day, and those of the video `besides` where it is one of them."""
    row = _RATED.first(conn, {"of": besides})
    return row.total, row.own


def views_per_day(conn: Connection) -> list[float]:
    """Return the views per day of all posts that have them, rising."""
    query = sa.select(_posts.c.views_per_day).where(_posts.c.views_per_day.is_not(None))
    return list(conn.scalars(query.order_by(_posts.c.views_per_day)))


def post_count(conn: Connection) -> int:
    """Return how many posts a fit could use."""
    where = (_posts.c.views.is_not(None), _posts.c.creator.is_not(None))
    return int(conn.scalar(sa.select(sa.func.count()).select_from(_posts).where(*where)) or 0)


def posts(conn: Connection, *, limit: int) -> list[NewPost]:
    """Return the latest posts that a fit can use."""
    query = (
        sa.select(_posts)
        .where(_posts.c.views.is_not(None), _posts.c.creator.is_not(None))
        .order_by(_posts.c.seq.desc())
        .limit(limit)
    )
    return [NewPost(**{name: getattr(row, name) for name in _POST_FIELDS}) for row in conn.execute(query)]


_POST_FIELDS = ("creator", "views", "views_per_day", "features")


def _posts_where(name: str, *where: sa.ColumnElement[bool]) -> sa.Label[int]:
    return sa.select(sa.func.count()).select_from(_posts).where(*where).scalar_subquery().label(name)


_RATED = Prepared(
    sa.select(
        # Counting a whole table takes SQLite a tenth of counting the rows of a condition.
        (_posts_where("posts") - _posts_where("unknown", _posts.c.views_per_day.is_(None))).label("total"),
        sa.select(_posts.c.views_per_day).where(_posts.c.seq == sa.bindparam("of")).scalar_subquery().label("own"),
    )
)
_VIEWS_OF = Prepared(
    sa.select(_posts.c.views)
    .where(_posts.c.creator == sa.bindparam("whose"), _posts.c.seq != sa.bindparam("of"), _posts.c.views.is_not(None))
    .order_by(_posts.c.seq.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_CLUSTER_SIZE = Prepared(
    sa.select(sa.func.count().label("size"))
    .select_from(_prints)
    .where(
        _prints.c.kind == sa.bindparam("which"),
        _prints.c.cluster == sa.bindparam("under"),
        _prints.c.seq != sa.bindparam("of"),
    )
)
_DELETE_PRINT = Prepared(
    sa.delete(_prints).where(_prints.c.seq == sa.bindparam("of"), _prints.c.kind.like(sa.bindparam("which")))
)
_DELETE_POST = Prepared(sa.delete(_posts).where(_posts.c.seq == sa.bindparam("of")))
_INSERT_POST = Prepared(sa.insert(_posts).values({name: sa.bindparam(name) for name in ("seq", *_POST_FIELDS)}))
_INSERT_PRINT = (
    sa.insert(_prints)
    .values({name: sa.bindparam(name) for name in ("seq", "kind", "cluster", "entry", "exact")})
    .returning(_prints.c.revision)
)


def _insert(conn: Connection, seq: int, new: NewPrint) -> int:
    values: dict[str, Any] = {name: getattr(new, name) for name in NewPrint.__dataclass_fields__}
    return int(conn.execute(_INSERT_PRINT, {"seq": seq, **values}).scalar_one())


def _each(conn: Connection, some: Prepared, keys: Sequence[int], **params: Any) -> list[Known]:
    """Return what a statement that takes `CHUNK` keys returns of these, in no particular order."""
    found = []
    for start in range(0, len(keys), CHUNK):
        asked = dict(zip(_NAMES, itertools.chain(keys[start : start + CHUNK], itertools.repeat(NO_KEY)), strict=False))
        found += [Known(**row._asdict()) for row in some.every(conn, {**asked, **params})]
    return found


def _known(column: sa.Column[Any], *where: sa.ColumnElement[bool]) -> Prepared:
    columns = [_queue.c.id if each.name == "id" else _prints.c[each.name] for each in fields(Known)]
    query = sa.select(*columns).join_from(_prints, _queue, _queue.c.seq == _prints.c.seq)
    return Prepared(query.where(column.in_([sa.bindparam(name, type_=sa.BigInteger) for name in _NAMES]), *where))


_BY_REVISION = _known(_prints.c.revision)
_BY_SEQ = _known(_prints.c.seq, _prints.c.kind == sa.bindparam("which"))
