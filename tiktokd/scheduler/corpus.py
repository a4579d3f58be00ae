"""Compares each finished video with all earlier ones and writes what it finds into the video's results.

Before the results are stored, so that a completed video is complete and is written once. One video at a time, from its
comparison until its commit: of two copies that finish at the same moment, the second finds the first. A video whose
comparison fails completes all the same, and its results say so (`partial`, `corpus_unavailable`). What an earlier
video says of its matches stays as it was when that one was finished; its cluster is its own id from the start, so that
those of its later copies name it.

What a crash leaves: prints are rows, written in the transaction that completes the video, so a kill before the commit
loses nothing but work that is done again. The index files are copies of those rows: one that is missing, torn, behind
or of another database is made anew, and what an index says counts only where the row is still there.

All of it runs on one thread of its own. Knows no processes and no HTTP.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import JsonValue
from sqlalchemy.engine import Connection

from tiktokd.errors import LocalError
from tiktokd.model import Claim, Envelope, Signals
from tiktokd.scheduler import (
    corpus_pace,
    corpus_picture,
    corpus_reach,
    corpus_semantic,
    corpus_sound,
    corpus_words,
    schema,
    store_corpus,
)
from tiktokd.scheduler import store_transition as moves
from tiktokd.scheduler.corpus_form import POSTINGS, SKETCHES
from tiktokd.scheduler.corpus_keeper import Keeper, Stopped
from tiktokd.scheduler.corpus_kind import Candidate, Kind, Matched, Print, cluster_of
from tiktokd.scheduler.corpus_latest import Latest, Standing, to_print
from tiktokd.scheduler.database import Database

_PICTURE, _SOUND = corpus_picture.KIND, corpus_sound.KIND
WATCHED = {
    _PICTURE.analyzer: _PICTURE.name,
    _SOUND.analyzer: _SOUND.name,
    corpus_pace.STANDING.analyzer: schema.PACE_KIND,
    corpus_reach.ANALYZER: store_corpus.POST,
}
"""Analyzers whose results the corpus completes, and what it keeps of each."""
VECTORS = {
    corpus_semantic.ENCODER: (_PICTURE.analyzer, store_corpus.MEANING),
    corpus_words.WORDS: (corpus_words.STANDING.analyzer, store_corpus.WORDS),
}
"""Encoders whose signals it keeps, with the analyzer that must have been asked for."""
USABLE = ("ok", "partial")
FIT_CHECK_POSTS = 50
"""How often it is asked whether the fit of views is due."""
R = TypeVar("R")
_logger = logging.getLogger(__name__)


Write = Callable[[store_corpus.Compared], Awaitable[list[int] | None]]
"""Stores a video; returns the revisions of its prints, `None` where its claim is over."""


class Corpus:
    """All earlier videos of one database, and the thread that looks through them."""

    def __init__(self, database: Database, keeper: Keeper) -> None:
        self._database, self._keeper = database, keeper
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tiktokd-corpus")
        self._turn = asyncio.Lock()
        self._reach = corpus_reach.Reach()
        self._latest = Latest()
        self._posts_seen = 0

    def warm(self) -> Future[None]:
        """Open the indexes before the first video wants them: one that must be made anew takes half a minute."""
        return self._thread.submit(self._open)

    def _open(self) -> None:
        for kind in schema.PRINT_KINDS:
            with suppress(LocalError, Stopped):  # the first video that wants it says so
                self._keeper.index(kind, POSTINGS)

    async def complete(self, claim: Claim, outputs: Mapping[str, Envelope], signals: Signals, write: Write) -> bool:
        """Compare the video, store it with `write`, and remember it; False where its claim is over."""
        if not _done(outputs, signals):
            held = await write(store_corpus.Compared(outputs=outputs)) is not None
            if held:
                await self._in_thread(self._latest.stored, seq_of(claim), {})
            return held
        try:
            async with self._turn:
                compared = await self._in_thread(self._compare, claim, outputs, signals)
                revisions = await write(compared)
                if revisions is not None:
                    await self._in_thread(self._remember, seq_of(claim), compared, revisions)
        except Stopped:
            raise asyncio.CancelledError from None
        return revisions is not None

    def close(self) -> None:
        """End the thread; a file that is being made is given up."""
        self._keeper.stopping.set()
        self._thread.shutdown(cancel_futures=True)
        self._keeper.close()

    async def _in_thread(self, function: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _compare(self, claim: Claim, outputs: Mapping[str, Envelope], signals: Signals) -> store_corpus.Compared:
        """Return the results with what the corpus says, and what it is to keep."""
        filled, prints = dict(outputs), []
        if (envelope := _usable(outputs, _PICTURE.analyzer)) is not None:
            filled[_PICTURE.analyzer], new = self._compare_pictures(envelope, claim, signals)
            prints += new
        if (envelope := _usable(outputs, _SOUND.analyzer)) is not None:
            filled[_SOUND.analyzer], new = self._compare_one(_SOUND, envelope, claim)
            prints += new
        for standing in (corpus_pace.STANDING, corpus_words.STANDING):
            if (envelope := _usable(outputs, standing.analyzer)) is not None:
                filled[standing.analyzer], new = self._stand(standing, envelope, claim, signals)
                prints += new
        post = None
        if (envelope := _usable(outputs, corpus_reach.ANALYZER)) is not None:
            filled[corpus_reach.ANALYZER], post = self._rank(envelope, claim, {**claim.kept, **filled})
        return store_corpus.Compared(outputs=filled, prints=prints, done=_done(outputs, signals), post=post)

    def _compare_pictures(
        self, envelope: Envelope, claim: Claim, signals: Signals
    ) -> tuple[Envelope, list[store_corpus.NewPrint]]:
        """Return the result with copies by its hashes and, where there is an embedding, by what they show."""
        meaning, near, failed = None, list[corpus_semantic.Near](), None
        try:
            meaning = corpus_semantic.read(signals)
            near = self._near(meaning, claim) if meaning is not None else []
        except Stopped:
            raise
        except Exception as exc:
            # As below.
            _logger.exception("cannot compare embeddings with earlier videos", extra={"video": claim.id})
            failed = exc
        envelope, prints = self._compare_one(_PICTURE, envelope, claim, also=[each.row.seq for each in near])
        if not prints:
            return envelope, []  # plain pictures mean the same, too
        if failed is not None:
            envelope = _unavailable(envelope, failed)
        elif meaning is not None:
            envelope = corpus_semantic.fill(envelope, meaning, near)
        else:
            envelope = _with(envelope, {"unknown": {"embedding_space": corpus_semantic.lack(signals)}})
        return envelope, [*prints, *([corpus_semantic.to_print(meaning, seq_of(claim))] if meaning is not None else [])]

    def _near(self, meaning: corpus_semantic.Meaning, claim: Claim) -> list[corpus_semantic.Near]:
        found = corpus_semantic.candidates(self._keeper.index(meaning.kind, SKETCHES), meaning)
        rows = self._database.read_blocking(store_corpus.known, found) if found else []
        return corpus_semantic.compare(meaning, [row for row in rows if row.seq != seq_of(claim)])

    def _compare_one(
        self, kind: Kind, envelope: Envelope, claim: Claim, also: Sequence[int] = ()
    ) -> tuple[Envelope, list[store_corpus.NewPrint]]:
        """Return one result with its matches, and its print; without matches where they cannot be had."""
        given, cluster = None, seq_of(claim)
        try:
            given = kind.read(envelope.summary)
            if given is not None:
                matched, cluster = self._match(kind, given, claim, also)
                envelope = _with(envelope, kind.fill(matched))
        except Stopped:
            raise
        except Exception as exc:
            # Whatever goes wrong here: the analysis of the video is worth more than a list of its copies.
            _logger.exception("cannot compare with earlier videos", extra={"video": claim.id})
            envelope = _unavailable(envelope, exc)
        if given is None:
            return envelope, []
        new = store_corpus.NewPrint(kind=kind.name, cluster=cluster, entry=given.entry.pack(), exact=given.exact)
        return envelope, [new]

    def _match(self, kind: Kind, given: Print, claim: Claim, also: Sequence[int]) -> tuple[Matched, int]:
        """Return what matches, also among the videos `also`, and the `seq` of the video that names their cluster."""
        seq = seq_of(claim)
        candidates = kind.candidates(self._keeper.index(kind.name, POSTINGS), given)
        known = self._database.read_blocking(_known, kind.name, candidates, besides=seq, also=also)
        found = kind.compare(given, [(candidate, row.exact) for candidate, row in known])
        rows = {row.revision: row for _, row in known}
        matches = [(rows[revision], facts) for revision, facts in found]
        ids = {seq: claim.id} | {row.seq: row.id for row, _ in matches}
        cluster = cluster_of(seq, [(row.seq, row.cluster) for row, _ in matches])
        size = self._database.read_blocking(store_corpus.cluster_size, kind.name, cluster, seq) if matches else 0
        return Matched(
            cluster_id=ids[cluster],
            matches=[(row.id, facts) for row, facts in matches],
            cluster_size=size,
        ), cluster

    def _stand(
        self, standing: Standing, envelope: Envelope, claim: Claim, signals: Signals
    ) -> tuple[Envelope, list[store_corpus.NewPrint]]:
        """Return one result as judged by the user's other videos, and what is kept of it."""
        seq, prints = seq_of(claim), list[store_corpus.NewPrint]()
        try:
            measured = standing.read(envelope.summary, signals)
            if measured is not None:
                prints.append(to_print(measured, seq))
                others = self._latest.others(self._database, measured, limit=standing.limit, besides=seq)
                envelope = _with(envelope, measured.judge(others))
        except Exception as exc:
            # As above.
            _logger.exception("cannot judge by other videos", extra={"video": claim.id})
            envelope = _unavailable(envelope, exc)
        return envelope, prints

    def _rank(
        self, envelope: Envelope, claim: Claim, filled: Mapping[str, Envelope]
    ) -> tuple[Envelope, store_corpus.NewPost | None]:
        """Return the result with its standing among other posts, and the post to keep."""
        post = None
        try:
            envelope = _with(envelope, corpus_reach.with_corpus(envelope.summary, filled))
            post = corpus_reach.post_of(claim.metadata, envelope.summary)
            envelope = _with(envelope, self._database.read_blocking(self._reach.standing, post, seq=seq_of(claim)))
        except Exception as exc:
            # As above.
            _logger.exception("cannot rank among earlier posts", extra={"video": claim.id})
            envelope = _unavailable(envelope, exc)
        return envelope, post

    def _remember(self, seq: int, compared: store_corpus.Compared, revisions: Sequence[int]) -> None:
        """File what has been committed."""
        self._latest.stored(seq, {new.kind: new.exact for new in compared.prints})
        for new, revision in zip(compared.prints, revisions, strict=True):
            try:
                self._keeper.add(new.kind, [(revision, new.entry)])
            except Stopped:
                raise
            except Exception:
                # The video is stored; an index that missed it must not be used any longer.
                _logger.exception("cannot file a print in the index of %s", new.kind)
                self._keeper.forget(new.kind)
        if compared.post is not None:
            self._reach.add(compared.post)
            if self._posts_seen % FIT_CHECK_POSTS == 0:
                corpus_reach.refit(self._database)
            self._posts_seen += 1


