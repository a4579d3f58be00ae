"""Requests of several workers, kept apart by one file."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.download_pace import UNANSWERED_S, Pace


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace(folder: Path, clock: Clock, gap_s: float = 2.0) -> Pace:
    return Pace(folder / "pace", gap_s, clock=lambda: clock.now, sleep=clock.sleep)


def request(worker: Pace, clock: Clock, *, takes_s: float = 0.0) -> float:
    """Send one request; return when it left."""
    with worker.turn():
        left = clock.now
        clock.sleep(takes_s)
    return left


def test_requests_of_two_workers_leave_a_gap_apart(tmp_path):
    clock = Clock()
    workers = [pace(tmp_path, clock), pace(tmp_path, clock)]
    assert [request(workers[n % 2], clock) for n in range(6)] == [1000.0, 1002.0, 1004.0, 1006.0, 1008.0, 1010.0]


def test_the_gap_counts_from_the_answer_because_nobody_knows_when_a_request_arrived(tmp_path):
    clock = Clock()
    worker = pace(tmp_path, clock)
    assert [request(worker, clock, takes_s=0.75) for _ in range(3)] == [1000.0, 1002.75, 1005.5]


@given(
    delays=st.lists(
        st.tuples(*[st.floats(0.0, UNANSWERED_S / 2)] * 3), min_size=2, max_size=8
    )  # before a request, on its way there, and back
)
def test_no_two_requests_arrive_closer_than_the_gap_however_late_they_are(tmp_path_factory, delays):
    folder = tmp_path_factory.mktemp("pace")
    clock, arrived = Clock(), []
    workers = [pace(folder, clock), pace(folder, clock)]
    for turn, (before, there, back) in enumerate(delays):
        clock.sleep(before)
        with workers[turn % 2].turn():
            clock.sleep(there)
            arrived.append(clock.now)
            clock.sleep(back)
    assert min(later - earlier for earlier, later in pairwise(arrived)) >= 2.0 - 1e-9  # sums of floats


def test_who_comes_late_enough_does_not_wait(tmp_path):
    clock = Clock()
    worker = pace(tmp_path, clock)
    for pause, left in ((0.0, 1000.0), (1.5, 1002.0), (7.0, 1009.0)):
        clock.now += pause
        assert request(worker, clock) == left


def test_of_workers_that_come_at_once_one_leaves_and_the_others_wait(tmp_path):
    """Their clock stands still, and who has to wait gives up."""

    class Waits(Exception):
        pass

    def give_up(seconds: float) -> None:
        raise Waits

    def ask(_: int) -> bool:
        try:
            with Pace(tmp_path / "pace", 2.0, clock=lambda: 1000.0, sleep=give_up).turn():
                return True
        except Waits:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(24))) == 1


def test_a_worker_that_dies_before_its_answer_holds_the_others_up_for_seconds_only(tmp_path):
    clock = Clock()
    dead = pace(tmp_path, clock).turn()
    dead.__enter__()
    assert request(pace(tmp_path, clock), clock) == pytest.approx(1000.0 + UNANSWERED_S + 2.0)


def test_an_answer_that_comes_after_another_has_left_changes_nothing(tmp_path):
    clock = Clock()
    slow = pace(tmp_path, clock).turn()
    slow.__enter__()
    left = request(pace(tmp_path, clock), clock)
    clock.sleep(1.0)
    slow.__exit__(None, None, None)
    assert request(pace(tmp_path, clock), clock) == pytest.approx(left + 2.0)


def test_a_request_that_fails_has_been_made(tmp_path):
    clock = Clock()
    worker = pace(tmp_path, clock)
    with pytest.raises(OSError, match="reset"), worker.turn():
        raise OSError("reset")
    assert request(worker, clock) == 1002.0


def test_a_gap_of_nothing_needs_no_file(tmp_path):
    clock = Clock()
    assert request(pace(tmp_path, clock, gap_s=0.0), clock) == 1000.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "nonsense", "999999.0 -", "999999.0 999999.0", "nan -", "1000.0 nan", "1 2 3"])
def test_a_file_from_before_the_machine_started_or_a_damaged_one_holds_nobody_up(tmp_path, content):
    (tmp_path / "pace").write_text(content)
    clock = Clock()
    assert request(pace(tmp_path, clock), clock) == 1000.0
