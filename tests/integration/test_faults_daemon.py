"""The daemon itself killed, stopped, started twice; workers that hang or never start. Real processes throughout."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import ROOT, Live, alive, holders, live, until
from tests.nobody import owner_of
from tiktokd.daemon import locked
from tiktokd.errors import ConfigError


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path) as running:
        yield running


def test_after_kill_9_of_the_daemon_every_video_ends_once_and_nothing_is_left_behind(daemon: Live) -> None:
    daemon.add(1, download="wait*1")
    daemon.add(2, decode="wait*1")
    daemon.add(3, gpu="wait*1")
    daemon.add(*range(10, 30))
    daemon.taken_up(1, "download")
    daemon.taken_up(2, "decode")
    daemon.taken_up(3, "gpu")
    slots = daemon.slots()
    until(lambda: len(holders(slots)) == 1 + 3, "the daemon, two CPU workers and a GPU worker hold the slots")
    children = daemon.kill()
    until(lambda: not any(map(alive, children)), "no orphan", timeout_s=3)
    assert holders(slots) == [], "so the kernel has taken the memory back"
    daemon.start()
    daemon.taken_up(1, "download", times=2)
    until(lambda: daemon.states() == {"completed": 23}, "every acknowledged URL completed")
    for number in (1, 2, 3, *range(10, 30)):
        assert daemon.moves(number).count("complete") == 1
        assert set(daemon.outputs(number)) == {"toy_cpu", "toy_gpu", "toy_fuse"}
    charged = "SELECT COUNT(*) FROM processing_queue WHERE download_attempts + processing_attempts + crashes > 0"
    assert daemon.sql(charged) == [(0,)]
    assert list((daemon.state / "tmp").iterdir()) == []
    assert len(list((daemon.state / "spool").glob("*/*"))) == 23


def test_a_file_renamed_but_never_committed_is_swept_at_the_start(daemon: Live) -> None:
    daemon.add(1)
    kept = Path(daemon.reaches(1, "completed")["media_path"])
    daemon.kill()
    stray, attempt = daemon.state / "spool" / "99" / "7099.mp4", daemon.state / "tmp" / "downloading.7.1"
    stray.parent.mkdir()
    stray.touch()
    attempt.mkdir()
    daemon.start()
    assert not stray.exists()
    assert not attempt.exists()
    assert kept.exists()


def test_a_moved_state_directory_keeps_its_media_and_nothing_is_downloaded_twice(daemon: Live) -> None:
    daemon.ask("POST", "/api/queue/pause", {"lane": "processing"})
    own = daemon.home / "own.mp4"
    own.write_text("a film")
    daemon.ask("POST", "/api/queue/add", {"paths": [str(own)]})
    daemon.add(1, 2)
    for number in (1, 2):
        daemon.reaches(number, "downloaded")
    assert daemon.terminate() == 0
    daemon.move(daemon.home / "elsewhere" / "state")
    daemon.start()
    daemon.ask("POST", "/api/queue/resume", {"lane": "processing"})
    for number in (1, 2):
        row = daemon.reaches(number, "completed")
        assert Path(row["media_path"]).is_relative_to(daemon.home / "elsewhere")
        assert Path(row["media_path"]).exists()
        assert len(daemon.turns(number, "download")) == 1
    until(lambda: daemon.states() == {"completed": 3}, "a person's own file stays where it is")


def test_sigterm_drains_without_charging_and_ends_with_0(tmp_path: Path) -> None:
    with live(tmp_path, drain=1) as daemon:
        daemon.add(1, cpu="wait")
        daemon.add(2, download="wait")
        daemon.taken_up(1, "cpu")
        daemon.taken_up(2, "download")
        daemon.all_up()
        children = daemon.children()
        assert daemon.terminate() == 0
        until(lambda: not any(map(alive, children)), "no child left", timeout_s=3)
        for number, state in ((1, "downloaded"), (2, "pending")):
            row = daemon.row(number)
            assert (row["state"], row["download_attempts"], row["processing_attempts"], row["crashes"]) == (
                state,
                0,
                0,
                0,
            )
        assert not (daemon.state / "run" / "tiktokd.sock").exists()
        assert (daemon.toys / "download_worker_1.closed").exists() or (
            daemon.toys / "download_worker_0.closed"
        ).exists()


def test_a_drain_lets_work_in_hand_finish_and_starts_nothing_new(daemon: Live) -> None:
    daemon.add(1, cpu="wait")
    daemon.taken_up(1, "cpu")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.ask("GET", "/api/status")["draining"], "draining")
    daemon.add(2)
    daemon.go(1, "cpu")
    assert daemon.process.wait(20) == 0
    assert daemon.row(1)["state"] == "completed"
    assert daemon.row(2)["state"] == "pending"


def test_a_second_sigterm_ends_the_drain_at_once(daemon: Live) -> None:
    daemon.add(1, cpu="wait")
    daemon.taken_up(1, "cpu")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.ask("GET", "/api/status")["draining"], "draining")
    started = time.monotonic()
    assert daemon.terminate() == 0
    assert time.monotonic() - started < 10, "the drain could take 20 s"
    assert daemon.row(1) | {"failure": None} == {
        "state": "downloaded", "download_attempts": 0, "processing_attempts": 0, "crashes": 0, "failure": None,
        "media_path": daemon.row(1)["media_path"],
    }  # fmt: skip


def test_a_worker_that_hangs_is_killed_and_its_video_tried_again(tmp_path: Path) -> None:
    with live(tmp_path, stall=5) as daemon:
        daemon.add(1, decode="hang*1")
        daemon.taken_up(1, "decode")
        row = daemon.reaches(1, "completed")
        assert row["crashes"] == 1
        assert "no sign of life for 5 s" in (daemon.state / "log" / "tiktokd.log").read_text()


def test_a_stopped_worker_is_killed_too(tmp_path: Path) -> None:
    with live(tmp_path, stall=5) as daemon:
        daemon.add(1, gpu="wait*1")
        os.kill(daemon.taken_up(1, "gpu"), signal.SIGSTOP)
        assert daemon.reaches(1, "completed")["crashes"] == 1


def test_a_download_beyond_its_deadline_is_killed_and_charged_as_an_attempt(tmp_path: Path) -> None:
    with live(tmp_path, timeout=2) as daemon:
        daemon.add(1, download="wait*1")
        row = daemon.reaches(1, "completed")
        assert len(daemon.turns(1, "download")) == 2
        assert row["crashes"] == 0
        reasons = daemon.sql("SELECT reason FROM job_events WHERE event = 'retry'")
        assert "no result of download within 2 s" in reasons[0][0]


def test_workers_that_never_start_are_taken_out_of_service_and_come_back_on_resume(tmp_path: Path) -> None:
    daemon = Live(tmp_path, loop=2)
    (daemon.toys / "gpu.broken").touch()
    try:
        daemon.start()
        daemon.add(1)
        row = daemon.reaches(1, "completed")
        assert row["crashes"] == 0
        assert daemon.outputs(1)["toy_gpu"]["summary"]["where"] in ("fallback", "all")
        worker = daemon.workers()["gpu_worker_0"]
        assert (worker["state"], worker["restarts"]) == ("out_of_service", 2)
        assert "this worker was told not to start" in (daemon.state / "log" / "gpu_worker_0.log").read_text()
        (daemon.toys / "gpu.broken").unlink()
        daemon.ask("POST", "/api/queue/resume", {"lane": "processing"})
        until(lambda: daemon.workers()["gpu_worker_0"]["state"] == "idle", "a GPU worker that is back")
        daemon.add(2)
        daemon.reaches(2, "completed")
        assert daemon.outputs(2)["toy_gpu"]["summary"]["where"] == "gpu"
    finally:
        daemon.kill()


def test_a_second_daemon_on_the_same_state_directory_is_refused_with_the_pid_of_the_first(daemon: Live) -> None:
    assert daemon.process is not None
    code, text = _tiktokd("--config", str(daemon.config))
    assert code == 1
    assert text.count("\n") == 1
    assert f"another tiktokd (pid {daemon.process.pid})" in text


def test_a_socket_path_that_is_too_long_is_refused_in_one_line(tmp_path: Path) -> None:
    code, text = _tiktokd(env={"TIKTOKD_DAEMON__STATE_DIR": str(tmp_path / ("x" * 100))})
    assert code == 2
    assert "Unix allows 107" in text
    assert "daemon.runtime_dir" in text


def test_a_state_directory_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    code, text = _tiktokd(env={"TIKTOKD_DAEMON__STATE_DIR": str(in_the_way / "state")})
    assert code == 2
    assert "cannot write to the state directory" in text
    assert text.count("\n") == 1


def test_a_state_directory_without_permission_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with owner_of(state):
        state.chmod(0o500)
        assert list(state.iterdir()) == [], "it can be reached"
        with pytest.raises(ConfigError, match="cannot write to the state directory"), locked(state):
            pass


def test_a_file_in_the_place_of_the_media_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    code, text = _tiktokd(env={"TIKTOKD_DAEMON__STATE_DIR": str(tmp_path)})
    assert code == 2
    assert f"cannot make the folders of media: {tmp_path / 'spool'}" in text
    assert "Traceback" not in text


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with live(tmp_path) as daemon:
        assert daemon.terminate() == 0
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(daemon.state / "tiktokd.db")) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
        conn.commit()
    code, text = _tiktokd("--config", str(daemon.config))
    assert code == 2
    assert "newer tiktokd" in text


def test_all_problems_of_a_configuration_are_listed_at_once(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[download]\nper_minute = "fast"\nworkers = 99\nspeed = 1\n')
    code, text = _tiktokd("--config", str(config), "--check-config")
    assert code == 2
    assert all(key in text for key in ("download.per_minute", "download.workers", "download.speed"))
    config.write_text('[analysis]\nanalyzers = ["shot_boundaries", "palmistry"]\n')
    code, text = _tiktokd("--config", str(config), "--check-config")
    assert code == 2
    assert '"palmistry" is no analyzer' in text
    config.write_text('[analysis]\nmodels = { whisprr = "a/b" }\ndata_dir = "/no/such/place"\n')
    code, text = _tiktokd("--config", str(config), "--check-config")
    assert code == 2
    assert '"whisprr" is no encoder with a model' in text
    assert "analysis.data_dir: there is no directory /no/such/place" in text
    config.write_text(
        '[download]\nper_minute = "fast"\n[http]\nport = 1\nlisten = "0.0.0.0:80"\n[analysis]\nfps = 0\n'
        'analyzers = ["palmistry"]\ndata_dir = "/no/such/place"\n'
    )
    code, text = _tiktokd("--config", str(config), "--check-config")
    assert code == 2
    assert "6 problem(s)" in text, "what is not well-formed hides nothing of the rest"
    for each in ("download.per_minute", "http.port", "0.0.0.0:80", "analysis.fps", "palmistry", "/no/such/place"):
        assert each in text
    own = tmp_path / "own"
    own.mkdir()
    (own / "brands.toml").write_text("names = 'Acme'")
    config.write_text(f'[analysis]\ndata_dir = "{own}"\n')
    code, text = _tiktokd("--config", str(config), "--check-config")
    assert code == 2
    assert f"analysis.data_dir: {own / 'brands.toml'}: names: 'Acme' is no list of texts" in text


def test_a_good_configuration_passes_the_check(tmp_path: Path) -> None:
    code, text = _tiktokd("--check-config", env={"TIKTOKD_DAEMON__STATE_DIR": str(tmp_path)})
    assert (code, "is fine" in text) == (0, True)
    assert list(tmp_path.iterdir()) == [], "checking makes nothing"


def test_frame_slots_that_do_not_fit_into_memory_are_refused_with_what_to_change(tmp_path: Path) -> None:
    daemon = Live(tmp_path)
    daemon.config.write_text(
        daemon.config.read_text().replace("slots = 3\nslot_mib = 8", "slots = 4096\nslot_mib = 1024")
    )
    daemon.start(wait=False)
    assert daemon.process is not None
    assert daemon.process.wait(30) == 2
    assert "analysis.slots" in daemon.said()
    assert "Traceback" not in daemon.said()


def test_media_of_finished_videos_makes_room_and_its_results_stay(tmp_path: Path) -> None:
    daemon = Live(tmp_path)
    daemon.config.write_text(daemon.config.read_text().replace("[download]", "[download]\nspool_videos = 2"))
    try:
        daemon.start()
        for number in range(1, 5):
            daemon.add(number)
            daemon.reaches(number, "completed")
        assert daemon.row(1)["media_path"] is None
        assert Path(daemon.row(4)["media_path"]).exists()
        assert len(list((daemon.state / "spool").glob("*/*"))) == 2
        assert daemon.outputs(1)
    finally:
        daemon.kill()


def _tiktokd(*args: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the program to its end; return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tiktokd.daemon", *args], capture_output=True, text=True, timeout=30, cwd=ROOT,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
