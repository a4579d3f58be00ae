"""A disk that is full, for real: the state directory on a small tmpfs in a mount namespace of the daemon's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import ROOT, Live, until

SIZE_MIB = 4


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True).returncode == 0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Live]:
    if not _can_unshare():
        pytest.skip("this machine lets nobody make a mount namespace")
    running = Live(tmp_path, more=f'[database]\nurl = "sqlite:///{tmp_path}/queue.db"\n')
    running.socket, running.database = tmp_path / "run" / "tiktokd.sock", tmp_path / "queue.db"
    text = running.config.read_text()
    text = text.replace("[daemon]", f'[daemon]\nlog_dir = "{tmp_path}/log"\nruntime_dir = "{tmp_path}/run"')
    running.config.write_text(text.replace("[download]", "[download]\nmax_filesize_mib = 1"))
    running.state.mkdir()
    mount = f'mount -t tmpfs -o size={SIZE_MIB}m tmpfs "{running.state}" && exec "$@"'
    running.launcher = ["unshare", "-rm", "sh", "-c", mount, "sh"]
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.kill()


def test_a_disk_that_fills_up_during_a_download_rests_the_lane_uncharged_and_it_resumes_by_itself(daemon: Live) -> None:
    daemon.add(1, download="fill*1")
    daemon.taken_up(1, "download")

    def reason() -> str:
        lanes = {lane["lane"]: lane for lane in daemon.ask("GET", "/api/status")["lanes"]}
        return lanes["download"]["reason"] or ""

    assert "no space left" in until(reason, "a reason").lower()
    daemon.reaches(1, "pending")
    row = daemon.reaches(1, "completed")
    assert row["download_attempts"] == 0
    assert reason() == "", "the lane says so no longer"


def test_with_too_little_room_for_a_download_none_is_started(daemon: Live) -> None:
    assert daemon.process is not None
    inside = Path(f"/proc/{daemon.process.pid}/root{daemon.state}")
    filler = inside / "filler"
    filler.write_bytes(bytes((SIZE_MIB - 1) * 2**20 + 2**19))
    daemon.add(1)
    until(lambda: "the disk is full" in str(daemon.ask("GET", "/api/status")["lanes"]), "a reason")
    assert daemon.row(1)["state"] == "pending"
    assert daemon.turns(1, "download") == []
    filler.unlink()
    daemon.reaches(1, "completed")


def test_a_disk_that_is_full_at_the_start_is_named_in_one_line(tmp_path: Path) -> None:
    if not _can_unshare():
        pytest.skip("this machine lets nobody make a mount namespace")
    fill = f"{{ cat /dev/zero > {tmp_path}/filler || true; }} 2>/dev/null"
    mount = f'mount -t tmpfs -o size=1m tmpfs {tmp_path} && {fill} && exec "$@"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", sys.executable, "-m", "tiktokd.daemon"],
        capture_output=True, text=True, timeout=30, cwd=ROOT,
        env={**os.environ, "TIKTOKD_DAEMON__STATE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert f"cannot write to the state directory {tmp_path}: No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
