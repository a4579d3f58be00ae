"""Writes that are not given up: what was downloaded or analyzed is not thrown away because a disk is full.

Decides nothing; the lane's reason says what is in the way meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from tiktokd.errors import LocalError
from tiktokd.protocol import Lane
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.lanes import Lanes

REFUSED_RETRY_S = 5.0
"""A write that the disk refused is tried again after this long."""
R = TypeVar("R")
_logger = logging.getLogger(__name__)


class PatientWriter:
    """Writes until it holds."""

    def __init__(self, database: Database, lanes: Lanes, *, clock: Callable[[], float]) -> None:
        """Args: clock: monotonic seconds."""
        self._database, self._lanes, self._clock = database, lanes, clock

    async def write(self, lane: Lane, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Run `fn(conn, …)` on the writer until the database takes it; the lane rests meanwhile."""
        while True:
            try:
                return await self._database.write(fn, *args, **kwargs)
            except LocalError as exc:
                self.hinder(lane, str(exc))
                await asyncio.sleep(REFUSED_RETRY_S)

    def hinder(self, lane: Lane, reason: str, *, rest_s: float = REFUSED_RETRY_S) -> None:
        """Let a lane rest and say why, once."""
        if self._lanes.hinder(lane, reason, self._clock() + rest_s):
            _logger.error("the lane %s rests: %s", lane, reason)
