"""How fast work gets done, what holds it up, and why a lane rests."""

import pytest

from tiktokd.scheduler.lanes import SAID_S, Lanes
from tiktokd.scheduler.rates import Counter, Load, bottleneck


def test_a_rate_is_the_mean_over_its_window() -> None:
    counter = Counter(started_at=0.0)
    for second in range(0, 600, 2):
        counter.add(float(second))
    assert counter.per_second(600.0, 60.0) == pytest.approx(0.5, rel=0.1)
    assert counter.per_second(600.0, 3600.0) == pytest.approx(0.5, rel=0.1)
    assert counter.per_second(700.0, 60.0) == 0.0


def test_soon_after_the_start_the_rate_is_not_diluted_by_time_that_never_was() -> None:
    counter = Counter(started_at=1000.0)
    counter.add(1001.0, 10)
    assert counter.per_second(1020.0, 3600.0) == pytest.approx(0.5)


def test_a_counter_forgets_what_is_older_than_an_hour() -> None:
    counter = Counter(started_at=0.0)
    for bucket in range(2000):
        counter.add(bucket * 10.0)
    assert len(counter._buckets) <= 361


BUSY = Load(
    downloads_waiting=True,
    gate_closed=False,
    busy={"gpu": (1, 1), "cpu": (2, 2), "download": (2, 2)},
    slots_free=0,
    gpu_backlog=1,
    cpu_backlog=1,
)


def test_the_bottleneck_is_the_stage_furthest_to_the_right_that_is_full() -> None:
    changes = [
        ({}, "gpu"),
        ({"gpu_backlog": 0}, "cpu"),
        ({"gpu_backlog": 0, "busy": {"cpu": (1, 2), "download": (2, 2)}}, "download"),
        ({"gpu_backlog": 0, "busy": {"cpu": (1, 2), "download": (1, 2)}, "gate_closed": True}, "rate_gate"),
        ({"gpu_backlog": 0, "busy": {"cpu": (1, 2)}, "downloads_waiting": False}, None),
    ]
    fields = {name: getattr(BUSY, name) for name in BUSY.__dataclass_fields__}
    assert [bottleneck(Load(**{**fields, **change})) for change, _ in changes] == [name for _, name in changes]


def test_a_lane_rests_for_a_while_and_says_why_until_something_works() -> None:
    lanes = Lanes()
    assert lanes.hinder("download", "disk full", 10.0)
    assert not lanes.hinder("download", "disk full", 12.0), "no news, no second line in the log"
    assert lanes.free_at("download", 5.0) == 12.0
    assert lanes.free_at("download", 20.0) == 20.0
    assert [lane.reason for lane in lanes.snapshot(9.0)] == ["disk full", None]
    assert lanes.clear("download")
    assert [lane.reason for lane in lanes.snapshot(9.0)] == [None, None]


def test_a_trouble_of_long_ago_is_not_said_where_nothing_is_left_to_be_tried() -> None:
    lanes = Lanes()
    lanes.hinder("download", "disk full", 5.0)
    assert lanes.snapshot(5.0 + SAID_S - 1)[0].reason == "disk full"
    assert lanes.snapshot(5.0 + SAID_S)[0].reason is None


def test_rests_grow_with_each_local_failure_and_start_again_after_a_success() -> None:
    lanes = Lanes()
    assert [lanes.rest_s("download", 60.0) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    lanes.clear("download")
    assert lanes.rest_s("download", 60.0) == 5


@pytest.mark.parametrize(
    ("stored", "paused"),
    [(["processing"], {"processing"}), (None, set()), ("download", set()), (["everything"], set()), ({}, set())],
)
def test_a_stored_pause_is_taken_over_and_nonsense_is_not(stored: object, paused: set[str]) -> None:
    lanes = Lanes()
    lanes.restore(stored)
    assert lanes.paused == paused
    if paused:
        assert lanes.with_paused("processing", True) == stored
        assert lanes.with_paused("download", True) == ["download", "processing"]
        assert lanes.with_paused("processing", False) == []
        assert lanes.paused == paused, "nothing changes before it is stored"
        assert lanes.snapshot(0.0)[1].reason == "paused by a person"
