"""Media files and attempt folders on disk. Blocking: called from a thread. Knows nothing of the queue.

`<state_dir>/spool/<last two of the id>/<id>.mp4` and `<state_dir>/tmp/<claim token>/`, on one file system, so that a
rename is enough and a crash leaves either the old place or the new one.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tiktokd.errors import LocalError, ProtocolError

FREE_RATIO = 0.10
"""Share of the file system that stays free."""
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much the spool may hold."""

    videos: int
    size_bytes: int
    reserve_bytes: int
    """One download may need this much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How full it is."""

    videos: int
    size_bytes: int
    free_bytes: int
    disk_bytes: int
    unfinished: int
    """Videos in flight or waiting with their file in the spool."""


def too_full(fill: Fill, limits: SpoolLimits) -> str | None:
    """Return why no further download may start, or `None`.

    With nothing unfinished one download may start whatever the limits say, provided that it fits on the disk: else
    nothing would ever move.
    """
    if fill.free_bytes < limits.reserve_bytes:
        return f"the disk is full: {_gib(fill.free_bytes)} free, one download may need {_gib(limits.reserve_bytes)}"
    if fill.unfinished == 0:
        return None
    if fill.free_bytes < FREE_RATIO * fill.disk_bytes:
        return f"the disk is nearly full: {_gib(fill.free_bytes)} free, {FREE_RATIO:.0%} are left alone"
    if fill.videos >= limits.videos:
        return f"the spool is full: {fill.videos} videos, download.spool_videos is {limits.videos}"
    if fill.size_bytes >= limits.size_bytes:
        return f"the spool is full: {_gib(fill.size_bytes)}, download.spool_gib allows {_gib(limits.size_bytes)}"
    return None


def wants_room(fill: Fill, limits: SpoolLimits) -> bool:
    """Return whether media of finished videos should go: any limit is reached."""
    return (
        fill.videos >= limits.videos
        or fill.size_bytes >= limits.size_bytes
        or fill.free_bytes < max(limits.reserve_bytes, FREE_RATIO * fill.disk_bytes)
    )


class Spool:
    """The folders below one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.media_dir = state_dir / "spool"
        self.attempts_dir = state_dir / "tmp"

    def make(self) -> None:
        """Make the folders and empty the one of the attempts: whoever used them is gone."""
        shutil.rmtree(self.attempts_dir, ignore_errors=True)
        for directory in (self.media_dir, self.attempts_dir):
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)

    def media(self) -> Iterator[Path]:
        """Yield every file in the spool."""
        return self.media_dir.glob("*/*")

    def remove(self, paths: Iterable[Path]) -> None:
        """Delete files of the spool; one that is gone is as good as deleted, one outside is left alone."""
        for path in paths:
            if self.media_dir in path.parents:
                path.unlink(missing_ok=True)

    def open_attempt(self, token: str) -> None:
        """Make the folder of one attempt.

        Raises:
            OSError: the disk is full.
        """
        self._attempt(token).mkdir(mode=0o700, exist_ok=True)

    def close_attempt(self, token: str) -> None:
        """Remove the folder of one attempt with whatever is in it."""
        shutil.rmtree(self._attempt(token), ignore_errors=True)

    def keep(self, token: str, path: Path, video_id: str) -> Path:
        """Move a downloaded file into the spool, durably, and return where it is now.

        Raises:
            ProtocolError: the worker named a file that is not in its folder.
            LocalError: the disk does not take it.
        """
        attempt = self._attempt(token)
        if path.is_symlink() or not path.is_file() or path.resolve().parent != attempt.resolve():
            raise ProtocolError(f"the downloaded file {path} is not a file in {attempt}")
        _safe(video_id)
        target = self.media_dir / video_id[-2:] / f"{video_id}.mp4"
        try:
            target.parent.mkdir(mode=0o750, exist_ok=True)
            _fsync(path)
            path.rename(target)
            _fsync(target.parent)
            _fsync(self.media_dir)
        except OSError as exc:
            raise LocalError(f"cannot move a download to {target}: {exc.strerror}") from exc
        return target

    def disk(self) -> tuple[int, int]:
        """Return `(free, total)` bytes of the spool's file system, free as for an ordinary user."""
        usage = os.statvfs(self.media_dir)
        return usage.f_bavail * usage.f_frsize, usage.f_blocks * usage.f_frsize

    def _attempt(self, token: str) -> Path:
        return self.attempts_dir / _safe(token)


def _safe(name: str) -> str:
    if not _SAFE_NAME.fullmatch(name) or name.startswith("."):
        raise ProtocolError(f"{name!r} cannot be the name of a file")
    return name


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"
