"""Server-sent events: one ring of what happened, any number of readers at their own pace. Knows no verb but `events`.

A reader holds a position in the ring, not a queue of its own: a slow one costs nothing, and when the ring has
overtaken it, it is told so (`lag`) and asks for a fresh picture.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import asdict, replace

from aiohttp import web

from tiktokd.protocol import Event

RING_EVENTS = 10_000
"""A busy daemon makes some 10 events per video: a reader may be away for the last 1000 videos."""
HEARTBEAT_S = 15.0
"""A comment line that often keeps proxies and clients from giving up."""
MAX_READERS = 64
BATCH = 500


class Ring:
    """The latest events, numbered."""

    def __init__(self, incarnation: str, *, size: int = RING_EVENTS) -> None:
        self.incarnation = incarnation
        self._ring: deque[Event] = deque(maxlen=size)
        self._last = 0
        self._news = asyncio.Event()
        self._closed = False
        self.readers = 0

    async def run(self, source: AsyncIterator[Event]) -> None:
        """Take in events until the source ends."""
        async for event in source:
            self.publish(event)

    def publish(self, event: Event) -> None:
        """Append one event under the next number and wake the readers."""
        self._last += 1
        self._ring.append(replace(event, seq=self._last))
        self._wake()

    def close(self) -> None:
        """End all readers."""
        self._closed = True
        self._wake()

    def position(self, since: str | None) -> int | None:
        """Return the number after which `<incarnation>-<seq>` goes on; `None`: of another start, events are lost."""
        if since is None:
            return self._last
        incarnation, _, number = since.rpartition("-")
        # A number of thousands of digits would be refused by int().
        if incarnation != self.incarnation or not re.fullmatch("[0-9]{1,18}", number) or int(number) > self._last:
            return None
        return int(number)

    async def read(self, since: str | None, *, heartbeat_s: float = HEARTBEAT_S) -> AsyncIterator[Event | None]:
        """Yield events after `since`, and `None` whenever there was none for `heartbeat_s` seconds."""
        position = self.position(since)
        while not self._closed:
            oldest = self._ring[0].seq if self._ring else self._last + 1
            if position is None or position + 1 < oldest:
                yield Event(seq=self._last, at=self._ring[-1].at if self._ring else 0.0, kind="lag", detail="ask again")
                position = self._last
            for event in self._after(position):
                yield event
                position = event.seq
            # No await between this comparison and the wait inside: nothing can be published in between and be missed.
            if position == self._last and not self._closed and not await self._changes_within(heartbeat_s):
                yield None

    def _after(self, position: int) -> list[Event]:
        start = max(position + 1 - (self._ring[0].seq if self._ring else 0), 0)
        return [self._ring[index] for index in range(start, min(len(self._ring), start + BATCH))]

    async def _changes_within(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):  # `wait_for` of 3.11 can swallow a cancellation
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def stream(request: web.Request, ring: Ring) -> web.StreamResponse:
    """Send events to one reader until it leaves or the server closes."""
    if ring.readers >= MAX_READERS:
        raise web.HTTPServiceUnavailable(text=f"{MAX_READERS} readers are connected; try again later")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    ring.readers += 1
    try:
        await response.prepare(request)
        await response.write(b": hello\n\n")
        async for event in ring.read(request.query.get("since") or request.headers.get("Last-Event-ID")):
            await response.write(b": heartbeat\n\n" if event is None else _frame(event, ring.incarnation))
    finally:
        ring.readers -= 1
    return response


def _frame(event: Event, incarnation: str) -> bytes:
    return f"id: {incarnation}-{event.seq}\nevent: {event.kind}\ndata: {json.dumps(asdict(event))}\n\n".encode()
