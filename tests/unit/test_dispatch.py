"""The dispatcher: lists of events in, commands out."""

from typing import Literal

from tiktokd.errors import Failure
from tiktokd.messages import Analyze, Analyzed, Decode, Decoded, Download, Downloaded, Failed, Fuse
from tiktokd.model import Claim, Clip, Envelope, MediaFacts, Metadata, Reason, VideoRef
from tiktokd.scheduler.commands import AskClaim, Command, Complete, Dropped, Keep, Kill, NoteCrash, Send, Settle
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

FACTS = MediaFacts(
    duration_s=1.0, size_bytes=1, container="mp4", bitrate_kbps=None, width_px=2, height_px=2, fps=1.0, frame_count=1,
    rotation_deg=0, video_codec="h264", audio_codec=None, audio_rate_hz=None, audio_channels=None,
)  # fmt: skip
DEATH = Failure(failure_class="transient", stage="analyze", message="killed by signal 9")


def envelope(
    name: str, *, version: str = "1", status: Literal["ok", "error", "skipped"] = "ok", reason: Reason | None = None
) -> Envelope:
    """Return a result without content."""
    return Envelope(analyzer=name, version=version, status=status, tier="lite", reason=reason)


class Bench:
    """A state and its latest commands."""

    def __init__(self, *, slots: int = 4, cpus: int = 2, gpus: int = 1, downloaders: int = 1, **limits: float) -> None:
        given = {"attempts_dir": "/tmp/x", "gpu_workers": gpus, **limits}
        self.state = State(limits=Limits(**given), slots=SlotTable(slots))  # type: ignore[arg-type]
        self.now = 0.0
        self.out: list[Command] = []
        for kind, count in (("download", downloaders), ("cpu", cpus), ("gpu", gpus)):
            for index in range(count):
                self(WorkerUp(worker=f"{kind}_worker_{index}", kind=kind, analyzers=("a", "b")))  # type: ignore[arg-type]

    def __call__(self, event: Event) -> list[Command]:
        self.out = step(self.state, event, self.now)
        return self.out

    def claim(self, name: str, lane: str = "processing", **fields: object) -> list[Command]:
        claim = Claim(id=name, url="u", token=f"processing.{name}.1", attempts=0, priority=5, media_path="/m", **fields)  # type: ignore[arg-type]
        return self(Claimed(lane=lane, claim=claim))  # type: ignore[arg-type]

    def sent(self, kind: type) -> list[Send]:
        return [c for c in self.out if isinstance(c, Send) and isinstance(c.request, kind)]

    def decoded(self, send: Send) -> list[Command]:
        assert isinstance(send.request, Decode)
        clip = Clip(
            slot=send.request.slot, generation=send.request.generation, blocks={}, facts=FACTS, audio16_covers_s=0.0,
            audio48_covers_s=0.0,
        )  # fmt: skip
        return self.answer(send, Decoded(ticket=send.request.ticket, clip=clip, wall_ms=1, cpu_ms=1))

    def analyzed(self, send: Send, name: str = "a") -> list[Command]:
        outputs = {name: envelope(name)}
        ticket = send.request.ticket
        return self.answer(send, Analyzed(ticket=ticket, outputs=outputs, signals={}, wall_ms=1, cpu_ms=1))

    def answer(self, send: Send, answer: object, *, crashed: bool = False) -> list[Command]:
        return self(Answered(worker=send.worker, answer=answer, crashed=crashed))  # type: ignore[arg-type]

    def failed(self, send: Send, *, crashed: bool = False) -> list[Command]:
        if crashed:
            kind = "gpu" if send.worker.startswith("gpu") else "cpu"
            self(WorkerDown(worker=send.worker, kind=kind, in_service=True))
            return self.answer(send, Failed(ticket=send.request.ticket, failure=DEATH), crashed=True)
        return self.answer(send, Failed(ticket=send.request.ticket, failure=DEATH))

    def up_to_groups(self, name: str = "v", **fields: object) -> tuple[Send, Send]:
        """Claim and decode; return what was sent to the GPU and to the CPU."""
        self.claim(name, **fields)
        self.decoded(self.sent(Decode)[0])
        return next(s for s in self.sent(Analyze) if s.worker[0] == "g"), next(
            s for s in self.sent(Analyze) if s.worker[0] == "c"
        )


def only(commands: list[Command], kind: type) -> Command:
    found = [c for c in commands if isinstance(c, kind)]
    assert len(found) == 1, commands
    return found[0]


