"""What the daemon itself costs, with its real workers beside it, idle.

Bounds, on the median of several starts: ready (READY=1 at the notify socket, the API open) within 2 s of its start, on
a new state directory and on an old one; after SIGKILL in the middle of a video, a worker is at it again within 5 s of
the next start. And at most 1 % of a core while idle; at most 150 MiB resident, the highest value seen. The load of the
machine before the run is shown: what else it does counts against all of these.

Beside them, without a bound: how long Python alone takes to start and import nothing, CPU until ready, the time until
every worker is up, CPU of the idle workers, and how long SIGTERM takes when there is nothing to drain.
"""

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from bench import samples
from tiktokd.client import Client
from tiktokd.protocol import WorkerSnapshot

READY_BOUND_S = 2.0
IDLE_BOUND_RATIO = 0.01
RSS_BOUND_MIB = 150.0
RESUME_BOUND_S = 5.0
CLIPS, CLIP_S = 2, 8.0
TICKS_HZ = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    values: Sequence[float]
    """Of all measurements; what is judged is their median."""
    unit: str
    bound: float | None = None
    """Largest value allowed; `None`: for information."""

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """Share of the bound that is used; below 1 is good."""
        return None if self.bound is None else self.value / self.bound

    @property
    def ok(self) -> bool:
        """Whether the bound is kept."""
        return self.bound is None or self.value <= self.bound


class Running:
    """One daemon and its notify socket. What is still there at the end of the benchmark is killed."""

    all_of_them: ClassVar[list["subprocess.Popen[bytes]"]] = []

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = folder / f"notify{time.monotonic_ns()}"
        notify.bind(str(address))
        notify.settimeout(1.0)
        environment = {**os.environ, "NOTIFY_SOCKET": str(address), "TIKTOKD_DAEMON__STATE_DIR": str(folder / "state")}
        environment.pop("XDG_RUNTIME_DIR", None)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
        started = time.monotonic()
        with (folder / "out").open("a") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "tiktokd.daemon"], env=environment, stderr=out)
        self.all_of_them.append(self.process)
        with notify:
            self._wait_until_ready(notify)
        self.client = Client(folder / "state" / "run" / "tiktokd.sock")
        self.ready_s = time.monotonic() - started
        self.ready_cpu_s = cpu_s(self.process.pid)
        address.unlink()

    def _wait_until_ready(self, notify: socket.socket) -> None:
        while self.process.poll() is None:
            with suppress(TimeoutError):
                if b"READY=1" in notify.recv(4096):
                    return
        raise SystemExit(f"the daemon ended: {(self.folder / 'out').read_text()[-2000:]}")

    def workers_up_s(self) -> float:
        """Wait until all workers are idle; return how long that took from now."""
        started = time.monotonic()
        self.wait_for(lambda workers: all(worker.state == "idle" for worker in workers), "workers that are up")
        return time.monotonic() - started

    def wait_for(self, happened: Callable[[Sequence[WorkerSnapshot]], bool], what: str) -> None:
        """Ask for the workers until `happened`."""
        ends = time.monotonic() + TIMEOUT_S
        while time.monotonic() < ends:
            if happened(self.client.status().workers):
                return
            time.sleep(0.02)
        raise TimeoutError(f"no {what} after {TIMEOUT_S} s; see {self.folder}/state/log")

    def stop(self) -> float:
        """SIGTERM; return the seconds until it has ended."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT_S)
        self.client.close()
        return time.monotonic() - started


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def peak_rss_mib(pid: int) -> float:
    """Return the highest resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def measure(folder: Path, *, starts: int, idle_s: float) -> list[Row]:
    """Start it a few times, let the last one idle, and return the table."""
    fresh, old, used, ends, up = [], [], [], [], 0.0
    for number in range(starts):
        home = folder / str(number)
        home.mkdir()
        first = Running(home)
        fresh.append(first.ready_s)
        ends.append(first.stop())
        second = Running(home)
        old.append(second.ready_s)
        used.append(second.ready_cpu_s)
        if number == starts - 1:
            up = second.ready_s + second.workers_up_s()
            idle, workers, rss = _idle(second.process.pid, idle_s)
        ends.append(second.stop())
    clips = samples.make(folder / "clips", count=CLIPS, seconds=CLIP_S, size=(288, 512))
    resumed = [_resume_s(folder / f"resume{number}", clips) for number in range(starts)]
    return [
        Row(name="Python alone", values=[_python_s() for _ in range(starts)], unit="s"),
        Row(name="ready, new state directory", values=fresh, unit="s", bound=READY_BOUND_S),
        Row(name="ready, old state directory", values=old, unit="s", bound=READY_BOUND_S),
        Row(name="CPU of the daemon until ready", values=used, unit="s"),
        Row(name="all workers up", values=[up], unit="s"),
        Row(name="idle daemon", values=[idle], unit="cores", bound=IDLE_BOUND_RATIO),
        Row(name="idle workers, all together", values=[workers], unit="cores"),
        Row(name="resident memory of the daemon, peak", values=[rss], unit="MiB", bound=RSS_BOUND_MIB),
        Row(name="at work again after SIGKILL", values=resumed, unit="s", bound=RESUME_BOUND_S),
        Row(name="SIGTERM with nothing to drain", values=ends, unit="s"),
    ]


