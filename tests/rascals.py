"""Handlers for tests of the supervisor: what they do is said by the id of the request."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from tiktokd.errors import NetworkError
from tiktokd.messages import Analyzed, AnalyzerFacts, Answer, Download, Downloaded, Ready, Request
from tiktokd.model import Metadata
from tiktokd.worker import Handler, WorkerSetup


class Rascal:
    """`ok`, `raise`, `exit 3`, `hang`, `grandchild` (starts one, then hangs), `big` (2 MiB of answer), `environment`,
    `forge` (answers another ticket, past the checks of `worker.turn`), `other kind` (the answer to another kind of
    request), `nonsense` (no message at all)."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup

    def ready(self) -> Ready:
        """Greet."""
        return Ready(pid=os.getpid(), versions={"rascal": "1"})

    def handle(self, request: Request) -> Answer:
        """Do what the id says."""
        assert isinstance(request, Download)
        title = "x"
        match request.id.split():
            case ["raise"]:
                raise NetworkError("told to")
            case ["exit", code]:
                os._exit(int(code))
            case ["hang"]:
                self._setup.report(progress_ratio=0.5, detail="hanging")
                threading.Event().wait()
            case ["grandchild"]:
                sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                Path(request.attempt_dir).write_text(str(sleeper.pid))
                threading.Event().wait()
            case ["big"]:
                title = "x" * 2**21
            case ["forge"]:
                forged = Downloaded(ticket="t/999", path="", sha256="", size_bytes=0, metadata=Metadata())
                self._setup.report.__self__.send(forged)  # type: ignore[attr-defined]
                threading.Event().wait()
            case ["other", "kind"]:
                return Analyzed(ticket=request.ticket, outputs={}, signals={}, wall_ms=0, cpu_ms=0)
            case ["nonsense"]:
                self._setup.report.__self__.send_bytes(b"\x00 nonsense")  # type: ignore[attr-defined]
                threading.Event().wait()
            case ["environment"]:
                title = f"{os.getpgrp() == os.getpid()} {os.environ.get('NOTIFY_SOCKET')}"
        return Downloaded(
            ticket=request.ticket, path="p", sha256="", size_bytes=1, metadata=Metadata(title=title)
        )  # fmt: skip

    def close(self) -> None:
        """Nothing to do."""


def start(setup: WorkerSetup) -> Handler:
    """Return a rascal."""
    return Rascal(setup)


class Judge(Rascal):
    """Says of the analyzer `a` what it can do: on a GPU nothing, on a CPU something."""

    def ready(self) -> Ready:
        """Greet."""
        facts = AnalyzerFacts(
            name="a", title="a", group="audio", level=1, tier="none" if self._setup.name.startswith("gpu") else "lite",
            reason=None, encoders=(), lightweight=True,
        )  # fmt: skip
        return Ready(pid=os.getpid(), analyzers=(facts,))


def judge(setup: WorkerSetup) -> Handler:
    """Return a judge."""
    return Judge(setup)


def not_ready(setup: WorkerSetup) -> Handler:
    """Never get ready."""
    threading.Event().wait()
    return Rascal(setup)


def unstartable(_setup: WorkerSetup) -> Handler:
    """Fail to start."""
    raise RuntimeError("told not to start")