def test_a_video_goes_from_decode_over_both_groups_and_fusion_to_its_last_write() -> None:
    bench = Bench()
    gpu, cpu = bench.up_to_groups()
    assert {gpu.request.group, cpu.request.group} == {"gpu", "cpu"}  # type: ignore[union-attr]
    assert gpu.request.clip == cpu.request.clip  # type: ignore[union-attr]
    bench.analyzed(gpu, "a")
    assert not bench.sent(Fuse)
    bench.analyzed(cpu, "b")
    assert bench.state.slots.free_count() == 4, "the slot is free before fusion"
    bench.analyzed(bench.sent(Fuse)[0], "c")
    done = only(bench.out, Complete)
    assert isinstance(done, Complete)
    assert sorted(done.outputs) == ["a", "b", "c"]
    assert done.facts == FACTS
    bench(Stored(token=done.claim.token))
    assert not bench.state.jobs


def test_what_both_halves_read_is_computed_after_decoding_and_goes_to_both() -> None:
    bench = Bench()
    bench.claim("1", analyzers=("a",))
    asked = bench.sent(Decode)[0].request
    assert isinstance(asked, Decode)
    assert (asked.analyzers, asked.halves) == (("a",), True)
    clip = Clip(slot=0, generation=1, blocks={}, facts=FACTS, audio16_covers_s=0.0, audio48_covers_s=0.0)
    answer = Decoded(
        ticket=asked.ticket, clip=clip, wall_ms=1, cpu_ms=1, features={"shots": {"n": 1}}, encoder_ms={"shots": 250.0}
    )
    bench.answer(bench.sent(Decode)[0], answer)
    requests = [sent.request for sent in bench.sent(Analyze)]
    assert len(requests) == 2
    assert all(isinstance(each, Analyze) and each.features == {"shots": {"n": 1}} for each in requests)
    assert bench.state.costs.encoders["shots"].ms == 250.0
    assert bench.state.jobs["processing.1.1"].timings["shared_s"] == 0.25
    alone = Bench(gpus=0)
    alone.claim("1")
    request = alone.sent(Decode)[0].request
    assert isinstance(request, Decode)
    assert not request.halves


def test_a_model_that_would_not_load_is_remembered_until_a_worker_starts() -> None:
    bench = Bench(gpus=0)
    bench.claim("1")
    bench.decoded(bench.sent(Decode)[0])
    sent = bench.sent(Analyze)[0]
    outputs = {"a": envelope("a", status="skipped", reason="model_missing")}
    ticket = sent.request.ticket
    bench.answer(sent, Analyzed(ticket=ticket, outputs=outputs, signals={}, wall_ms=1, cpu_ms=1))
    assert bench.state.refusals.said.keys() == {"a"}
    bench(WorkerUp(worker="cpu_worker_1", kind="cpu", analyzers=("a", "b")))
    assert not bench.state.refusals.said


def test_where_single_analyzers_are_asked_for_the_kept_results_are_read_and_not_written_again() -> None:
    kept = {
        "a": envelope("a", version="3"),
        "b": envelope("b", status="error"),
        "d": envelope("d", status="skipped", reason="model_missing"),
        "e": envelope("e", status="skipped", reason="no_audio"),
    }
    bench = Bench(gpus=0)
    bench.claim("1", analyzers=("c",), kept=kept)
    bench.decoded(bench.sent(Decode)[0])
    sent = bench.sent(Analyze)[0]
    assert isinstance(sent.request, Analyze)
    assert sent.request.analyzers == ("c",)
    assert sent.request.kept == {"a": "3", "e": "1"}, "an error is no result, and a model may have come"
    bench.analyzed(sent, "b")
    fuse = bench.sent(Fuse)[0]
    assert isinstance(fuse.request, Fuse)
    assert {name: fuse.request.outputs[name].status for name in "abe"} == {"a": "ok", "b": "ok", "e": "skipped"}
    assert fuse.request.kept == {"a": "3", "e": "1"}
    bench.analyzed(fuse, "c")
    done = only(bench.out, Complete)
    assert isinstance(done, Complete)
    assert sorted(done.outputs) == ["b", "c"]


def test_a_download_ends_with_its_file_in_the_spool() -> None:
    bench = Bench()
    bench.claim("v", "download")
    send = bench.sent(Download)[0]
    assert send.request.attempt_dir == "/tmp/x/processing.v.1"  # type: ignore[union-attr]
    done = Downloaded(ticket=send.request.ticket, path="p", sha256="", size_bytes=1, metadata=Metadata())
    assert isinstance(only(bench.answer(send, done), Keep), Keep)


def test_nothing_is_claimed_without_a_free_slot_or_a_free_worker() -> None:
    bench = Bench(slots=1, cpus=3, gpus=0, downloaders=0)
    assert bench.state.asking == {"processing"}
    bench.claim("v")
    assert not bench.state.asking, "the only slot is taken"
    bench = Bench(slots=4, cpus=0, gpus=0, downloaders=0)
    assert not bench.state.asking, "nobody could decode"


