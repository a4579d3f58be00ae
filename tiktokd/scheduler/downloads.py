"""Claims for the download lane: the gate, the spool and the queue must all say yes. Knows no worker.

The gate's state is stored in the transaction of each claim, so that a restart cannot burst.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from tiktokd.config import Config
from tiktokd.errors import Failure
from tiktokd.model import IN_FLIGHT, Claim, State
from tiktokd.protocol import GateSnapshot, SpoolSnapshot
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.lanes import Lanes
from tiktokd.scheduler.ratelimit import GateState, RateGate
from tiktokd.scheduler.spool import Fill, Spool, SpoolLimits, too_full, wants_room

GATE_SETTING = "download_gate"
FULL_RETRY_S = 5.0
"""The spool and the disk are looked at again after this long."""
EVICT_AT_ONCE = 16
"""Most finished videos whose media goes in one turn; the lane looks again soon."""
MIB, GIB = 2**20, 2**30


class Downloads:
    """Gate and spool of one daemon."""

    def __init__(
        self,
        config: Config,
        database: Database,
        spool: Spool,
        lanes: Lanes,
        *,
        files: Executor,
        clock: Callable[[], float],
        utc: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        table = config.download
        self._database, self._spool, self._lanes, self._files = database, spool, lanes, files
        self._clock, self._utc, self._random = clock, utc, random
        self._table = table
        self._limits = SpoolLimits(
            videos=table.spool_videos,
            size_bytes=int(table.spool_gib * GIB),
            reserve_bytes=int(table.max_filesize_mib * MIB),
        )
        self.gate = RateGate(
            per_minute=table.per_minute, min_gap_s=table.min_gap_s, breaker_failures=table.breaker_failures
        )
        self.fill: Fill | None = None
        """As of the latest look."""

    def restore(self, stored: Any) -> None:
        """Take over the gate of the daemon before."""
        state = GateState.from_json(stored)
        if state is not None:
            self.gate.restore(state, self._clock(), self._utc())

    async def claim(self, incarnation: str) -> tuple[Claim | None, float | None]:
        """Return a claim, or `None` and the monotonic time at which to ask again (`None`: when rows change)."""
        now = self._clock()
        opens_at = max(self.gate.opens_at(now), self._lanes.free_at("download", now))
        if opens_at > now:
            return None, opens_at
        due, due_at = await self._database.read(_due, now=self._utc())
        if not due:
            return None, None if due_at is None else self._clock() + max(due_at - self._utc(), 0.0)
        full = await self._make_room()
        if full is not None:
            self._lanes.hinder("download", full, self._clock() + FULL_RETRY_S)
            return None, self._clock() + FULL_RETRY_S
        now = self._clock()
        if not self.gate.take(now, self._random()):
            return None, self.gate.opens_at(now)
        utc = self._utc()
        gate = asdict(self.gate.state(now, utc))
        claim = await self._database.write(_claim, incarnation=incarnation, gate=gate, now=utc)
        # Without one, somebody took the last ready video away meanwhile: look again when the next is due.
        return claim, self._clock()

    async def succeeded(self, requests: int) -> None:
        """Note a download that worked."""
        now = self._clock()
        self.gate.also(now, requests - 1)
        self.gate.succeeded(now)
        await self._save()

    async def failed(self, claim: Claim, failure: Failure, requests: int) -> str | None:
        """Note one that did not; return why the gate has closed, where this closed it."""
        now = self._clock()
        self.gate.also(now, requests - 1)
        closed = self.gate.failed(now, claim.id, failure)
        await self._save()
        return closed

    async def reopen(self) -> None:
        """A person says that the trouble is over."""
        self.gate.reopen(self._clock())
        await self._save()

    async def _save(self) -> None:
        utc = self._utc()
        state = asdict(self.gate.state(self._clock(), utc))
        await self._database.write(store.set_setting, GATE_SETTING, state)

    async def _make_room(self) -> str | None:
        """Let media of finished videos go where a limit is reached; return why no download may start, or `None`."""
        fill = await self.look()
        limits = self._limits
        old_ones = await self._database.read(store.evictable_media, EVICT_AT_ONCE) if wants_room(fill, limits) else []
        for old in old_ones:
            if not wants_room(fill, limits):
                break
            paths = await self._database.write(store.forget_media, [old.id])
            await self._in_thread(self._spool.remove, [Path(path) for path in paths])
            fill = await self.look()
        return too_full(fill, limits)

    async def look(self) -> Fill:
        """Return how full the spool is now."""
        usage, unfinished = await self._database.read(_spool_facts)
        free, total = await self._in_thread(self._spool.disk)
        self.fill = Fill(
            videos=usage.videos,
            size_bytes=usage.size_bytes,
            free_bytes=free,
            disk_bytes=total,
            unfinished=unfinished,
        )
        return self.fill

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._files, function, *args)

    def gate_snapshot(self) -> GateSnapshot:
        """Return the gate for people; a lane that rests opens no earlier than the gate itself."""
        now = self._clock()
        opens_at = max(self.gate.opens_at(now), self._lanes.free_at("download", now))
        return GateSnapshot(
            per_minute=self._table.per_minute * self.gate.factor,
            configured_per_minute=self._table.per_minute,
            min_gap_s=self._table.min_gap_s,
            next_at=self._utc() + opens_at - now if opens_at > now else None,
            slowdown_ratio=self.gate.factor,
            breaker=self.gate.reason if self.gate.tripped else None,
        )

    def spool_snapshot(self) -> SpoolSnapshot | None:
        """Return the spool for people, as of the latest look."""
        if self.fill is None:
            return None
        return SpoolSnapshot(
            videos=self.fill.videos,
            bytes=self.fill.size_bytes,
            limit_videos=self._limits.videos,
            limit_bytes=self._limits.size_bytes,
            free_bytes=self.fill.free_bytes,
        )


def _due(conn: Connection, *, now: float) -> tuple[bool, float | None]:
    """Return whether a download may start now, and when the next delayed one may."""
    ready, _ = store.startable(conn)
    due_at, _ = store.next_ready_at(conn, now=now)
    return ready or due_at == now, due_at


def _claim(conn: Connection, *, incarnation: str, gate: dict[str, Any], now: float) -> Claim | None:
    store.set_setting(conn, GATE_SETTING, gate)
    return store.claim_download(conn, worker="download", incarnation=incarnation, now=now)


def _spool_facts(conn: Connection) -> tuple[store.SpoolUsage, int]:
    counts = store.counts(conn)
    return store.spool_usage(conn), counts[State.DOWNLOADED] + sum(counts[state] for state in IN_FLIGHT)
