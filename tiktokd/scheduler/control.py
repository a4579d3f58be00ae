"""The verbs of DESIGN 9 over the database and the running loop. Knows no HTTP and no terminal.

Changes go to the database first and are answered after the commit; then the loop is told.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy.engine import Connection

from tiktokd import __version__, plugins
from tiktokd.messages import AnalyzerFacts
from tiktokd.model import State
from tiktokd.protocol import (
    API_VERSION,
    CleanupAnswer,
    Event,
    ItemOutcome,
    Lane,
    Outcomes,
    Page,
    Runtime,
    RuntimeSnapshot,
    StatusAnswer,
)
from tiktokd.scheduler import intake, store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.records import detail_of, export_of, iso, outcome_of, row_of, seconds
from tiktokd.verbs import BadRequest, NotFound

EXPORT_PAGE = 50
"""Videos per read: 30 envelopes of a long video are about 200 KiB, so a page stays near 10 MiB."""
DAY_S = 86400.0


class Control:
    """The daemon's answers; implements `verbs.Verbs`."""

    def __init__(self, database: Database, runtime: Runtime, *, log_dir: Path, clock: Callable[[], float]) -> None:
        """Args: clock: returns UTC seconds."""
        self._database, self._runtime, self._log_dir, self._clock = database, runtime, log_dir, clock

    async def status(self) -> StatusAnswer:
        """Return counts, workers, rates and what is in the way."""
        now = self._clock()
        counts, due_at = await self._database.read(_counts_and_due, now=now)
        here = self._runtime.snapshot()
        return StatusAnswer(
            **{name: getattr(here, name) for name in RuntimeSnapshot.__dataclass_fields__},
            counts={state.value: number for state, number in counts.items()},
            next_download_at=_next_download(now, due_at, here.gate.next_at if here.gate else None),
            version=__version__,
            api_version=API_VERSION,
            pid=os.getpid(),
        )

    async def metrics(self, since_s: float) -> dict[str, Any]:
        """Return gauges of now and the samples of the last `since_s` seconds."""
        now = self._clock()
        samples = await self._database.read(store.metrics, since=now - since_s)
        status = asdict(await self.status())
        gauges = ("counts", "rates", "gpus", "workers", "slots_free", "slots_total", "uptime_s", "stale_results")
        return {"at": iso(now), **{key: status[key] for key in gauges}, "samples": samples}

    async def page(self, *, state: str | None, limit: int, after: str | None) -> Page:
        """Return one page of videos, newest first."""
        cursor = _number("after", after)
        videos, titles = await self._database.read(_page, state=_state(state), limit=limit, after=cursor)
        last = str(videos[-1].seq) if len(videos) == limit else None
        return Page(videos=tuple(row_of(video, titles.get(video.seq)) for video in videos), next=last)

    async def video(self, video_id: str) -> dict[str, Any]:
        """Return one video as in the export, with facts and history; raises `NotFound`."""
        record = await self._database.read(store.get, video_id)
        if record is None:
            raise NotFound(f"there is no video {video_id!r}; `tiktokctl list` shows what there is")
        return detail_of(record, await self._database.read(store.history, record.video.id))

    def analyzers(self) -> tuple[AnalyzerFacts, ...]:
        """Return what each analyzer can do on this machine."""
        return self._runtime.analyzers()

    def incarnation(self) -> str:
        """Return what differs for each start of the daemon."""
        return self._runtime.snapshot().incarnation

    def events(self) -> AsyncIterator[Event]:
        """Yield what happens from now on."""
        return self._runtime.subscribe()

    async def add(self, inputs: Sequence[str], *, priority: int, analyzers: Sequence[str] | None) -> Outcomes:
        """Queue texts that name videos; one outcome per text, in order."""
        names = _analyzer_names(analyzers, self.analyzers())
        return await self._enqueue(inputs, [intake.from_text(text, priority, names) for text in inputs])

    async def add_files(self, paths: Sequence[Path], *, priority: int, analyzers: Sequence[str] | None) -> Outcomes:
        """Queue files of this machine; one outcome per path, in order."""
        names = _analyzer_names(analyzers, self.analyzers())
        found = [await asyncio.to_thread(intake.from_file, path, priority, names) for path in paths]
        return await self._enqueue([str(path) for path in paths], found)

    async def requeue(self, ids: Sequence[str] | None, *, failed: bool, analyzers: Sequence[str] | None) -> Outcomes:
        """Queue finished videos again; `ids` is `None` for all failed ones."""
        names, now = _analyzer_names(analyzers, self.analyzers()), self._clock()
        done = await self._database.write(store.requeue, ids=ids, failed=failed, analyzers=names, now=now)
        self._runtime.wake()
        # Media still here: straight to the analyzers, without a download.
        verb = {State.PENDING: "requeued", State.DOWNLOADED: "reanalyzed"}
        return _outcomes(
            [outcome_of(each.id, each, verb.get(each.state or State.PENDING, "requeued")) for each in done]
        )

    async def cancel(self, ids: Sequence[str]) -> Outcomes:
        """Take videos out of the queue and stop work on them."""
        done = await self._database.write(store.cancel, ids, now=self._clock())
        await self._runtime.cancel([each.id for each in done if each.outcome == "done"])
        return _outcomes([outcome_of(each.id, each, "cancelled") for each in done])

    async def set_priority(self, ids: Sequence[str], priority: int) -> Outcomes:
        """Change the priority of videos that are not finished."""
        done = await self._database.write(store.set_priority, ids, priority, now=self._clock())
        self._runtime.wake()
        return _outcomes([outcome_of(each.id, each, "updated") for each in done])

    async def set_paused(self, lanes: Sequence[Lane], paused: bool) -> None:
        """Pause or resume lanes, over restarts too."""
        for lane in lanes:
            await self._runtime.set_paused(lane, paused)

    async def cleanup(self, days: float, *, dry_run: bool) -> CleanupAnswer:
        """Remove what belongs to videos that finished more than `days` days ago, but not their results."""
        older_than = self._clock() - days * DAY_S
        run = self._database.read if dry_run else self._database.write
        logs = await asyncio.to_thread(intake.old_logs, self._log_dir, older_than)
        media: list[store.Media] = []
        events, metrics = 0, 0
        after: int | None = 0
        while after is not None:  # bounded parts, so that claims get their turn at the writer in between
            old = await run(store.cleanup, older_than=older_than, dry_run=dry_run, after=after)
            media, events, metrics, after = [*media, *old.media], events + old.events, metrics + old.metrics, old.after
            if not dry_run:
                await asyncio.to_thread(intake.remove, [Path(item.path) for item in old.media])
        if not dry_run:
            await asyncio.to_thread(intake.remove, logs)
        return CleanupAnswer(
            dry_run=dry_run,
            media_files=len(media),
            media_bytes=sum(item.size_bytes for item in media),
            events=events,
            metrics=metrics,
            logs=len(logs),
        )

    async def export_head(self) -> dict[str, Any]:
        """Return `generated_at`, `version` and `stats` of an export made now."""
        counts = await self._database.read(store.counts)
        by_state = {state.value: number for state, number in counts.items()}
        return {
            "generated_at": iso(self._clock()),
            "version": __version__,
            "stats": {"videos": sum(by_state.values()), "counts": by_state},
        }

    async def export(self, *, state: str | None, since: str | None) -> AsyncIterator[list[bytes]]:
        """Yield the videos that changed at or after `since` (ISO 8601), each as one line of JSON, some at a time."""
        wanted, since_at, after = _state(state), _moment(since), None
        while True:
            lines, after = await self._database.read(_export_lines, state=wanted, since=since_at, after=after)
            if lines:
                yield lines
            if after is None:
                return

    async def _enqueue(self, given: Sequence[str], found: Sequence[store.NewVideo | ItemOutcome]) -> Outcomes:
        """Store the new videos among `found`; what is already an outcome keeps its place in the answer."""
        new = [item for item in found if isinstance(item, store.NewVideo)]
        added = iter(await self._database.write(store.add, new, now=self._clock()) if new else [])
        answer = [
            item if isinstance(item, ItemOutcome) else _added(text, next(added))
            for text, item in zip(given, found, strict=True)
        ]
        if any(item.outcome == "added" for item in answer):
            self._runtime.wake()
        return _outcomes(answer)


