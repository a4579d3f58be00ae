"""The ring of events behind the server-sent events: resuming, overtaking, ending."""

import asyncio
from itertools import islice

from tiktokd.api_events import Ring
from tiktokd.protocol import Event


def event(number):
    return Event(seq=999, at=float(number), kind="video", id=str(number))


async def take(ring, since, count):
    """Return the first `count` things that a reader gets."""
    found = []
    async for each in ring.read(since, heartbeat_s=0.001):
        found.append(each)
        if len(found) == count:
            break
    return found


async def test_a_reader_gets_what_came_after_its_place_numbered_without_gaps():
    ring = Ring("run")
    for number in range(1, 6):
        ring.publish(event(number))
    assert [each.seq for each in await take(ring, "run-2", 3)] == [3, 4, 5]
    assert [each.id for each in await take(ring, "run-0", 5)] == ["1", "2", "3", "4", "5"]


async def test_a_new_reader_starts_now_and_hears_that_the_line_lives():
    ring = Ring("run")
    ring.publish(event(1))
    assert await take(ring, None, 2) == [None, None]


async def test_a_reader_that_the_ring_has_overtaken_is_told_and_goes_on_with_the_newest():
    ring = Ring("run", size=3)
    for number in range(1, 10):
        ring.publish(event(number))
    lag, idle = await take(ring, "run-2", 2)
    assert (lag.kind, lag.seq, idle) == ("lag", 9, None)
    assert [each.seq for each in await take(ring, "run-6", 3)] == [7, 8, 9]


async def test_places_of_another_start_or_from_the_future_are_told_too():
    ring = Ring("run")
    ring.publish(event(1))
    for since in ("other-1", "run-2", "run-x", "7", "", f"run-{'9' * 5000}"):
        assert (await take(ring, since, 1))[0].kind == "lag"


async def test_a_slow_reader_that_is_overtaken_while_it_reads_misses_nothing_silently():
    ring = Ring("run", size=4)
    for number in range(1, 5):
        ring.publish(event(number))
    seen = []
    async for each in ring.read("run-0", heartbeat_s=0.001):
        seen.append(each)
        if len(seen) == 1:
            for number in range(5, 12):
                ring.publish(event(number))
        if each is None:
            break
    kinds = [each.kind for each in seen[:-1]]
    assert kinds == ["video"] * 4 + ["lag"]
    assert seen[4].seq == 11


async def test_closing_ends_every_reader():
    ring = Ring("run")
    reader = asyncio.create_task(take(ring, None, 10**9))
    await asyncio.sleep(0)
    ring.close()
    await asyncio.wait_for(reader, 5)


async def test_events_of_the_source_are_published_until_it_ends():
    ring = Ring("run")

    async def source():
        for number in islice(range(100), 3):
            yield event(number)

    await ring.run(source())
    assert [each.id for each in await take(ring, "run-0", 3)] == ["0", "1", "2"]