def seq_of(claim: Claim) -> int:
    """Return the short key of a claimed video."""
    return moves.parse(claim.token)[1]


def _done(outputs: Mapping[str, Envelope], signals: Signals) -> frozenset[str]:
    """Return what these results speak of, see `store_corpus.Compared`."""
    found = {what for name, what in WATCHED.items() if name in outputs}
    found |= {what for encoder, (name, what) in VECTORS.items() if name in outputs and encoder in signals}
    return frozenset(found)


def _usable(outputs: Mapping[str, Envelope], analyzer: str) -> Envelope | None:
    envelope = outputs.get(analyzer)
    return envelope if envelope is not None and envelope.status in USABLE else None


def _known(
    conn: Connection, kind: str, candidates: Sequence[Candidate], *, besides: int, also: Sequence[int]
) -> list[tuple[Candidate, store_corpus.Known]]:
    """Return the candidates that are still there, the videos `also`, and the earliest that the former matched."""
    wanted = {candidate.revision: candidate for candidate in candidates}
    rows = store_corpus.known(conn, list(wanted))
    here = {row.seq for row in rows}
    rows += store_corpus.heads(conn, kind, sorted({*also, *(row.cluster for row in rows)} - here))
    pairs = [(wanted.get(row.revision) or Candidate(revision=row.revision), row) for row in rows if row.seq != besides]
    order = {revision: place for place, revision in enumerate(wanted)}
    return sorted(pairs, key=lambda pair: order.get(pair[0].revision, len(order)))


def _with(envelope: Envelope, fields: Mapping[str, JsonValue]) -> Envelope:
    """Return a result with these fields; those that it called unknown and that are known now are so no longer."""
    summary = {**envelope.summary, **fields}
    told = [each.get("unknown") for each in (envelope.summary, fields)]
    if reasons := {name: why for each in told if isinstance(each, dict) for name, why in each.items()}:
        summary["unknown"] = {name: why for name, why in reasons.items() if summary.get(name) is None}
    return envelope.model_copy(update={"summary": summary})


def _unavailable(envelope: Envelope, error: Exception) -> Envelope:
    """Return a result that says why it was not compared; an earlier reason to be partial is kept in words."""
    earlier = f"{envelope.message}; " if envelope.message else ""
    message = f"{earlier}not compared with earlier videos: {error}"
    return envelope.model_copy(update={"status": "partial", "reason": "corpus_unavailable", "message": message})
