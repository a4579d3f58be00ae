"""The loop ends when it is told to, whatever happens at that moment."""

import asyncio
import time

from tiktokd.scheduler.events import WorkerUp
from tiktokd.scheduler.jobs import Limits, State
from tiktokd.scheduler.loop import Loop
from tiktokd.slots import SlotTable

WAIT_S = 5.0


async def test_a_loop_that_is_cancelled_while_an_event_comes_in_ends() -> None:
    state = State(limits=Limits(attempts_dir=""), slots=SlotTable(1), paused={"download", "processing"})
    loop = Loop(state, clock=time.monotonic)
    running = asyncio.create_task(loop.run())
    for _ in range(10):  # until its first event is behind it and it waits for the next
        await asyncio.sleep(0)
    loop.emit(WorkerUp(worker="cpu_worker_0", kind="cpu"))
    running.cancel()
    await asyncio.wait({running}, timeout=WAIT_S)
    ended = running.cancelled()
    running.cancel()
    assert ended, "or the daemon would never have ended"
