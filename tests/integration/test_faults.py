"""Workers that die, hang or fail in the middle of a video, for real; the daemon and its queue are the real ones."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Live, alive, live, until, video_id


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One daemon for tests that end no process of it; each has videos of its own."""
    with live(tmp_path_factory.mktemp("shared")) as running:
        yield running


def test_a_video_goes_from_a_url_to_results_through_real_processes(shared: Live) -> None:
    shared.add(12)
    row = shared.reaches(12, "completed")
    assert {name: each["summary"]["where"] for name, each in shared.outputs(12).items()} == {
        "toy_cpu": "cpu", "toy_gpu": "gpu", "toy_fuse": "fuse",
    }  # fmt: skip
    assert Path(row["media_path"]).read_text() == video_id(12)
    assert Path(row["media_path"]).parent == shared.state / "spool" / video_id(12)[-2:]
    assert list((shared.state / "tmp").iterdir()) == []
    assert shared.moves(12) == ["add", "claim_download", "downloaded", "claim_processing", "complete"]


def test_a_killed_download_worker_costs_one_crash_and_the_video_completes(daemon: Live) -> None:
    daemon.add(1, download="wait")
    os.kill(daemon.taken_up(1, "download"), signal.SIGKILL)
    daemon.go(1, "download")
    row = daemon.reaches(1, "completed")
    assert row["download_attempts"] == 0
    assert daemon.moves(1).count("retry") == 1
    assert list((daemon.state / "tmp").iterdir()) == []


def test_a_killed_cpu_worker_in_the_middle_of_decoding_frees_its_slot(daemon: Live) -> None:
    daemon.add(1, decode="wait")
    os.kill(daemon.taken_up(1, "decode"), signal.SIGKILL)
    daemon.go(1, "decode")
    row = daemon.reaches(1, "completed")
    assert row["crashes"] == 1
    assert row["processing_attempts"] == 0
    until(lambda: daemon.ask("GET", "/api/status")["slots_free"] == 3, "all slots free")


def test_a_killed_cpu_worker_in_the_middle_of_analyzing_is_replaced_without_decoding_again(daemon: Live) -> None:
    daemon.add(1, cpu="wait*1")
    os.kill(daemon.taken_up(1, "cpu"), signal.SIGKILL)
    daemon.reaches(1, "completed")
    assert len(daemon.turns(1, "decode")) == 1
    assert len(daemon.turns(1, "cpu")) == 2


def test_a_killed_gpu_worker_is_replaced_and_the_clip_is_analyzed_without_decoding_again(daemon: Live) -> None:
    daemon.add(1, gpu="wait*1")
    first = daemon.taken_up(1, "gpu")
    os.kill(first, signal.SIGKILL)
    row = daemon.reaches(1, "completed")
    assert row["crashes"] == 1
    assert len(daemon.turns(1, "decode")) == 1
    assert daemon.turns(1, "gpu")[0] == first
    assert daemon.turns(1, "gpu")[1] != first
    assert daemon.outputs(1)["toy_gpu"]["summary"]["where"] == "gpu"


@pytest.mark.parametrize("stage", ["decode", "gpu"])
def test_a_video_that_kills_its_worker_twice_is_poison_and_the_others_go_on(daemon: Live, stage: str) -> None:
    daemon.add(1, **{stage: "kill"})
    daemon.add(2, 3)
    row = daemon.reaches(1, "failed")
    assert row["crashes"] == 2
    assert '"poison"' in row["failure"]
    assert "signal 9 (SIGKILL)" in row["failure"]
    assert "last log lines: " in row["failure"]
    assert json.loads(row["failure"])["stage"] == {"decode": "decode", "gpu": "analyze"}[stage]
    assert len(daemon.turns(1, stage)) == 2
    daemon.reaches(2, "completed")
    daemon.reaches(3, "completed")


def test_a_failure_on_the_gpu_ends_on_the_cpu_and_says_so(shared: Live) -> None:
    shared.add(22, gpu="fail resource")
    shared.reaches(22, "completed", timeout_s=40)
    assert len(shared.turns(22, "gpu")) == 2
    assert shared.outputs(22)["toy_gpu"]["summary"]["where"] == "fallback"


