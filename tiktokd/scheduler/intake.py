"""What people hand in, as rows for the queue or as the reason why not; and old files to remove. Knows no database."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tiktokd import url
from tiktokd.protocol import ItemOutcome
from tiktokd.scheduler.store import NewVideo

ID_HEX_DIGITS = 16
"""64 bits of the SHA-256: two different files among 10 million share an id with a chance of 3 in a million."""


def from_text(text: str, priority: int, analyzers: tuple[str, ...] | None) -> NewVideo | ItemOutcome:
    """Return the row for a URL, an id or a short link, or why there is none."""
    found = url.parse(text)
    if isinstance(found, url.Rejected):
        return ItemOutcome(input=text, outcome="invalid", reason=found.reason)
    return NewVideo(id=found.id, url=found.url, priority=priority, analyzers=analyzers)


def from_file(path: Path, priority: int, analyzers: tuple[str, ...] | None) -> NewVideo | ItemOutcome:
    """Return the row for a file of this machine, or why there is none. Reads the file once to its end."""
    problem = _unusable(path)
    if problem is None:
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        except OSError as exc:
            problem = f"the daemon cannot read it: {exc.strerror}"
        else:
            if size:
                return NewVideo(
                    id=f"file-{sha256[:ID_HEX_DIGITS]}",
                    url=path.as_uri(),
                    priority=priority,
                    analyzers=analyzers,
                    media_path=str(path),
                    sha256=sha256,
                    size_bytes=size,
                    downloaded=True,
                )
            problem = "the file is empty"
    return ItemOutcome(input=str(path), outcome="invalid", reason=problem)


def old_logs(directory: Path, older_than: float) -> list[Path]:
    """Return rotated log files (`*.log.1`) last written before `older_than` (UTC seconds)."""
    return [path for path in sorted(directory.glob("*.log.*")) if path.stat().st_mtime < older_than]


def remove(paths: Sequence[Path]) -> None:
    """Delete files; one that is already gone is as good as deleted."""
    for path in paths:
        path.unlink(missing_ok=True)


def _unusable(path: Path) -> str | None:
    """Return why a path cannot be queued before it is opened: a pipe would block, a device would never end."""
    if not path.is_absolute():
        return "not an absolute path"
    try:
        if path.is_file():
            return None
        return "not a regular file" if path.exists() else "no such file, as the daemon sees it"
    except OSError as exc:
        return f"the daemon cannot read it: {exc.strerror}"
