"""The dispatcher under arbitrary orders of answers, deaths, cancellations, pauses: nothing leaks, nothing is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_dispatch import DEATH, FACTS
from tiktokd.messages import Analyzed, Decode, Decoded, Download, Downloaded, Failed
from tiktokd.model import Claim, Clip, Metadata
from tiktokd.scheduler.commands import AskClaim, Complete, Dropped, Keep, Kill, NoteCrash, Send, Settle
from tiktokd.scheduler.dispatch import step
from tiktokd.scheduler.events import (
    Answered,
    Cancel,
    Claimed,
    Drain,
    Event,
    Lost,
    Pause,
    Stored,
    Wake,
    WorkerDown,
    WorkerUp,
)
from tiktokd.scheduler.jobs import Limits, State
from tiktokd.slots import SlotTable

WORKERS = {"download_worker_0": "download", "cpu_worker_0": "cpu", "cpu_worker_1": "cpu", "gpu_worker_0": "gpu"}
CHOICES = (
    "answer",
    "answer",
    "answer",
    "fail",
    "die",
    "lose",
    "claim",
    "claim",
    "store",
    "up",
    "cancel",
    "pause",
    "tick",
)


class World:
    """Everything around the dispatcher, played by a list of small numbers."""

    def __init__(self, slots: int) -> None:
        self.state = State(limits=Limits(attempts_dir="/t", gpu_workers=1), slots=SlotTable(slots))
        self.now = 0.0
        self.up: set[str] = set()
        self.held: dict[str, Send] = {}
        """Worker → what it was sent."""
        self.asked: list[str] = []
        self.unstored: list[str] = []
        self.ended: dict[str, int] = {}
        """Token → last writes ordered."""
        self.tickets: set[str] = set()
        self.claims = 0
        self.claimed: set[str] = set()

    def event(self, event: Event) -> None:
        """Feed one event and check every command."""
        for command in step(self.state, event, self.now):
            match command:
                case Send():
                    assert command.worker in self.up, "sent to a worker that is not there"
                    assert command.worker not in self.held, "two requests in one worker"
                    assert command.request.ticket not in self.tickets, "one ticket twice"
                    self.tickets.add(command.request.ticket)
                    self.held[command.worker] = command
                case AskClaim():
                    assert command.lane not in self.asked, "two claims at once in one lane"
                    assert not self.state.draining
                    self.asked.append(command.lane)
                case Keep() | Complete() | Settle():
                    token = command.claim.token
                    self.ended[token] = self.ended.get(token, 0) + 1
                    self.unstored.append(token)
                case Dropped():
                    token = command.claim.token
                    self.ended[token] = self.ended.get(token, 0) + 1
                case Kill():
                    if command.worker in self.held:
                        self.die(command.worker, crashed=False)
                case NoteCrash():
                    pass
        self.check()

    def check(self) -> None:
        """Hold what must hold after every step."""
        in_use = self.state.slots.in_use()
        holders = [job.slot[0] for job in self.state.jobs.values() if job.slot is not None]
        assert sorted(in_use) == sorted(holders), "a slot that nobody holds, or one with two holders"
        working = [s.worker for job in self.state.jobs.values() for s in job.under_way()]
        assert len(working) == len(set(working)), "two steps in one worker"
        assert all(count == 1 for count in self.ended.values()), "a claim ended twice"

    def die(self, worker: str, *, crashed: bool = True, in_service: bool = True) -> None:
        """Lose a worker; what it held is answered for it."""
        self.up.discard(worker)
        sent = self.held.pop(worker, None)
        self.event(WorkerDown(worker=worker, kind=WORKERS[worker], in_service=in_service))  # type: ignore[arg-type]
        if sent is not None:
            answer = Failed(ticket=sent.request.ticket, failure=DEATH)
            self.event(Answered(worker=worker, answer=answer, crashed=crashed))

    def play(self, choice: str, which: int) -> None:
        """Let something happen, if it can."""
        self.now += which * 0.7
        busy = sorted(self.held)
        match choice:
            case "answer" | "fail" if busy:
                self.answer(self.held.pop(busy[which % len(busy)]), well=choice == "answer")
            case "die" if self.up:
                self.die(sorted(self.up)[which % len(self.up)], in_service=which % 5 != 0)
            case "lose" if busy:
                worker = busy[which % len(busy)]
                sent = self.held.pop(worker)
                self.up.discard(worker)
                self.event(Lost(worker=worker, ticket=sent.request.ticket))
            case "claim" if self.asked:
                self.claim(self.asked.pop(which % len(self.asked)), which)
            case "store" if self.unstored:
                self.event(Stored(token=self.unstored.pop(which % len(self.unstored))))
            case "up":
                worker = sorted(WORKERS)[which % len(WORKERS)]
                if worker not in self.up:
                    self.up.add(worker)
                    self.event(WorkerUp(worker=worker, kind=WORKERS[worker], analyzers=("a",)))  # type: ignore[arg-type]
            case "cancel" if self.state.jobs:
                jobs = list(self.state.jobs.values())
                ids = {jobs[which % len(jobs)].claim.id, f"v{self.claims + 1 + which % 3}"}  # some are still asked for
                self.event(Cancel(ids=frozenset(ids)))
            case "pause":
                lane = ("download", "processing")[which % 2]
                self.event(Pause(lane=lane, paused=which % 3 == 0))  # type: ignore[arg-type]
            case _:
                self.event(Wake(rows_changed=which % 2 == 0))

    def claim(self, lane: str, which: int) -> None:
        """Answer a claim command."""
        self.claims += 1
        claim = Claim(
            id=f"v{self.claims}", url="u", token=f"{lane}.{self.claims}.1", attempts=which % 4, crashes=which % 2,
            priority=which % 10 + 1, media_path="/m",
        )  # fmt: skip
        nothing = which % 6 == 0
        self.claimed |= set() if nothing else {claim.token}
        self.event(Claimed(lane=lane, claim=None if nothing else claim, again_at=self.now + 1 if nothing else None))  # type: ignore[arg-type]

    def answer(self, sent: Send, *, well: bool) -> None:
        """Answer a request."""
        ticket = sent.request.ticket
        answer: Failed | Downloaded | Decoded | Analyzed
        match sent.request:
            case _ if not well:
                answer = Failed(ticket=ticket, failure=DEATH)
            case Download():
                answer = Downloaded(ticket=ticket, path="p", sha256="", size_bytes=1, metadata=Metadata())
            case Decode():
                clip = Clip(
                    slot=sent.request.slot, generation=sent.request.generation, blocks={}, facts=FACTS,
                    audio16_covers_s=0, audio48_covers_s=0,
                )  # fmt: skip
                answer = Decoded(ticket=ticket, clip=clip, wall_ms=1, cpu_ms=1)
            case _:
                answer = Analyzed(ticket=ticket, outputs={}, signals={}, wall_ms=1, cpu_ms=1)
        self.event(Answered(worker=sent.worker, answer=answer))

    def wind_down(self) -> None:
        """Bring everybody back, claim nothing more, and answer until nothing happens."""
        self.event(Drain())
        for _ in range(500):
            for worker, kind in WORKERS.items():
                if worker not in self.up:
                    self.up.add(worker)
                    self.event(WorkerUp(worker=worker, kind=kind, analyzers=("a",)))  # type: ignore[arg-type]
            while self.asked:
                self.event(Claimed(lane=self.asked.pop(), claim=None))  # type: ignore[arg-type]
            while self.held:
                self.answer(self.held.pop(sorted(self.held)[0]), well=True)
            while self.unstored:
                self.event(Stored(token=self.unstored.pop()))
            self.now += 60
            self.event(Wake(rows_changed=False))
            if not self.state.jobs and not self.held:
                return
        raise AssertionError(f"never quiet: {self.state.jobs}")


@settings(max_examples=150)
@given(
    slots=st.integers(1, 4),
    moves=st.lists(st.tuples(st.sampled_from(CHOICES), st.integers(0, 11)), max_size=120),
)
def test_whatever_happens_each_claim_ends_once_and_every_slot_comes_back(
    slots: int, moves: list[tuple[str, int]]
) -> None:
    world = World(slots)
    for worker in WORKERS:
        world.play("up", sorted(WORKERS).index(worker))
    for choice, which in moves:
        world.play(choice, which)
    world.wind_down()
    assert world.state.slots.free_count() == slots
    assert world.ended == dict.fromkeys(world.claimed, 1)


@settings(max_examples=30)
@given(moves=st.lists(st.tuples(st.sampled_from(CHOICES), st.integers(0, 11)), max_size=60))
def test_the_same_events_give_the_same_commands(moves: list[tuple[str, int]]) -> None:
    first, second = World(2), World(2)
    for world in (first, second):
        for choice, which in moves:
            world.play(choice, which)
    assert first.tickets == second.tickets
    assert first.ended == second.ended
