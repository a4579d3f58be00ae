"""A child process: takes one request at a time from its pipe, answers it, shows that it lives. Knows no kind of work.

What a child does is a `Handler`, made by a function with a dotted name (`tiktokd.download:start`) that is imported
in the child alone. A child never opens the database and shares nothing with others but the frame slots.
"""

import ctypes
import errno
import faulthandler
import importlib
import importlib.metadata
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Protocol

from tiktokd import log, wire
from tiktokd.config import Config
from tiktokd.errors import Failure, ProtocolError, failure_of
from tiktokd.messages import Answer, Failed, Heartbeat, Ready, Request, Stop
from tiktokd.slots import Region

Kind = Literal["download", "cpu", "gpu"]

BEAT_S = 2.0
"""Seconds between heartbeats; `daemon.stall_s` (120) is many of them."""
BUSY_SHARE = 0.005
"""A child that works uses more than this share of a core. One that neither reports nor computes for
`daemon.stall_s` waits for something that will not come, so its heart does not beat."""
OOM_SCORE = 500
"""Added to the child's badness: when memory is short the kernel ends a worker, not the daemon (proc(5))."""
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
STAGES = {"Download": "download", "Decode": "decode", "Analyze": "analyze", "Fuse": "fuse"}
"""Type of a request → the stage that failures name."""

_logger = logging.getLogger(__name__)


class Report(Protocol):
    """Tells the daemon how far the current request is; cheap, callable from any thread, as often as you like."""

    def __call__(self, *, progress_ratio: float | None = None, detail: str | None = None) -> None:
        """`progress_ratio`: 0..1 of the current request; `detail`: for people (`3.1 of 8.0 MiB`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """What a handler may know when it starts."""

    name: str
    """`download_worker_0`: the name of its log file."""
    index: int
    """Number among the workers of its kind, from 0."""
    config: Config
    region: Region | None
    """The frame slots; `None` in a download worker."""
    device: str
    """torch's name of the device: `cpu` or `cuda:0`."""
    onnx_on_gpu: bool = False
    """See `graph.load`; the same for all workers of a daemon."""
    report: Report


class Handler(Protocol):
    """What a child does with its requests, one at a time, always from the main thread."""

    def ready(self) -> Ready:
        """Return the greeting: versions of the packages that matter, facts about the analyzers."""

    def handle(self, request: Request) -> Answer:
        """Return the answer, with the ticket of the request. Whatever is raised becomes `Failed`."""

    def close(self) -> None:
        """Give back what must not be left to the end of the process."""


Start = Callable[[WorkerSetup], Handler]
"""Type of the function that a target names; it may take `daemon.start_timeout_s` to load its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a child needs besides its settings."""

    kind: Kind
    index: int
    device: str
    onnx_on_gpu: bool
    parent_pid: int
    region: "SharedRegion | Region | None" = None
    """`SharedRegion` in the daemon; `spawn` makes it a `Region` in the child."""


