"""The unit file says what the daemon relies on; systemd's own score is checked where systemd is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "tiktokd.service"
MAX_EXPOSURE = 2.0


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_says_what_the_daemon_relies_on() -> None:
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert unit["KillMode"] == ["mixed"], "SIGTERM must not reach the workers"
    assert unit["OOMPolicy"] == ["continue"], "one worker out of memory must not end the daemon"
    assert int(unit["WatchdogSec"][0]) >= 30, "the metrics commit every 10 s"
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert unit["DeviceAllow"] == ["char-nvidia* rw"]
    assert "PrivateUsers" not in unit, "it breaks the peer credentials of the socket"
    assert "MemoryDenyWriteExecute" not in unit, "torch.compile writes code"


def test_every_comment_line_says_something() -> None:
    comments = [line for line in UNIT.read_text().splitlines() if line.startswith("#")]
    assert len(comments) > 20
    assert all(len(line) <= 120 for line in comments)


def test_systemd_gives_a_low_exposure() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    command = ["systemd-analyze", "security", "--offline=true", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert score, done.stdout + done.stderr
    assert float(score[1]) <= MAX_EXPOSURE
