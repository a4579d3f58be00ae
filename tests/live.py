"""A real daemon in a process of its own, with its own directories, to be fed, watched and killed by tests."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 30.0
POLL_S = 0.02
SLOTS = "/memfd:tiktokd-slots"
SETTINGS = """
[daemon]
state_dir = "{state}"
drain_timeout_s = {drain}
stall_s = {stall}
crash_loop_count = {loop}
[download]
workers = 2
per_minute = 600
min_gap_s = 0
backoff_base_s = 0.2
backoff_cap_s = 0.5
timeout_s = {timeout}
[cpu]
workers = 2
[gpu]
devices = {devices}
attempts = 2
[analysis]
slots = 3
slot_mib = 8
"""


def until(happened: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> Any:
    """Return what `happened` returns once that is true; fails the test after `timeout_s` seconds."""
    ends = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (found := happened()):
        assert time.monotonic() < ends, f"not within {timeout_s:g} s: {what}"
        pause.wait(POLL_S)
    return found


def url(number: int) -> str:
    """Return the URL of a made-up post."""
    return f"https://www.tiktok.com/@toy/video/{video_id(number)}"


def video_id(number: int) -> str:
    """Return the id of that post."""
    return str(7_000_000_000_000_000_000 + number)


class Live:
    """One daemon, over all its lives."""

    def __init__(self, home: Path, *, module: str = "tests.toy_run", more: str = "", **settings: Any) -> None:
        self.home, self.module = home, module
        self.state, self.toys = home / "state", home / "toys"
        self.toys.mkdir(parents=True)
        self.config = home / "config.toml"
        given = {"drain": 20, "stall": 30, "loop": 50, "timeout": 60, "devices": '["cpu"]', **settings}
        self.config.write_text(SETTINGS.format(state=self.state, **given) + more)
        self.launcher: list[str] = []
        """Words before the daemon's own command line."""
        self.socket, self.database = self.state / "run" / "tiktokd.sock", self.state / "tiktokd.db"
        self.process: subprocess.Popen[str] | None = None
        self.lives = 0

    def start(self, *, wait: bool = True) -> "Live":
        """Start it, in `launcher` if that is set, and wait until it listens."""
        environment = {**os.environ, "TOY_DIR": str(self.toys), "PYTHONPATH": str(ROOT)}
        self.lives += 1
        with (self.home / f"out.{self.lives}").open("w") as out:
            self.process = subprocess.Popen(
                [*self.launcher, sys.executable, "-m", self.module, "--config", str(self.config)],
                stdout=out, stderr=subprocess.STDOUT, env=environment, text=True, cwd=ROOT,
            )  # fmt: skip
        if wait:
            until(self.listens, f"a daemon that listens; it said: {self.said()}")
        return self

    def said(self) -> str:
        """Return what this life has written to its terminal."""
        return (self.home / f"out.{self.lives}").read_text()

    def listens(self) -> bool:
        """Return whether the daemon answers; fails the test where it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        try:
            return bool(self.ask("GET", "/healthz")["ok"])
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to one request."""
        with closing(_Connection(self.socket)) as connection:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Host": "tiktokd", "Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            assert response.status == 200, text
            return json.loads(text)

    def add(self, *numbers: int, **scripts: str) -> None:
        """Queue made-up posts, all with these `stage=word` lines as their script."""
        for number in numbers:
            self.script(video_id(number), **scripts)
        answer = self.ask("POST", "/api/queue/add", {"urls": [url(n) for n in numbers]})
        assert answer["counts"] == {"added": len(numbers)}, answer

    def script(self, video: str, **scripts: str) -> None:
        """Tell the toys what to do with a video."""
        lines = "".join(f"{stage}: {word}\n" for stage, word in scripts.items())
        (self.toys / f"{video}.toy").write_text(lines)

    def go(self, number: int, stage: str) -> None:
        """Let toys that `wait` go on."""
        (self.toys / f"{video_id(number)}.{stage}.go").touch()

    def turns(self, number: int, stage: str) -> list[int]:
        """Return the pids of those who have taken up this stage, in order."""
        found = sorted(self.toys.glob(f"{video_id(number)}.{stage}.*.pid"))
        return [int(path.read_text()) for path in found]

    def taken_up(self, number: int, stage: str, times: int = 1) -> int:
        """Wait until a worker has taken up this stage for the n-th time; return its pid."""
        return (
            until(lambda: len(self.turns(number, stage)) >= times, f"{stage} of {number}")
            and self.turns(number, stage)[times - 1]
        )

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows of the database."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as conn:
            return conn.execute(query, values).fetchall()

    def row(self, number: int) -> dict[str, Any]:
        """Return the queue's row of a post."""
        names = ("state", "download_attempts", "processing_attempts", "crashes", "failure", "media_path")
        rows = self.sql(f"SELECT {', '.join(names)} FROM processing_queue WHERE id = ?", video_id(number))
        return dict(zip(names, rows[0], strict=True))

    def states(self) -> dict[str, int]:
        """Return state → number of videos."""
        return dict(self.sql("SELECT state, COUNT(*) FROM processing_queue GROUP BY state"))

    def reaches(self, number: int, state: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Wait until a post is in `state` and return its row."""
        until(lambda: self.row(number)["state"] == state, f"{state} of {number}: {self.row(number)}", timeout_s)
        return self.row(number)

    def outputs(self, number: int) -> dict[str, Any]:
        """Return the stored results of a post."""
        query = "SELECT a.outputs FROM video_analysis a JOIN processing_queue q USING (seq) WHERE q.id = ?"
        return dict(json.loads(self.sql(query, video_id(number))[0][0]))

    def moves(self, number: int) -> list[str]:
        """Return the names of the events in a post's history."""
        query = "SELECT e.event FROM job_events e JOIN processing_queue q USING (seq) WHERE q.id = ? ORDER BY event_id"
        return [name for (name,) in self.sql(query, video_id(number))]

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return the workers by name."""
        return {worker["name"]: worker for worker in self.ask("GET", "/api/status")["workers"]}

    def all_up(self) -> None:
        """Wait until every worker is idle or busy."""
        until(lambda: all(w["state"] in ("idle", "busy") for w in self.workers().values()), "workers that are up")

    def finished(self, id_: str) -> dict[str, Any]:
        """Return a video once it is completed."""

        def video() -> dict[str, Any]:
            found: dict[str, Any] = self.ask("GET", f"/api/videos/{id_}")
            return found

        return until(lambda: (found := video())["state"] == "completed" and found, "completed", timeout_s=60)

    def children(self) -> list[int]:
        """Return the pids of the daemon's children, the resource tracker included."""
        assert self.process is not None
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def slots(self) -> int:
        """Return the inode of the file of the frame slots, which has no name."""
        assert self.process is not None
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            if str(link.readlink()).startswith(SLOTS):
                return link.stat().st_ino
        raise AssertionError("the daemon has no frame slots")

    def move(self, state: Path) -> None:
        """Move the state directory of a daemon that is not running, and tell the settings so."""
        state.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(self.config.read_text().replace(str(self.state), str(state)))
        self.state = self.state.rename(state)
        self.socket, self.database = self.state / "run" / "tiktokd.sock", self.state / "tiktokd.db"

    def kill(self) -> list[int]:
        """SIGKILL the daemon; return the pids of the children that it had."""
        assert self.process is not None
        children = self.children()
        self.process.kill()
        self.process.wait(WAIT_S)
        return children

    def terminate(self) -> int:
        """SIGTERM the daemon; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("tiktokd", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


def alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def holders(slots: int) -> list[int]:
    """Return the pids of those who have these frame slots open or in their memory, on the whole machine."""
    return [int(process.name) for process in Path("/proc").glob("[0-9]*") if _holds(process, slots)]


def _holds(process: Path, slots: int) -> bool:
    try:
        mapped = [line.split() for line in (process / "maps").read_text().splitlines() if SLOTS in line]
        files = [link for link in (process / "fd").iterdir() if str(link.readlink()).startswith(SLOTS)]
        return any(int(words[4]) == slots for words in mapped) or any(f.stat().st_ino == slots for f in files)
    except OSError:  # it has just ended
        return False


@contextmanager
def live(home: Path, **settings: Any) -> Iterator[Live]:
    """A running daemon that is gone afterwards, whatever happened."""
    daemon = Live(home, **settings)
    try:
        daemon.start()
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(WAIT_S)
