"""The control socket from the user's side: one method per verb, one clear sentence per trouble. Knows no terminal.

Synchronous and standard library only, because `tiktokctl status` has half a second including Python's own start.
"""

import dataclasses
import grp
import http.client
import json
import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tiktokd import __version__
from tiktokd.answers import read
from tiktokd.errors import TiktokdError
from tiktokd.paths import SOCKET_PATH_MAX_BYTES
from tiktokd.protocol import (
    API_HEADER,
    API_VERSION,
    HOST,
    VERSION_HEADER,
    CleanupAnswer,
    Event,
    Outcomes,
    Page,
    StatusAnswer,
)

CHUNK_BYTES = 64 * 1024


class Unreachable(TiktokdError):
    """There is no daemon to talk to; the message says what to do."""


class Refused(TiktokdError):
    """The daemon answered and did not do it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__(HOST, timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """One connection to the daemon; not for several threads at once."""

    def __init__(self, socket_path: Path, timeout_s: float = 60.0) -> None:
        self.socket_path, self._timeout_s = socket_path, timeout_s
        self._connection: _Connection | None = None

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # what there is

    def status(self) -> StatusAnswer:
        """Return counts, workers, rates and what is paused."""
        return read(StatusAnswer, self.get("/api/status"))

    def videos(self, *, state: str | None = None, limit: int = 50, after: str | None = None) -> Page:
        """Return one page of videos, newest first; `after` is the `next` of the page before."""
        return read(Page, self.get("/api/videos", state=state, limit=limit, after=after))

    def video(self, video_id: str) -> dict[str, Any]:
        """Return one video as in the export, with its history."""
        found: dict[str, Any] = self.get(f"/api/videos/{quote(video_id, safe='', errors='surrogateescape')}")
        return found

    def analyzers(self) -> list[dict[str, Any]]:
        """Return what each analyzer can do on this machine."""
        found: list[dict[str, Any]] = self.get("/api/analyzers")["analyzers"]
        return found

    # what changes something

    def add(self, urls: Sequence[str], *, priority: int, analyzers: Sequence[str] | None = None) -> Outcomes:
        """Queue URLs, ids or short links; one outcome per item, in order."""
        return self._outcomes("/api/queue/add", urls=list(urls), priority=priority, analyzers=analyzers)

    def add_files(self, paths: Sequence[Path], *, priority: int, analyzers: Sequence[str] | None = None) -> Outcomes:
        """Queue files that the daemon can read; one outcome per path, in order."""
        names = [str(path) for path in paths]
        return self._outcomes("/api/queue/add", paths=names, priority=priority, analyzers=analyzers)

    def requeue(
        self, ids: Sequence[str] = (), *, failed: bool = False, analyzers: Sequence[str] | None = None
    ) -> Outcomes:
        """Ask again for finished videos, by id or all failed ones."""
        return self._outcomes("/api/queue/requeue", ids=list(ids), failed=failed, analyzers=analyzers)

    def cancel(self, ids: Sequence[str]) -> Outcomes:
        """Take videos out of the queue; work in flight has stopped when this returns."""
        return self._outcomes("/api/queue/cancel", ids=list(ids))

    def set_priority(self, ids: Sequence[str], priority: int) -> Outcomes:
        """Change the priority (1..10) of waiting videos."""
        return self._outcomes("/api/queue/priority", ids=list(ids), priority=priority)

    def set_paused(self, lane: str, paused: bool) -> None:
        """Pause or resume download, processing or all; it holds when this returns."""
        self.post("/api/queue/pause" if paused else "/api/queue/resume", lane=lane)

    def cleanup(self, days: int, *, dry_run: bool) -> CleanupAnswer:
        """Remove media, events, metrics and logs of videos that finished more than `days` days ago."""
        return read(CleanupAnswer, self.post("/api/cleanup", days=days, dry_run=dry_run))

    # what streams

    def export(self, form: str, *, state: str | None = None, since: str | None = None) -> Iterator[bytes]:
        """Yield the export (`json` or `jsonl`) in pieces.

        Raises:
            Unreachable: also when the stream ends before its end.
        """
        response = self._send("GET", f"/api/export/{form}" + _query(state=state, since=since))
        try:
            while piece := response.read1(CHUNK_BYTES):
                yield piece
        except (http.client.IncompleteRead, OSError) as exc:
            raise Unreachable("the export broke off: tiktokd ended or was overloaded; run it again") from exc
        finally:
            self.close()

    def events(self, since: str | None = None) -> Iterator[Event]:
        """Yield what happens, for ever; `since` is `<incarnation>-<seq>` of the last event that was seen."""
        response = self._send("GET", "/api/events" + _query(since=since))
        try:
            for line in response:
                if line.startswith(b"data:"):
                    yield read(Event, json.loads(line[5:]))
        finally:
            self.close()

    # transport

    def get(self, path: str, **query: str | int | None) -> Any:
        """Return the decoded answer to a GET."""
        return self._whole("GET", path + _query(**query))

    def post(self, path: str, **body: Any) -> Any:
        """Return the decoded answer to a POST; arguments that are `None` are left out."""
        given = {key: value for key, value in body.items() if value is not None}
        return self._whole("POST", path, json.dumps(given).encode())

    def _outcomes(self, path: str, **body: Any) -> Outcomes:
        return read(Outcomes, self.post(path, **body))

    def _whole(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Return the decoded answer; a daemon may be killed in the middle of one."""
        response = self._send(method, path, body)
        try:
            return json.loads(response.read())
        except (http.client.HTTPException, OSError, ValueError) as exc:
            self.close()
            raise Unreachable("the answer broke off: tiktokd ended or was overloaded; try again") from exc

    def _send(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            response = self._respond(method, path, body, headers)
        except OSError as exc:
            self.close()
            raise Unreachable(trouble(self.socket_path, exc)) from exc
        except http.client.HTTPException as exc:
            self.close()
            raise Unreachable(f"what listens at {self.socket_path} does not speak HTTP; is it tiktokd?") from exc
        self._check_version(response)
        if response.status >= 400:
            raise _refusal(response.status, response.read())
        return response

    def _respond(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send on the open connection; where the daemon has closed it meanwhile, and only then, on a new one."""
        if self._connection is not None:
            with suppress(http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.request(method, path, body, headers)
                return self._connection.getresponse()
            self.close()
        self._connection = _Connection(self.socket_path, self._timeout_s)
        self._connection.request(method, path, body, headers)
        return self._connection.getresponse()

    def _check_version(self, response: http.client.HTTPResponse) -> None:
        """Refuse to guess at answers of another generation."""
        theirs, version = response.headers.get(API_HEADER), response.headers.get(VERSION_HEADER, "?")
        if theirs is None or not theirs.isdigit():
            raise Unreachable(f"what listens at {self.socket_path} is not tiktokd")
        if int(theirs) > API_VERSION:
            raise Unreachable(f"tiktokd {version} is newer than this tiktokctl {__version__}: upgrade tiktokctl")
        if int(theirs) < API_VERSION:
            raise Unreachable(f"tiktokd {version} is older than this tiktokctl {__version__}: restart the daemon")


def trouble(path: Path, error: OSError) -> str:
    """Return what an error of the socket at `path` means and what to do about it, on one line."""
    start = "start it with `systemctl start tiktokd` or `tiktokd`"
    if len(bytes(path)) > SOCKET_PATH_MAX_BYTES:
        return f"the socket path has {len(bytes(path))} bytes, Unix allows {SOCKET_PATH_MAX_BYTES}: {path}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"tiktokd is not running: there is no socket at {path}; {start}, or name another with --socket"
    if isinstance(error, PermissionError):
        return f"no permission to use {path}: {_how_to_join(path)}"
    if isinstance(error, ConnectionRefusedError) and not path.is_socket():
        return f"{path} is not a socket; name tiktokd's with --socket"
    if isinstance(error, ConnectionRefusedError):
        return f"tiktokd is not running: nobody listens at {path}; {start}"
    if isinstance(error, TimeoutError):
        return f"tiktokd does not answer at {path}; see `tiktokctl logs tiktokd`"
    return f"cannot talk to tiktokd at {path}: {error.strerror or error}"


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of several requests as those of one."""
    items = tuple(item for part in parts for item in part.items)
    return Outcomes(items=items, counts=dict(Counter(item.outcome for item in items)))


def as_json(answer: Any) -> str:
    """Return one of the dataclasses of `protocol` as indented JSON."""
    data = dataclasses.asdict(answer) if dataclasses.is_dataclass(answer) else answer  # type: ignore[arg-type]
    return json.dumps(data, indent=2, ensure_ascii=False)


def _how_to_join(path: Path) -> str:
    """Return how to get at the socket: the group of what stands in the way, the socket or a directory above it."""
    barrier = next(each for each in (path, *path.parents) if os.access(each, os.F_OK))
    try:
        owner = barrier.stat()
        group = grp.getgrgid(owner.st_gid).gr_name
    except (OSError, KeyError):
        return "use sudo"
    if owner.st_gid == 0 or not owner.st_mode & 0o070:
        return "use sudo"
    return f"join its group (sudo usermod -aG {group} $USER, then log in again), or use sudo"


def _refusal(status: int, body: bytes) -> Refused:
    try:
        error = json.loads(body)["error"]
        return Refused(status, str(error["code"]), str(error["message"]))
    except (ValueError, KeyError, TypeError):
        return Refused(status, "http", f"tiktokd answered HTTP {status}")


def _query(**values: str | int | None) -> str:
    given = {key: value for key, value in values.items() if value is not None}
    return "?" + urlencode(given) if given else ""
