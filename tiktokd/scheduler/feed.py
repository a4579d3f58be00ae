"""What happens, for those who listen: transitions from the database's history, workers, lanes. Decides nothing.

The history is the source, so that a listener sees exactly what was committed, whoever did it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from tiktokd.errors import LocalError
from tiktokd.protocol import Event
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database

POLL_S = 0.25
"""The history is read at most this often, and only after a commit."""
PAGE = 1000
QUEUED = 2000
"""Events kept for a listener that is slow; beyond that it gets one of kind `lag`."""


class Feed:
    """Distributes events."""

    def __init__(self, database: Database, *, utc: Callable[[], float]) -> None:
        self._database, self._utc = database, utc
        self.listeners: set[asyncio.Queue[Event]] = set()
        self.following = False
        """True once the place in the history is known from which `follow` goes on."""
        self._seq = 0
        self._seen = 0
        self._read_at = 0.0

    def publish(
        self,
        kind: str,
        *,
        id: str | None = None,
        from_state: str | None = None,
        to_state: str | None = None,
        detail: str | None = None,
        at: float | None = None,
    ) -> None:
        """Tell every listener; `at` is UTC seconds, now by default."""
        self._seq += 1
        moment = self._utc() if at is None else at
        event = Event(
            seq=self._seq, at=moment, kind=kind, id=id, from_state=from_state, to_state=to_state, detail=detail
        )
        for queue in self.listeners:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(Event(seq=self._seq, at=moment, kind="lag"))
            else:
                queue.put_nowait(event)

    async def subscribe(self) -> AsyncIterator[Event]:
        """Yield the events from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUED)
        self.listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.listeners.discard(queue)

    async def follow(self) -> None:
        """Read the history after each commit, until cancelled."""
        self._seen = await self._database.read(store.last_event_id)
        self.following = True
        while True:
            await asyncio.sleep(POLL_S)
            committed_at = self._database.last_commit_monotonic_s
            if committed_at == self._read_at:
                continue
            with suppress(LocalError):
                if await self._read_page() < PAGE:
                    self._read_at = committed_at

    async def _read_page(self) -> int:
        """Publish what is new; return how many lines that were."""
        lines = await self._database.read(store.events, since_id=self._seen, limit=PAGE)
        for line in lines:
            self.publish(
                "video", id=line.id, from_state=line.from_state, to_state=line.to_state, detail=line.reason, at=line.at
            )
            self._seen = line.event_id
        return len(lines)
