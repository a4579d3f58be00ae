"""Videos in a row that end their workers: when the processing is paused for them, and what becomes of each."""

import pytest
from pydantic import ValidationError

from tests.unit.test_dispatch import Bench, only
from tiktokd.config import Config
from tiktokd.messages import Decode, Fuse
from tiktokd.scheduler.breaker import Breaker
from tiktokd.scheduler.commands import AskClaim, Complete, NoteCrash, OpenBreaker, Settle
from tiktokd.scheduler.events import Pause, Stored, WorkerUp

VIDEOS = 3


def bench() -> Bench:
    return Bench(gpus=0, cpus=1, downloaders=0, breaker_videos=VIDEOS)


def dies(bench: Bench, name: str) -> Settle:
    """Let a video end the worker that decodes it; return what becomes of it."""
    bench.claim(name)
    settle = only(bench.failed(bench.sent(Decode)[0], crashed=True), Settle)
    bench.opened = [command for command in bench.out if isinstance(command, OpenBreaker)]  # type: ignore[attr-defined]
    bench(WorkerUp(worker="cpu_worker_0", kind="cpu"))
    assert isinstance(settle, Settle)
    return settle


def completes(bench: Bench, name: str) -> None:
    bench.claim(name)
    for _ in range(2):
        bench.decoded(bench.sent(Decode)[0]) if bench.sent(Decode) else bench.analyzed(bench.out[0])  # type: ignore[arg-type]
    bench.analyzed(bench.sent(Fuse)[0])
    assert isinstance(only(bench.out, Complete), Complete)


def test_different_videos_in_a_row_pause_the_processing_and_the_last_is_not_charged() -> None:
    three = bench()
    assert not dies(three, "a").spared
    assert not dies(three, "b").spared
    assert dies(three, "c").spared
    assert [dict(each.deaths) for each in three.opened] == [{"a": 1, "b": 1, "c": 1}]  # type: ignore[attr-defined]
    assert three.state.paused == {"processing"}
    assert not [command for command in three.out if isinstance(command, AskClaim)]


def test_one_deadly_video_never_pauses_the_processing() -> None:
    one = bench()
    for _ in range(2 * VIDEOS):
        assert not dies(one, "a").spared
    assert not one.state.paused


def test_a_video_that_completes_says_that_it_was_the_others_own_fault() -> None:
    mixed = bench()
    for number in range(VIDEOS):
        dies(mixed, f"a{number}")
        dies(mixed, f"b{number}")
        completes(mixed, f"good{number}")
    assert not mixed.state.paused


def test_videos_in_hand_are_put_back_uncharged_as_soon_as_no_worker_is_at_them() -> None:
    two = Bench(gpus=1, cpus=2, downloaders=0, breaker_videos=1)
    gpu, cpu = two.up_to_groups("v")
    two(WorkerUp(worker="cpu_worker_2", kind="cpu"))
    two.claim("w")
    two.failed(two.sent(Decode)[0], crashed=True)
    assert [settle.claim.id for settle in two.out if isinstance(settle, Settle) and settle.spared] == ["w"]
    assert not [c for c in two.failed(cpu, crashed=True) if isinstance(c, NoteCrash | OpenBreaker)], (
        "it is open already"
    )
    settle = only(two.analyzed(gpu), Settle)
    assert isinstance(settle, Settle)
    assert (settle.claim.id, settle.spared) == ("v", True)
    assert two.state.slots.free_count() == 4


def test_a_person_who_resumes_closes_it_and_the_count_begins_anew() -> None:
    three = bench()
    for name in "abc":
        dies(three, name)
    three(Pause(lane="processing", paused=False))
    assert not three.state.paused
    assert not dies(three, "d").spared
    assert not dies(three, "e").spared
    assert dies(three, "f").spared


def least_videos() -> int:
    """Return the smallest `analysis.breaker_videos` that the settings take."""
    for videos in range(1, VIDEOS):
        try:
            return Config.model_validate({"analysis": {"breaker_videos": videos}}).analysis.breaker_videos
        except ValidationError:
            continue
    return VIDEOS


@pytest.mark.parametrize("videos", [least_videos(), VIDEOS])
@pytest.mark.parametrize("names", ["a", "ab", "abcd"])
def test_deadly_videos_end_as_poison_however_few_open_the_breaker_and_whoever_resumes(names: str, videos: int) -> None:
    few = Bench(gpus=0, cpus=1, downloaders=0, breaker_videos=videos)
    crashes = dict.fromkeys(names, 0)
    for _ in range(20):
        for name in [name for name, count in crashes.items() if count < few.state.limits.crashes]:
            settle = dies(few, name)
            crashes[name] += not settle.spared
            few(Stored(token=settle.claim.token))
            if few.state.paused:
                few(Pause(lane="processing", paused=False))
    assert set(crashes.values()) == {few.state.limits.crashes}


@pytest.mark.parametrize("deaths", [["a", "b"], ["a", "a", "a", "b"]])
def test_fewer_videos_leave_it_closed_however_many_workers_died(deaths: list[str]) -> None:
    breaker = Breaker()
    assert not any(breaker.died(id_, VIDEOS) for id_ in deaths)
