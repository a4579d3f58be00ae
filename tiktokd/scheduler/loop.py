"""The daemon's one queue of events and its one consumer: asks the dispatcher, has its commands done.

Decides nothing and knows neither SQL nor HTTP. Everything that happens arrives here in one order, so that two things
can never be decided over at once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tiktokd.errors import LocalError
from tiktokd.scheduler.commands import Command, Kill, Send
from tiktokd.scheduler.dispatch import step
from tiktokd.scheduler.events import Cancel, Drain, Event, Wake
from tiktokd.scheduler.jobs import State
from tiktokd.scheduler.supervisor import Supervisor

if TYPE_CHECKING:
    # It brings the database along, which the daemon imports only once its workers are on their way.
    from tiktokd.scheduler.effects import Effects

TICK_S = 0.5
"""How often the supervisor looks for late and due workers."""
IDLE_S = 60.0
"""The queue is asked again after this long even if nobody said anything."""
CANCEL_S = 30.0
"""An order to cancel is answered after this long even if a GPU is still at its last turn; its result is dropped."""
EXIT_S = 3.0
"""Idle workers and open writes get this long at the end of a drain."""

_logger = logging.getLogger(__name__)


class Loop:
    """Events in, commands out."""

    def __init__(self, state: State, *, clock: Callable[[], float]) -> None:
        self.state = state
        self._clock = clock
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        """Bounded by what is in flight: each worker, claim and write has one event under way; wakes are merged."""
        self._waking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        """Set while nothing is in flight."""
        self._watched: dict[frozenset[str], asyncio.Event] = {}
        self._hurry = asyncio.Event()
        self._supervisor: Supervisor | None = None
        self._effects: Effects | None = None

    def attach(self, supervisor: Supervisor, effects: "Effects") -> None:
        """Connect those who emit events to us and therefore could not be made before us."""
        self._supervisor, self._effects = supervisor, effects

    def emit(self, event: Event) -> None:
        """Queue one event."""
        if isinstance(event, Wake):
            if self._waking:
                return
            self._waking = True
        self._events.put_nowait(event)

    async def run(self) -> None:
        """Consume events until cancelled."""
        self.emit(Wake())
        while True:
            patience_s = self._patience_s()
            try:
                # Not `wait_for`, which in Python 3.11 forgets to be cancelled where an event comes at that moment.
                async with asyncio.timeout(patience_s):
                    event = await self._events.get()
            except TimeoutError:
                # After a full minute everything is asked, whatever it waits for: the wall clock may have been set.
                event = Wake(rows_changed=patience_s == IDLE_S)
            self._turn(event)

    async def tick(self) -> None:
        """Let the supervisor look around, until cancelled."""
        while True:
            if self._supervisor is not None:
                self._supervisor.tick()
            await asyncio.sleep(TICK_S)

    async def cancel(self, ids: frozenset[str]) -> None:
        """Stop work on these videos; returns once none is under way, or after `CANCEL_S`."""
        over = self._watched.setdefault(ids, asyncio.Event())
        self.emit(Cancel(ids=ids))
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), CANCEL_S)

    async def drain(self, timeout_s: float) -> None:
        """Take up nothing new and let what is in flight finish, for `timeout_s` seconds or until `hurry`."""
        self.emit(Drain())
        hurry = asyncio.ensure_future(self._hurry.wait())
        quiet = asyncio.ensure_future(self._quiet_after_drain())
        await asyncio.wait({hurry, quiet}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        quiet.cancel()

    def hurry(self) -> None:
        """End a drain at once."""
        self._hurry.set()

    async def finish(self) -> None:
        """After `run` was cancelled: end the workers, let writes end, put back what is left, uncharged."""
        if self._supervisor is None or self._effects is None:
            return
        await self._supervisor.close(grace_s=0.0 if self._hurry.is_set() else EXIT_S)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=EXIT_S)
        for task in self._tasks:
            task.cancel()
        try:
            for job in self.state.jobs.values():
                await self._effects.rescue(job.claim, "the daemon was stopped")
        except LocalError as exc:
            _logger.warning("left to the next start to put back: %s", exc)

    async def _quiet_after_drain(self) -> None:
        while not self.state.draining or self.state.jobs or self.state.asking:
            self._quiet.clear()
            await self._quiet.wait()

    def _patience_s(self) -> float:
        return min(max(self.state.wake_at - self._clock(), 0.0), IDLE_S)

    def _turn(self, event: Event) -> None:
        if isinstance(event, Wake):
            self._waking = False
        try:
            for command in step(self.state, event, self._clock()):
                self._start(command)
        except Exception:
            # The loop's turn: one event that we did not foresee must not stop all the others.
            _logger.exception("bug while handling %s", type(event).__name__)
        if not self.state.jobs and not self.state.asking:
            self._quiet.set()
        self._tell_cancelled()

    def _start(self, command: Command) -> None:
        if self._supervisor is None or self._effects is None:
            raise RuntimeError("`attach` comes before events")
        match command:
            case Send():
                self._supervisor.send(command.worker, command.request)
            case Kill():
                self._supervisor.kill(command.worker, command.reason)
            case _:
                self._spawn(self._perform(self._effects, command))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, effects: "Effects", command: Any) -> None:
        try:
            await effects.perform(command)
        except Exception as exc:
            # The loop's turn as well: the dispatcher waits for this command's event.
            _logger.exception("bug while doing %s", type(command).__name__)
            await effects.recover(command, exc)

    def _tell_cancelled(self) -> None:
        if not self._watched:
            return
        busy = {job.claim.id for job in self.state.jobs.values()}
        for ids in [ids for ids in self._watched if not ids & busy]:
            self._watched.pop(ids).set()