def test_attempts_are_used_up_and_the_video_fails_with_its_reason(shared: Live) -> None:
    shared.add(32, download="fail transient")
    row = shared.reaches(32, "failed")
    assert row["download_attempts"] == 3
    assert "was told to fail" in row["failure"]


def test_a_permanent_failure_is_asked_once(shared: Live) -> None:
    shared.add(42, download="fail permanent")
    shared.reaches(42, "failed")
    assert len(shared.turns(42, "download")) == 1


def test_a_bug_in_a_worker_is_logged_with_its_traceback_and_the_worker_goes_on(shared: Live) -> None:
    shared.add(52, decode="fail bug")
    row = shared.reaches(52, "failed")
    assert '"bug"' in row["failure"]
    text = "".join(path.read_text() for path in (shared.state / "log").glob("cpu_worker_*.log"))
    assert f"[{video_id(52)}] decode failed: ValueError" in text
    assert "  Traceback (most recent call last):" in text
    assert all(worker["restarts"] == 0 for worker in shared.workers().values())


def test_cancelling_stops_the_work_at_once_and_keeps_the_worker_blameless(shared: Live) -> None:
    shared.add(62, download="wait")
    pid = shared.taken_up(62, "download")
    answer = shared.ask("POST", "/api/queue/cancel", {"ids": [video_id(62)]})
    assert answer["counts"] == {"cancelled": 1}
    assert not alive(pid), "the answer came after the effect"
    assert shared.row(62)["state"] == "cancelled"
    assert all(worker["restarts"] == 0 for worker in shared.workers().values())
    shared.add(63)
    shared.reaches(63, "completed")
    assert list((shared.state / "tmp").iterdir()) == []


def test_cancelling_a_video_that_is_analyzed_stops_its_worker_and_frees_its_slot(shared: Live) -> None:
    shared.add(64, cpu="wait")
    pid = shared.taken_up(64, "cpu")
    answer = shared.ask("POST", "/api/queue/cancel", {"ids": [video_id(64)]})
    assert answer["counts"] == {"cancelled": 1}
    assert not alive(pid), "the answer came after the effect"
    until(lambda: shared.ask("GET", "/api/status")["slots_free"] == 3, "all slots free")
    assert shared.row(64)["state"] == "cancelled"
    answer = shared.ask("POST", "/api/queue/requeue", {"ids": [video_id(64)]})
    assert answer["counts"] == {"reanalyzed": 1}, "its media is here: nothing is downloaded twice"
    shared.taken_up(64, "cpu", times=2)
    shared.go(64, "cpu")
    shared.reaches(64, "completed")
    assert len(shared.turns(64, "download")) == 1


def test_a_paused_lane_stays_paused_over_a_restart(daemon: Live) -> None:
    daemon.ask("POST", "/api/queue/pause", {"lane": "processing"})
    daemon.add(1)
    daemon.reaches(1, "downloaded")
    daemon.kill()
    daemon.start()
    daemon.all_up()
    assert daemon.row(1)["state"] == "downloaded"
    daemon.ask("POST", "/api/queue/resume", {"lane": "processing"})
    daemon.reaches(1, "completed")


def test_media_that_vanished_is_downloaded_again(shared: Live) -> None:
    shared.ask("POST", "/api/queue/pause", {"lane": "processing"})
    shared.add(72)
    Path(shared.reaches(72, "downloaded")["media_path"]).unlink()
    shared.ask("POST", "/api/queue/resume", {"lane": "processing"})
    row = shared.reaches(72, "completed")
    assert Path(row["media_path"]).exists()
    assert len(shared.turns(72, "download")) == 2
    assert row["download_attempts"] == 0


def test_a_local_file_that_vanished_fails_with_what_to_do(shared: Live) -> None:
    shared.ask("POST", "/api/queue/pause", {"lane": "processing"})
    path = shared.home / "own.mp4"
    path.write_text("a film")
    added = shared.ask("POST", "/api/queue/add", {"paths": [str(path)]})["items"][0]["id"]
    path.unlink()
    shared.ask("POST", "/api/queue/resume", {"lane": "processing"})
    until(lambda: shared.ask("GET", f"/api/videos/{added}")["state"] == "failed", "failed")
    assert "put it back" in shared.ask("GET", f"/api/videos/{added}")["error"]["message"]
