"""How fast decoded clips move from one process to another: frame slots, plain memcpy, `multiprocessing.Queue`.

A child writes clips of 60 frames of 576x1024 (50.6 MiB) into slots and tells the parent over a pipe, as a decoder
does; the parent looks at each frame's first and last byte and gives the slot back. Beside it, in the same run and
the same child: the same copies with nobody told (memcpy), and the same arrays through `multiprocessing.Queue`, which
pickles them and pushes them through a pipe. Rounds alternate; ratios are of medians.

Bounds: slots move at least 0.8 of what memcpy moves, and at least 20 times what `multiprocessing.Queue` moves.
"""

import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Row, arguments, finish
from tiktokd.slots import Region, SlotWriter
from tiktokd.worker import SharedRegion

SHAPE = (60, 1536, 576)
SLOTS = 3
SLOT_BYTES = 64 << 20
LEAST_OF_MEMCPY, LEAST_OF_QUEUE = 0.8, 20.0
TIMEOUT_S = 120.0


def main() -> int:
    """Run, print, and return 1 where a bound is missed."""
    args = arguments(__doc__)
    rounds, clips = (5, 8) if args.quick else (15, 24)
    spawn = multiprocessing.get_context("spawn")
    region = Region.create(SLOTS, SLOT_BYTES)
    ours, theirs = spawn.Pipe()
    queue = spawn.Queue()
    child = spawn.Process(target=writer, args=(SharedRegion(region), theirs, queue), daemon=True)
    child.start()
    gib = clips * int(np.prod(SHAPE)) / 2**30
    speeds: dict[str, list[float]] = {"memcpy": [], "slots": [], "queue": []}
    for number in range(rounds + 1):
        for way, found in speeds.items():
            seconds = run(way, clips if way != "queue" else max(2, clips // 4), ours, region, queue)
            if number:  # the first round touches the pages for the first time
                found.append(gib / seconds if way != "queue" else gib / clips * max(2, clips // 4) / seconds)
    ours.send(("stop", 0))
    child.join(TIMEOUT_S)
    memcpy, slots, through_queue = (median(found) for found in speeds.values())
    of_memcpy, of_queue = slots / memcpy, slots / through_queue
    rows = [
        Row(what="memcpy in one process", value=memcpy, unit="GiB/s"),
        Row(
            what="frame slots, two processes",
            value=slots,
            unit="GiB/s",
            ratio=of_memcpy,
            bound=f"≥ {LEAST_OF_MEMCPY}",
            ok=of_memcpy >= LEAST_OF_MEMCPY,
            note="of memcpy",
        ),
        Row(
            what="multiprocessing.Queue",
            value=through_queue,
            unit="GiB/s",
            ratio=of_queue,
            bound=f"≥ {LEAST_OF_QUEUE:g}",
            ok=of_queue >= LEAST_OF_QUEUE,
            note="slots are this many times as fast",
        ),
    ]
    return finish("slots", rows, args)


def run(way: str, clips: int, pipe: Connection, region: Region, queue: Any) -> float:
    """Return the seconds from the request until the last clip is here."""
    started = time.perf_counter()
    pipe.send((way, clips))
    for _ in range(clips):
        if way == "slots":
            slot, blocks = receive(pipe)
            look(region.arrays(slot, blocks)["frames"])
            pipe.send(slot)
        elif way == "queue":
            look(queue.get(timeout=TIMEOUT_S))
    receive(pipe)
    return time.perf_counter() - started


def look(frames: NDArray[np.uint8]) -> None:
    """Check the first and the last byte of each frame."""
    if not (frames[:, 0, 0] == 7).all() or not (frames[:, -1, -1] == 7).all():
        raise SystemExit("a clip did not arrive as it was sent")


def receive(pipe: Connection) -> Any:
    """Return the next message, or end the run where the other side is gone."""
    if not pipe.poll(TIMEOUT_S):
        raise SystemExit(f"no message for {TIMEOUT_S:g} s")
    return pipe.recv()


def writer(region: Region, pipe: Connection, queue: Any) -> None:
    """The child: does what it is asked until it is told to stop."""
    frames = np.full(SHAPE, 7, np.uint8)
    while True:
        way, clips = receive(pipe)
        if way == "stop":
            return
        free = list(range(SLOTS))
        for number in range(clips):
            if way == "queue":
                queue.put(frames)
            elif way == "memcpy":
                SlotWriter(region.view(number % SLOTS)).write("frames", frames)
            else:
                while not free or pipe.poll():
                    free.append(receive(pipe))
                slot = free.pop(0)
                target = SlotWriter(region.view(slot))
                target.write("frames", frames)
                pipe.send((slot, target.blocks))
        for _ in range(SLOTS - len(free) if way == "slots" else 0):
            receive(pipe)
        pipe.send("done")


if __name__ == "__main__":
    sys.exit(main())
