"""The supervisor over real child processes: one answer per request, whatever becomes of the child."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.live import alive, until
from tiktokd import wire
from tiktokd.config import Config
from tiktokd.messages import Download, Downloaded, Failed
from tiktokd.scheduler.child import WorkerSpec
from tiktokd.scheduler.events import Answered, Event, Lost, WorkerDown, WorkerUp
from tiktokd.scheduler.supervisor import Supervisor

NAME = "download_worker_0"
WAIT_S = 30.0
E = TypeVar("E")


class Stage:
    """A supervisor with one worker, its events and a ticking clock."""

    def __init__(
        self, tmp_path: Path, target: str = "start", clock: Callable[[], float] = time.monotonic, **daemon: Any
    ) -> None:
        config = Config.model_validate({"daemon": {"state_dir": str(tmp_path), **daemon}})
        self.log = tmp_path / "log" / f"{NAME}.log"
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        spec = WorkerSpec(kind="download", index=0, target=f"tests.rascals:{target}")
        self.supervisor = Supervisor([spec], config, emit=self.events.put_nowait, clock=clock)
        self._ticking = asyncio.get_running_loop().create_task(self._tick())
        self._tickets = 0

    async def _tick(self) -> None:
        while True:
            self.supervisor.tick()
            await asyncio.sleep(0.05)

    async def next(self, kind: type[E]) -> E:
        """Return the next event of this kind; others on the way are dropped."""
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self.events.get()
                if isinstance(event, kind):
                    return event

    def send(self, what: str, attempt_dir: str = "/nowhere") -> str:
        """Send a request; return its ticket."""
        self._tickets += 1
        ticket = f"t/{self._tickets}"
        self.supervisor.send(NAME, Download(ticket=ticket, id=what, url="u", attempt_dir=attempt_dir))
        return ticket

    async def ask(self, what: str) -> Answered:
        """Send a request and return its answer."""
        ticket = self.send(what)
        answered = await self.next(Answered)
        assert answered.answer.ticket == ticket
        return answered

    @property
    def worker(self) -> Any:
        return self.supervisor.workers[NAME]

    async def close(self) -> None:
        self._ticking.cancel()
        await self.supervisor.close()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    await made.next(WorkerUp)
    yield made
    await made.close()


async def test_answers_come_back_small_large_and_failed(stage: Stage) -> None:
    assert isinstance((await stage.ask("ok")).answer, Downloaded)
    large = (await stage.ask("big")).answer
    assert isinstance(large, Downloaded)
    assert len(large.metadata.title or "") == 2**21
    failed = await stage.ask("raise")
    assert isinstance(failed.answer, Failed)
    assert not failed.crashed
    assert stage.worker.jobs_done == 3
    assert stage.supervisor.versions == {"rascal": "1"}


async def test_a_child_leads_its_own_group_and_cannot_talk_to_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    stage = Stage(tmp_path)
    await stage.next(WorkerUp)
    answer = (await stage.ask("environment")).answer
    assert isinstance(answer, Downloaded)
    assert answer.metadata.title == "True None"
    await stage.close()


async def test_a_child_that_exits_is_answered_for_within_a_second_and_replaced(stage: Stage) -> None:
    answered = await stage.ask("exit 3")
    assert isinstance(answered.answer, Failed)
    assert answered.crashed
    assert "ended by itself with exit code 3" in answered.answer.failure.message
    assert "ready: tests.rascals:start" in answered.answer.failure.message, "with its last log lines"
    await stage.next(WorkerUp)
    assert isinstance((await stage.ask("ok")).answer, Downloaded)


async def test_a_killed_child_takes_what_it_started_with_it(stage: Stage, tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    stage.send("grandchild", str(pid_file))
    await asyncio.to_thread(until, lambda: pid_file.exists() and pid_file.read_text(), "a grandchild")
    os.kill(stage.worker.child.pid, signal.SIGKILL)
    answered = await stage.next(Answered)
    assert answered.crashed
    assert "killed by signal 9 (SIGKILL)" in answered.answer.failure.message  # type: ignore[union-attr]
    await asyncio.to_thread(until, lambda: not alive(int(pid_file.read_text())), "no grandchild")


async def test_killing_on_purpose_blames_nobody_and_restarts_at_once(stage: Stage) -> None:
    stage.send("hang")
    stage.supervisor.kill(NAME, "it was cancelled")
    answered = await stage.next(Answered)
    assert not answered.crashed
    assert stage.worker.restarts == 0
    await stage.next(WorkerUp)


async def test_a_request_to_a_worker_that_is_not_free_is_lost_and_not_forgotten(stage: Stage) -> None:
    stage.send("hang")
    ticket = stage.send("ok")
    assert await stage.next(Lost) == Lost(worker=NAME, ticket=ticket)


async def test_a_child_that_answers_what_it_was_not_asked_is_ended(stage: Stage) -> None:
    stage.send("forge")
    answered = await stage.next(Answered)
    assert answered.crashed
    assert "answered a request that it does not hold" in answered.answer.failure.message  # type: ignore[union-attr]


async def test_a_child_that_writes_nonsense_into_its_pipe_is_ended(stage: Stage) -> None:
    answered = await stage.ask("nonsense")
    assert answered.crashed
    await stage.next(WorkerUp)


async def test_progress_reaches_the_daemon_with_the_heartbeat(stage: Stage) -> None:
    stage.send("hang")

    def beaten() -> bool:
        beat = stage.worker.heartbeat
        return beat is not None and beat.detail == "hanging" and beat.progress_ratio == 0.5 and beat.rss_mib > 1

    await asyncio.to_thread(until, beaten, "a heartbeat with progress")


async def test_a_worker_is_replaced_after_so_many_requests(tmp_path: Path) -> None:
    stage = Stage(tmp_path, recycle_after_jobs=2)
    await stage.next(WorkerUp)
    first = stage.worker.child.pid
    await stage.ask("ok")
    stage.send("ok")
    assert (await stage.next(WorkerDown)).in_service
    assert isinstance((await stage.next(Answered)).answer, Downloaded)
    await stage.next(WorkerUp)
    assert stage.worker.child.pid != first
    assert stage.worker.restarts == 0
    assert stage.worker.jobs_done == 2
    await stage.close()


async def test_a_worker_that_is_never_ready_is_ended_and_at_last_out_of_service(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "not_ready", start_timeout_s=1, crash_loop_count=1)
    assert not (await stage.next(WorkerDown)).in_service
    assert stage.worker.state == "out_of_service"
    await stage.close()


async def test_a_worker_that_cannot_start_says_why_in_its_log(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "unstartable", crash_loop_count=1)
    assert not (await stage.next(WorkerDown)).in_service
    assert "RuntimeError: told not to start" in stage.log.read_text()
    await stage.close()


async def test_an_idle_worker_told_to_stop_goes_by_itself(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.next(WorkerUp)
    pid = stage.worker.child.pid
    stage._ticking.cancel()
    await stage.supervisor.close(grace_s=10)
    assert not alive(pid)
    assert (await stage.next(WorkerDown)).in_service
    assert stage.worker.restarts == 0


async def test_a_worker_that_is_being_ended_gets_no_request_that_would_be_charged_for_its_end(stage: Stage) -> None:
    stage.supervisor.kill(NAME, "told to")
    ticket = stage.send("ok")
    assert await stage.next(Lost) == Lost(worker=NAME, ticket=ticket)
    await stage.next(WorkerUp)


@pytest.mark.parametrize("first", ["cpu", "gpu"])
async def test_what_happens_on_the_gpu_counts_more_than_what_a_cpu_could_do(tmp_path: Path, first: str) -> None:
    config = Config.model_validate({"daemon": {"state_dir": str(tmp_path)}})
    events: asyncio.Queue[Event] = asyncio.Queue()
    second = {"cpu": "gpu", "gpu": "cpu"}[first]
    specs = [WorkerSpec(kind=kind, index=0, target="tests.rascals:judge") for kind in (first, second)]
    supervisor = Supervisor(specs, config, emit=events.put_nowait, clock=time.monotonic)
    held = supervisor.workers.pop(f"{second}_worker_0")
    async with asyncio.timeout(WAIT_S):
        for more in ({}, {held.spec.name: held}):
            supervisor.workers |= more
            supervisor.tick()
            assert isinstance(await events.get(), WorkerUp)
    assert supervisor.facts["a"].tier == "none"
    await supervisor.close()


async def test_a_request_that_is_too_large_for_the_pipe_is_answered_and_the_worker_goes_on(stage: Stage) -> None:
    ticket = stage.send("x" * wire.MAX_MESSAGE_BYTES)
    answered = await stage.next(Answered)
    assert isinstance(answered.answer, Failed)
    assert (answered.answer.ticket, answered.crashed) == (ticket, False)
    assert "larger than" in answered.answer.failure.message
    assert isinstance((await stage.ask("ok")).answer, Downloaded)


async def test_a_child_that_answers_with_what_the_request_cannot_give_is_ended(stage: Stage) -> None:
    answered = await stage.ask("other kind")
    assert answered.crashed
    assert isinstance(answered.answer, Failed)
    await stage.next(WorkerUp)


async def test_a_worker_that_cannot_be_forked_goes_out_of_service_and_says_so(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    stage = Stage(tmp_path, crash_loop_count=1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) - 1, hard))
    try:
        stage.supervisor.tick()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert await stage.next(WorkerDown) == WorkerDown(worker=NAME, kind="download", in_service=False)
    await stage.close()


async def test_workers_are_not_blamed_for_time_in_which_the_daemon_itself_stood_still(tmp_path: Path) -> None:
    asleep_s = 0.0
    stage = Stage(tmp_path, clock=lambda: time.monotonic() + asleep_s)
    await stage.next(WorkerUp)
    stage.send("hang")
    pid = stage.worker.child.pid
    asleep_s = 3600.0
    stage.supervisor.tick()
    assert stage.worker.ended is None
    assert alive(pid)
    await stage.close()


async def test_videos_that_end_workers_do_not_take_one_out_of_service_that_does_the_others(tmp_path: Path) -> None:
    stage = Stage(tmp_path, crash_loop_count=2)
    await stage.next(WorkerUp)
    await stage.ask("exit 3")
    await stage.next(WorkerUp)
    assert isinstance((await stage.ask("ok")).answer, Downloaded)
    stage.send("exit 3")
    assert (await stage.next(WorkerDown)).in_service
    await stage.close()