def _counts_and_due(conn: Connection, *, now: float) -> tuple[dict[State, int], float | None]:
    """Return videos per state, and when the next delayed one may be downloaded if none may be now."""
    can_download, _ = store.startable(conn)
    return store.counts(conn), None if can_download else store.next_ready_at(conn, now=now)[0]


def _page(
    conn: Connection, *, state: State | None, limit: int, after: int | None
) -> tuple[list[store.Video], dict[int, str]]:
    """Return one page of videos, and the titles of those that have one."""
    videos = store.page(conn, state=state, limit=limit, after=after)
    return videos, store.titles(conn, [video.seq for video in videos])


def _export_lines(
    conn: Connection, *, state: State | None, since: float | None, after: int | None
) -> tuple[list[bytes], int | None]:
    """Return one page as JSON, made here on the reader's thread to keep the loop free, and where to go on."""
    page = store.export_page(conn, state=state, since=since, after=after, limit=EXPORT_PAGE)
    lines = [to_json(export_of(record), inf_nan_mode="null") for record in page]
    return lines, page[-1].video.seq if len(page) == EXPORT_PAGE else None


def _next_download(now: float, due_at: float | None, gate_at: float | None) -> float | None:
    times = [at for at in (due_at, gate_at) if at is not None and at > now]
    return max(times, default=None)


def _added(given: str, added: store.Added) -> ItemOutcome:
    return ItemOutcome(input=given, outcome=added.outcome, id=added.id, url=added.url, state=added.state.value)


def _outcomes(items: Sequence[ItemOutcome]) -> Outcomes:
    return Outcomes(items=tuple(items), counts=dict(Counter(item.outcome for item in items)))


def _analyzer_names(words: Sequence[str] | None, facts: Sequence[AnalyzerFacts]) -> tuple[str, ...] | None:
    """Return the analyzers for names, groups (as the workers tell them) and "all", as `analysis.analyzers` has them."""
    if words is None:
        return None
    known = plugins.names("tiktokd.analyzers")
    groups = {"all": known} | {group: [f.name for f in facts if f.group == group] for group in {f.group for f in facts}}
    if unknown := sorted(set(words) - set(known) - groups.keys()):
        raise BadRequest(
            f"analyzers: there is no {', '.join(unknown)}; there are {', '.join((*sorted(groups), *known))}"
        )
    return tuple(dict.fromkeys(name for word in words for name in groups.get(word, [word])))


def _state(name: str | None) -> State | None:
    try:
        return None if name is None else State(name)
    except ValueError as exc:
        raise BadRequest(f"state: {name!r} is not one of {', '.join(State)}") from exc


def _moment(text: str | None) -> float | None:
    try:
        return None if text is None else seconds(text)
    except ValueError as exc:
        raise BadRequest(f"since: {text!r} is not a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z") from exc


def _number(field: str, text: str | None) -> int | None:
    if text is not None and not text.isdecimal():
        raise BadRequest(f"{field}: {text!r} is not a cursor; send the `next` of the page before")
    return None if text is None else int(text)
