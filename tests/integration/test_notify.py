"""What the daemon tells systemd, heard at a real notify socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Live
from tiktokd.scheduler.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        address = tmp_path / "notify"
        sock.bind(str(address))
        sock.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        yield sock


def heard(manager: socket.socket, word: str) -> str:
    """Return the first message with this word."""
    while True:
        text = manager.recv(4096).decode()
        if word in text:
            return text


def test_systemd_hears_ready_then_a_watchdog_fed_by_commits_then_stopping(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    daemon = Live(tmp_path / "home")
    try:
        daemon.start(wait=False)
        assert heard(manager, "READY") == "READY=1"
        assert daemon.listens(), "whoever waited for us may connect"
        assert heard(manager, "WATCHDOG") == "WATCHDOG=1"
        assert "0 waiting, 0 downloading, 0 processing" in heard(manager, "STATUS")
        daemon.all_up()
        assert daemon.terminate() == 0
        assert heard(manager, "STOPPING") == "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000"
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def test_an_abstract_address_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0tiktokd-test-{os.getpid()}")
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@tiktokd-test-{os.getpid()}")
        Notifier().status("two\nlines")
        assert sock.recv(100) == b"STATUS=two lines"


def test_without_a_manager_nothing_happens_and_nothing_is_left_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    monkeypatch.setenv("WATCHDOG_USEC", "5000000")
    notifier = Notifier()
    notifier.ready()
    assert notifier.watchdog_s == 5.0
    assert "NOTIFY_SOCKET" not in os.environ
    assert "WATCHDOG_USEC" not in os.environ


def test_a_watchdog_meant_for_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "5000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().watchdog_s is None