@dataclass(frozen=True, slots=True)
class SharedRegion:
    """The frame slots on their way into a child: pickled while a process is spawned, it arrives as a `Region`."""

    region: Region

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand the descriptor over to the process that is being spawned."""
        return _attach, (reduction.DupFd(self.region.fd), self.region.slots, self.region.slot_bytes)


def _attach(descriptor: Any, slots: int, slot_bytes: int) -> Region:
    return Region(descriptor.detach(), slots, slot_bytes)


def run(target: str, name: str, config: Config, conn: Connection, extras: Extras) -> None:
    """Be the worker `name` until `Stop`, the end of the pipe, or the end of the daemon."""
    _bind_to_parent(name, extras.parent_pid)
    path = log.setup(name, config.log_dir, config.daemon.log_level)
    _log_crashes(path)
    pulse = Pulse(conn)
    threading.Thread(target=pulse.beat_forever, name="heartbeat", daemon=True).start()
    try:
        handler = _start(target)(
            WorkerSetup(
                name=name,
                index=extras.index,
                config=config,
                region=extras.region if isinstance(extras.region, Region) else None,
                device=extras.device,
                onnx_on_gpu=extras.onnx_on_gpu,
                report=pulse.report,
            )
        )
        pulse.send(handler.ready())
    except Exception:
        # The daemon shows the last lines of this log as the reason; an unlogged traceback would be lost.
        _logger.exception("cannot start %s", target)
        sys.exit(1)
    _logger.info("ready: %s on %s, pid %d", target, extras.device, os.getpid())
    _serve(handler, conn, pulse)
    handler.close()
    logging.shutdown()
    # Taking the interpreter apart with torch in it takes half a second for nothing.
    os._exit(0)


def _serve(handler: Handler, conn: Connection, pulse: "Pulse") -> None:
    """Answer requests until `Stop` or until the daemon is gone."""
    while True:
        try:
            request = wire.decode(conn.recv_bytes(wire.MAX_MESSAGE_BYTES))
        except EOFError:
            return
        if isinstance(request, Stop):
            return
        if type(request).__name__ not in STAGES:
            raise ProtocolError(f"{type(request).__name__} is not a request")
        turn(handler, request, pulse)  # type: ignore[arg-type]


def turn(handler: Handler, request: Request, pulse: "Pulse") -> None:
    """Answer one request: exactly one answer, whatever happens in the handler."""
    stage = STAGES[type(request).__name__]
    with log.about(getattr(request, "id", None)):
        pulse.begin(request.ticket)
        try:
            data = wire.encode(_checked(handler.handle(request), request))
        except Exception as exc:
            # The child's turn: one video's trouble, known or not, must not end the worker.
            failure = _failure(exc, stage)
            level = logging.ERROR if failure.failure_class == "bug" else logging.WARNING
            _logger.log(level, "%s failed: %s", stage, failure.message, exc_info=failure.failure_class == "bug")
            data = wire.encode(Failed(ticket=request.ticket, failure=failure))
        pulse.end()
        pulse.send_bytes(data)


def _checked(answer: Answer, request: Request) -> Answer:
    if getattr(answer, "ticket", None) != request.ticket:
        raise ProtocolError(f"{type(answer).__name__} does not carry the ticket of {type(request).__name__}")
    return answer


def _failure(exc: Exception, stage: str) -> Failure:
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(failure_class="local", stage=stage, message=f"no space left: {exc}")
    if isinstance(exc, MemoryError):
        return Failure(failure_class="resource", stage=stage, message="out of memory")
    return failure_of(exc, stage)


class Pulse:
    """Sends answers and heartbeats; the one place of a child that has a lock."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._sending = threading.Lock()
        self._ticket: str | None = None
        self._progress: float | None = None
        self._detail: str | None = None
        self._reported = False

    def begin(self, ticket: str) -> None:
        """A request was taken up."""
        self._progress = self._detail = None
        self._ticket = ticket

    def end(self) -> None:
        """The request is about to be answered."""
        self._ticket = self._progress = self._detail = None

    def report(self, *, progress_ratio: float | None = None, detail: str | None = None) -> None:
        """Remember how far the request is; the next heartbeat says it."""
        self._progress, self._detail, self._reported = progress_ratio, detail, True

    def send(self, message: Answer) -> None:
        """Send one message."""
        self.send_bytes(wire.encode(message))

    def send_bytes(self, data: bytes) -> None:
        """Send one encoded message; a daemon that is gone ends the process."""
        try:
            with self._sending:
                self._conn.send_bytes(data)
        except OSError:
            os._exit(0)

    def beat_forever(self) -> None:
        """Send a heartbeat every `BEAT_S` seconds as long as there is life in the main thread."""
        used_s, at_s = time.process_time(), time.monotonic()
        while True:
            time.sleep(BEAT_S)
            now_used_s, now_s = time.process_time(), time.monotonic()
            computing = now_used_s - used_s > BUSY_SHARE * (now_s - at_s)
            used_s, at_s = now_used_s, now_s
            if self._ticket is None or self._reported or computing:
                self._reported = False
                self.send(self._heartbeat())

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            ticket=self._ticket, progress_ratio=self._progress, detail=self._detail, rss_mib=resident_mib()
        )


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package, for the greeting."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def resident_mib() -> float | None:
    """Return the resident memory of this process in MiB; `None` where /proc is not there."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _bind_to_parent(name: str, parent_pid: int) -> None:
    """Die with the daemon, lead an own process group, leave Ctrl-C to the daemon."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        # It died before the line above; nobody would tell us any more.
        os._exit(1)
    libc.prctl(_PR_SET_NAME, name.replace("_worker", "")[:15].encode(), 0, 0, 0)
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # sd_notify is the daemon's alone.
    os.environ.pop("NOTIFY_SOCKET", None)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def _log_crashes(path: Path) -> None:
    """Write the Python stack into the log when native code ends the process (SIGSEGV, SIGABRT …)."""
    faulthandler.enable(path.open("a", encoding="utf-8"))


def _start(target: str) -> Start:
    module, _, function = target.partition(":")
    found: Start = getattr(importlib.import_module(module), function)
    return found
