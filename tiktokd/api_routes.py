"""One handler per endpoint: read the request, ask the daemon, write the answer. Knows no rule of who may."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from pydantic_core import to_json

from tiktokd import __version__
from tiktokd.api_bodies import Add, Body, Cleanup, Ids, Lanes, Requeue, SetPriority, ndjson, parse
from tiktokd.api_events import Ring, stream
from tiktokd.model import PRIORITY_DEFAULT
from tiktokd.printable import shortened
from tiktokd.verbs import BadRequest, Verbs

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BODY_TIMEOUT_S = 30.0
"""A client that sends its body more slowly is cut off."""
PAGE_MAX = 500
METRICS_DEFAULT_S = 3600
BodyT = TypeVar("BodyT", bound=Body)


class Routes:
    """The endpoints over one daemon."""

    def __init__(self, verbs: Verbs, ring: Ring) -> None:
        self._verbs, self._ring = verbs, ring

    def table(self) -> list[web.RouteDef]:
        """Return every endpoint; a test compares it with the documentation."""
        return [
            web.get("/healthz", self._healthz),
            web.get("/api/status", self._status),
            web.get("/api/metrics", self._metrics),
            web.get("/api/workers", self._workers),
            web.get("/api/analyzers", self._analyzers),
            web.get("/api/videos", self._videos),
            web.get("/api/videos/{id}", self._video),
            web.get("/api/events", self._events),
            web.get("/api/export/json", self._export_json),
            web.get("/api/export/jsonl", self._export_jsonl),
            web.post("/api/queue/add", self._add),
            web.post("/api/queue/requeue", self._requeue),
            web.post("/api/queue/cancel", self._cancel),
            web.post("/api/queue/priority", self._priority),
            web.post("/api/queue/pause", self._pause),
            web.post("/api/queue/resume", self._resume),
            web.post("/api/cleanup", self._cleanup),
        ]

    async def _healthz(self, _request: web.Request) -> web.Response:
        await self._verbs.status()  # reads the database: a daemon that cannot is not healthy
        return answer({"ok": True, "version": __version__})

    async def _status(self, _request: web.Request) -> web.Response:
        return answer(await self._verbs.status())

    async def _metrics(self, request: web.Request) -> web.Response:
        return answer(await self._verbs.metrics(_whole(request, "since_s", METRICS_DEFAULT_S)))

    async def _workers(self, _request: web.Request) -> web.Response:
        status = await self._verbs.status()
        return answer({"workers": status.workers, "lanes": status.lanes})

    async def _analyzers(self, _request: web.Request) -> web.Response:
        return answer({"analyzers": self._verbs.analyzers()})

    async def _videos(self, request: web.Request) -> web.Response:
        limit = _whole(request, "limit", 50)
        if not 1 <= limit <= PAGE_MAX:
            raise BadRequest(f"limit: {limit} is not between 1 and {PAGE_MAX}; page on with `after`")
        query = request.query
        return answer(await self._verbs.page(state=query.get("state"), limit=limit, after=query.get("after")))

    async def _video(self, request: web.Request) -> web.Response:
        return answer(await self._verbs.video(request.match_info["id"]))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await stream(request, self._ring)

    async def _add(self, request: web.Request) -> web.Response:
        if request.content_type == "application/x-ndjson":
            body = ndjson(await _read(request), priority=_whole(request, "priority", PRIORITY_DEFAULT))
        else:
            body = await _parsed(request, Add)
        if body.paths:
            paths = [Path(path) for path in body.paths]
            return answer(await self._verbs.add_files(paths, priority=body.priority, analyzers=body.analyzers))
        return answer(await self._verbs.add(body.urls, priority=body.priority, analyzers=body.analyzers))

    async def _requeue(self, request: web.Request) -> web.Response:
        body = await _parsed(request, Requeue)
        return answer(await self._verbs.requeue(body.ids or None, failed=body.failed, analyzers=body.analyzers))

    async def _cancel(self, request: web.Request) -> web.Response:
        return answer(await self._verbs.cancel((await _parsed(request, Ids)).ids))

    async def _priority(self, request: web.Request) -> web.Response:
        body = await _parsed(request, SetPriority)
        return answer(await self._verbs.set_priority(body.ids, body.priority))

    async def _pause(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, paused=True)

    async def _resume(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: web.Request, *, paused: bool) -> web.Response:
        await self._verbs.set_paused((await _parsed(request, Lanes)).lanes, paused)
        return answer({"lanes": (await self._verbs.status()).lanes})

    async def _cleanup(self, request: web.Request) -> web.Response:
        body = await _parsed(request, Cleanup)
        return answer(await self._verbs.cleanup(body.days, dry_run=body.dry_run))

    async def _export_json(self, request: web.Request) -> web.StreamResponse:
        head = to_json(await self._verbs.export_head())
        start = head[:-1] + b', "videos": [\n'
        return await self._export(request, "application/json", start=start, between=b",\n", end=b"\n]}\n")

    async def _export_jsonl(self, request: web.Request) -> web.StreamResponse:
        return await self._export(request, "application/x-ndjson", start=b"", between=b"\n", end=b"\n")

    async def _export(
        self, request: web.Request, mime: str, *, start: bytes, between: bytes, end: bytes
    ) -> web.StreamResponse:
        """Stream the videos with memory for one page."""
        pages = self._verbs.export(state=request.query.get("state"), since=request.query.get("since"))
        # The first page before the head of the answer: a wrong state is still a clean error.
        page = await anext(pages, None)
        response = web.StreamResponse(headers={"Content-Type": mime})
        await response.prepare(request)
        before = start
        while page is not None:
            await response.write(before + between.join(page))
            before = between
            page = await anext(pages, None)
        # JSONL without a video has no lines, not even an empty one.
        await response.write((b"" if before is between else start) + (end if start or before is between else b""))
        return response


def answer(value: Any, status: int = 200) -> web.Response:
    """Return a value (dataclasses, models, plain data) as a JSON answer."""
    return web.Response(status=status, body=to_json(value, inf_nan_mode="null"), content_type="application/json")


async def _read(request: web.Request) -> bytes:
    try:
        return await asyncio.wait_for(request.read(), BODY_TIMEOUT_S)
    except TimeoutError as exc:
        raise BadRequest(f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from exc


async def _parsed(request: web.Request, kind: type[BodyT]) -> BodyT:
    return parse(kind, await _read(request))


def _whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadRequest(f"{name}: {shortened(text, 40)!r} is not a whole number")
    return int(text)