def _resume_s(home: Path, clips: Sequence[Path]) -> float:
    """Kill a daemon in the middle of a video; return the seconds from the next start to a worker at work."""
    home.mkdir()
    first = Running(home)
    first.client.add_files(clips, priority=5)
    first.wait_for(_at_work, "work")
    first.process.kill()
    first.process.wait(TIMEOUT_S)
    first.client.close()
    started = time.monotonic()
    second = Running(home)
    second.wait_for(_at_work, "work")
    resumed_s = time.monotonic() - started
    second.process.send_signal(signal.SIGTERM)
    second.stop()
    return resumed_s


def _at_work(workers: Sequence[WorkerSnapshot]) -> bool:
    return any(worker.state == "busy" for worker in workers)


def _idle(pid: int, idle_s: float) -> tuple[float, float, float]:
    """Return the cores that the daemon and its children use while idle, and the daemon's peak memory in MiB."""
    others = children(pid)
    started, own, theirs = time.monotonic(), cpu_s(pid), sum(map(cpu_s, others))
    time.sleep(idle_s)
    passed = time.monotonic() - started
    return (cpu_s(pid) - own) / passed, (sum(map(cpu_s, others)) - theirs) / passed, peak_rss_mib(pid)


def _python_s() -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.monotonic() - started


def render(rows: list[Row]) -> str:
    """Return the table."""
    lines = [f"{'':38} {'min':>9} {'median':>9} {'max':>9} {'bound':>7} {'ratio':>6}"]
    for row in rows:
        several = len(row.values) > 1
        low, high = (f"{limit(row.values):.4g}" if several else "" for limit in (min, max))
        bound = "" if row.bound is None else f"{row.bound:g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = "" if row.bound is None else "  ok" if row.ok else "  MISSED"
        lines.append(f"{row.name:38} {low:>9} {row.value:>9.4g} {high:>9} {bound:>7} {ratio:>6} {row.unit}{verdict}")
    return "\n".join(lines)


def main() -> int:
    """Print the table; 1 where a bound was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most 60 s")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tiktokd-bench-") as folder:
        load = os.getloadavg()[0]
        try:
            rows = measure(Path(folder), starts=3 if args.quick else 5, idle_s=10.0 if args.quick else 60.0)
        finally:
            for process in Running.all_of_them:
                process.kill()
    print(f"load average before: {load:.1f} on {os.cpu_count()} CPUs\n{render(rows)}")
    if args.json:
        machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        table = [{**asdict(row), "value": row.value, "ratio": row.ratio, "ok": row.ok} for row in rows]
        report = {
            "benchmark": "daemon",
            "machine": machine,
            "quick": args.quick,
            "load_average_1m": load,
            "rows": table,
        }
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