def test_one_claim_at_a_time_is_asked_for_in_each_lane() -> None:
    bench = Bench(cpus=3)
    assert bench.state.asking == {"download", "processing"}
    assert not [c for c in bench(Wake()) if isinstance(c, AskClaim)]


def test_an_empty_queue_is_asked_again_when_its_time_comes_or_rows_change() -> None:
    bench = Bench(gpus=0, downloaders=0)
    bench(Claimed(lane="processing", claim=None, again_at=5.0))
    assert not bench.out
    assert bench.state.wake_at == 5.0
    bench.now = 4.0
    assert not bench(Wake(rows_changed=False))
    bench.now = 5.0
    assert bench(Wake(rows_changed=False)) == [AskClaim(lane="processing")]
    bench(Claimed(lane="processing", claim=None))
    bench.now = 1e6
    assert not bench(Wake(rows_changed=False))
    assert bench(Wake()) == [AskClaim(lane="processing")]


def test_without_a_gpu_one_cpu_worker_runs_everything() -> None:
    bench = Bench(gpus=0)
    bench.claim("v")
    bench.decoded(bench.sent(Decode)[0])
    assert [s.request.group for s in bench.sent(Analyze)] == ["all"]  # type: ignore[union-attr]


def test_after_the_death_of_a_gpu_worker_the_clip_is_analyzed_again_without_decoding() -> None:
    bench = Bench()
    gpu, cpu = bench.up_to_groups()
    out = bench.failed(gpu, crashed=True)
    assert only(out, NoteCrash)
    assert bench.state.slots.free_count() == 3
    bench.analyzed(cpu)
    out = bench(WorkerUp(worker="gpu_worker_0", kind="gpu"))
    assert [s.request.group for s in bench.sent(Analyze)] == ["gpu"]  # type: ignore[union-attr]
    assert bench.sent(Analyze)[0].request.clip == gpu.request.clip  # type: ignore[union-attr]


def test_a_video_that_ends_its_second_worker_is_settled_as_a_crash_and_its_slot_is_free() -> None:
    bench = Bench()
    gpu, cpu = bench.up_to_groups(crashes=1)
    bench.failed(gpu, crashed=True)
    assert bench.state.slots.free_count() == 3, "the CPU worker still reads the slot"
    settle = only(bench.analyzed(cpu), Settle)
    assert isinstance(settle, Settle)
    assert (settle.crashed, settle.crashes) == (True, 1)
    assert bench.state.slots.free_count() == 4


def test_the_death_of_a_decoder_frees_the_slot_and_ends_the_claim() -> None:
    bench = Bench()
    bench.claim("v")
    settle = only(bench.failed(bench.sent(Decode)[0], crashed=True), Settle)
    assert isinstance(settle, Settle)
    assert (settle.crashed, settle.crashes) == (True, 0)
    assert bench.state.slots.free_count() == 4


def test_three_failures_on_the_gpu_send_the_video_to_the_cpu() -> None:
    bench = Bench(cpus=3)
    gpu, _ = bench.up_to_groups()
    for _ in range(2):
        bench.failed(gpu)
        assert not bench.sent(Analyze), "the GPU gets a moment"
        bench.now = bench.state.wake_at
        bench(Wake(rows_changed=False))
        gpu = bench.sent(Analyze)[0]
        assert gpu.worker == "gpu_worker_0"
    bench.failed(gpu)
    fallback = bench.sent(Analyze)[0]
    assert (fallback.request.group, fallback.worker[:3]) == ("fallback", "cpu")  # type: ignore[union-attr]


def test_when_the_last_gpu_worker_is_out_of_service_its_work_goes_to_the_cpu() -> None:
    bench = Bench(cpus=3)
    gpu, _ = bench.up_to_groups()
    bench(WorkerDown(worker="gpu_worker_0", kind="gpu", in_service=False))
    bench.answer(gpu, Failed(ticket=gpu.request.ticket, failure=DEATH), crashed=True)
    assert [s.request.group for s in bench.sent(Analyze)] == ["fallback"]  # type: ignore[union-attr]
    bench.claim("w")
    decode = bench.sent(Decode)
    assert decode


def test_a_failed_cpu_group_ends_the_claim_only_when_the_gpu_has_let_go_of_the_slot() -> None:
    bench = Bench()
    gpu, cpu = bench.up_to_groups()
    assert not [c for c in bench.failed(cpu) if isinstance(c, Settle)]
    assert bench.state.slots.free_count() == 3
    assert only(bench.analyzed(gpu), Settle)
    assert bench.state.slots.free_count() == 4


