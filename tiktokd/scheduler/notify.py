"""sd_notify(3) without libsystemd: a datagram of `KEY=value` lines. Knows nothing of what is worth telling."""

import os
import socket
from contextlib import suppress


class Notifier:
    """Talks to the service manager, or to nobody where there is none."""

    def __init__(self) -> None:
        """Take `$NOTIFY_SOCKET` and `$WATCHDOG_USEC` out of the environment: they are not for children."""
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        watchdog_us = os.environ.pop("WATCHDOG_USEC", "")
        for_us = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() and for_us else None
        """We are ended where the watchdog is not fed for this long; `None`: there is none."""
        self._status = ""

    def ready(self) -> None:
        """Say that the socket is open and the database is usable."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`; repeating it costs nothing."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text.replace("\n", " "))

    def feed_watchdog(self) -> None:
        """Say that work is being done."""
        self._send("WATCHDOG=1")

    def stopping(self, within_s: float) -> None:
        """Say that the end has begun and may take this long."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # "@" stands for the NUL of an abstract address, sd_notify(3).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            # A manager that does not read must not stop us.
            sock.setblocking(False)
            sock.sendto(text.encode(), address)
