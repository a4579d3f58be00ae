"""Log lines: one format, one rotating file per process, journald under systemd. Knows nothing of what is logged.

Foreign text (titles, server answers, file names) reaches a log or a terminal only through `printable.escape`.
"""

import contextvars
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tiktokd.printable import escape

MAX_FILE_BYTES = 10 * 2**20
"""A log file is rotated at this size."""
KEPT_FILES = 4
"""Rotated files kept beside the current one: 50 MiB per process at most."""

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog levels for journald's `<N>` prefix, sd-daemon(3)."""

_video: contextvars.ContextVar[str | None] = contextvars.ContextVar("video", default=None)


@contextmanager
def about(video_id: str | None) -> Iterator[None]:
    """Put `video_id` on every line logged inside the block."""
    token = _video.set(video_id)
    try:
        yield
    finally:
        _video.reset(token)


class LineFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO    cpu_worker_0 [7123456789] message`; a traceback follows, indented."""

    def __init__(self, process: str, *, journal: bool = False) -> None:
        super().__init__()
        self._process, self._journal = process, journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without control characters; further lines of a traceback start with two spaces."""
        video = getattr(record, "video", None) or _video.get() or "-"
        text = f"{record.levelname:7} {self._process} [{escape(video)}] {escape(record.getMessage())}"
        if self._journal:
            text = f"<{_PRIORITIES.get(record.levelno, 6)}>{text}"
        else:
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            text = f"{moment}.{int(record.msecs):03d}Z {text}"
        if record.exc_info:
            text += "".join(f"\n  {escape(line)}" for line in self.formatException(record.exc_info).splitlines())
        return text


def setup(process: str, directory: Path, level: str, *, console: bool = False) -> Path:
    """Send this process's log to `<directory>/<process>.log`, and to journald where stderr is connected to it.

    Args:
        process: name in each line and of the file.
        directory: made where it is missing.
        level: debug, info, warning or error.
        console: without journald, write to stderr as well.

    Returns:
        The path of the file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{process}.log"
    file = logging.handlers.RotatingFileHandler(path, maxBytes=MAX_FILE_BYTES, backupCount=KEPT_FILES, encoding="utf-8")
    file.setFormatter(LineFormatter(process))
    handlers: list[logging.Handler] = [file]
    journal = stderr_is_journal()
    if journal or console:
        stream = logging.StreamHandler(sys.stderr)
        stream.setFormatter(LineFormatter(process, journal=journal))
        handlers.append(stream)
    # A full disk must not turn each log line into a traceback on stderr.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level.upper())
    return path


def stderr_is_journal() -> bool:
    """Return whether systemd connected stderr to journald: `$JOURNAL_STREAM` is `device:inode`, systemd.exec(5)."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def last_lines(path: Path, count: int, *, max_bytes: int = 16384) -> list[str]:
    """Return up to `count` lines from the end of a log, reading `max_bytes` at most; empty where there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max_bytes))
            text = file.read(max_bytes).decode("utf-8", "replace")
    except OSError:
        return []
    lines = text.splitlines()
    return lines[-count:] if size <= max_bytes else lines[1:][-count:]
