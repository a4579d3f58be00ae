"""Requests of several workers, kept apart by one number in a file."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from tiktokd.download_pace import Pace


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace(folder: Path, clock: Clock, gap_s: float = 2.0) -> Pace:
    return Pace(folder / "pace", gap_s, clock=lambda: clock.now, sleep=clock.sleep)


def test_requests_of_two_workers_leave_a_gap_apart(tmp_path):
    clock = Clock()
    workers = [pace(tmp_path, clock), pace(tmp_path, clock)]
    left = []
    for turn in range(6):
        workers[turn % 2].wait()
        left.append(clock.now)
    assert left == [1000.0, 1002.0, 1004.0, 1006.0, 1008.0, 1010.0]


def test_who_comes_late_enough_does_not_wait(tmp_path):
    clock = Clock()
    worker = pace(tmp_path, clock)
    assert worker.wait() == 0.0
    clock.now += 1.5
    assert worker.wait() == 0.5
    clock.now += 7.0
    assert worker.wait() == 0.0


def test_workers_that_come_at_once_get_times_of_their_own(tmp_path):
    """Their clock stands still: the times that they are given are what keeps them apart."""

    def ask(_: int) -> float:
        waited: list[float] = []
        Pace(tmp_path / "pace", 2.0, clock=lambda: 1000.0, sleep=waited.append).wait()
        return sum(waited)

    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(ask, range(24)))
    assert waits == [2.0 * n for n in range(24)]
    assert all(later - earlier == 2.0 for earlier, later in pairwise(waits))


def test_a_gap_of_nothing_needs_no_file(tmp_path):
    assert pace(tmp_path, Clock(), gap_s=0.0).wait() == 0.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "nonsense", "999999.0", "nan"])
def test_a_file_from_before_the_machine_started_or_a_damaged_one_holds_nobody_up(tmp_path, content):
    (tmp_path / "pace").write_text(content)
    assert pace(tmp_path, Clock()).wait() == 0.0