def test_cancelling_kills_the_cpu_worker_and_waits_for_the_gpu() -> None:
    bench = Bench()
    gpu, cpu = bench.up_to_groups()
    out = bench(Cancel(ids=frozenset({"v"})))
    assert [c.worker for c in out if isinstance(c, Kill)] == [cpu.worker]
    bench.failed(cpu)
    assert bench.state.jobs
    assert only(bench.analyzed(gpu), Dropped)
    assert not bench.state.jobs
    assert bench.state.slots.free_count() == 4


def test_a_request_that_was_never_taken_up_is_sent_to_another_worker() -> None:
    bench = Bench()
    bench.claim("v")
    first = bench.sent(Decode)[0]
    bench(Lost(worker=first.worker, ticket=first.request.ticket))
    second = bench.sent(Decode)[0]
    assert second.worker != first.worker
    assert second.request.ticket != first.request.ticket
    bench.decoded(first)
    assert not bench.sent(Analyze), "the answer to the lost request is nobody's"


def test_a_paused_lane_claims_nothing_and_finishes_what_it_has() -> None:
    bench = Bench()
    bench(Pause(lane="processing", paused=True))
    gpu, cpu = bench.up_to_groups()
    bench.analyzed(gpu)
    bench.analyzed(cpu)
    bench.analyzed(bench.sent(Fuse)[0])
    assert only(bench.out, Complete)
    assert not bench.state.asking & {"processing"}
    assert AskClaim(lane="processing") in bench(Pause(lane="processing", paused=False))


def test_a_drain_claims_nothing_more() -> None:
    bench = Bench()
    bench(Drain())
    bench(Claimed(lane="processing", claim=None))
    bench(Claimed(lane="download", claim=None))
    assert not bench(Wake())


def test_decoding_goes_ahead_of_the_gpu_by_the_prefetch_and_no_further() -> None:
    bench = Bench(slots=8, cpus=6, prefetch=2)
    sends = []
    for name in "abcdefgh":
        if "processing" not in bench.state.asking:
            break
        bench.claim(name)
        sends += bench.sent(Decode)
        if bench.sent(Decode):
            bench.decoded(bench.sent(Decode)[0])
    busy = [job for job in bench.state.jobs.values() if any(s.kind == "gpu" and s.worker for s in job.steps)]
    assert len(busy) == 1
    assert len(bench.state.jobs) == 3


def test_a_gpu_with_a_limit_per_minute_waits_between_videos() -> None:
    bench = Bench(cpus=6, gpu_gap_s=6.0)
    gpu, _ = bench.up_to_groups("v")
    bench.analyzed(gpu)
    bench.claim("w")
    bench.decoded(bench.sent(Decode)[0])
    assert [s.request.group for s in bench.sent(Analyze)] == ["cpu"]  # type: ignore[union-attr]
    assert bench.state.wake_at == 6.0
    bench.now = 6.0
    bench(Wake(rows_changed=False))
    assert [s.request.group for s in bench.sent(Analyze)] == ["gpu"]  # type: ignore[union-attr]


def test_a_failed_download_settles_with_the_video_that_its_short_link_led_to() -> None:
    bench = Bench()
    bench.claim("short-ZM1", lane="download")
    (send,) = bench.sent(Download)
    video = VideoRef(id="7234567890123400000", url="https://x")
    answer = Failed(ticket=send.request.ticket, failure=DEATH, resolved=video)
    (settle,) = [c for c in bench.answer(send, answer) if isinstance(c, Settle)]
    assert settle.resolved == video


def test_rows_that_change_while_a_lane_asks_are_asked_for_again() -> None:
    bench = Bench(gpus=0, downloaders=0)
    assert bench.state.asking == {"processing"}
    bench(Wake())
    assert bench(Claimed(lane="processing", claim=None)) == [AskClaim(lane="processing")], "the answer was old"
    assert bench(Claimed(lane="processing", claim=None)) == [], "nothing has changed since"
    bench(Wake())
    bench(Stored(token="x"))
    assert bench(Claimed(lane="processing", claim=None)) == [AskClaim(lane="processing")]


def test_a_video_that_was_cancelled_while_its_claim_was_on_its_way_is_not_started() -> None:
    bench = Bench(cpus=1, gpus=0, downloaders=0)
    bench(Cancel(ids=frozenset({"v"})))
    assert [type(c) for c in bench.claim("v")] == [Dropped, AskClaim]
    assert bench.state.slots.free_count() == 4
    bench.claim("v")
    assert bench.sent(Decode), "a claim that was asked for after the order is another matter"
