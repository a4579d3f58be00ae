"""How quickly the real daemon answers people, with 1,000,000 videos standing in its tables.

Bounds:
* `GET /api/status` at the socket: p99 at most 20 ms.
* `tiktokctl status`: median wall time, Python's start included, at most 0.5 s.
* `tiktokctl add-urls -f` of 10,000 URLs, durable: at most 3 s, with an empty queue and with the full one.
* `tiktokctl export` of all of them: at most 100 MiB of memory in the client.

`--quick` lets 200,000 videos stand in the tables.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.queue import fill
from bench.report import Row, arguments, finish
from tiktokd.client import Client, Unreachable

STATUS_BOUND_MS = 20.0
WALL_BOUND_S = 0.5
ADD_BOUND_S = 3.0
MEMORY_BOUND_MIB = 100.0
STARTS = 11
START_TIMEOUT_S = 60.0
URLS, ADDS = 10_000, 3
SETTINGS = """
[daemon]
state_dir = "{state}"
[download]
workers = 0
[cpu]
workers = 1
[gpu]
devices = []
[analysis]
slots = 1
slot_mib = 8
"""


def main() -> int:
    """Run everything, print the table; 1 where a bound was missed."""
    args = arguments(__doc__)
    standing, questions = (200_000, 1_000) if args.quick else (1_000_000, 3_000)
    with tempfile.TemporaryDirectory(prefix="tiktokd-bench-") as folder:
        empty, full = Path(folder) / "empty", Path(folder) / "full"
        full.mkdir()
        fill(full / "tiktokd.db", standing)
        with daemon(full) as config:
            with daemon(empty) as other:
                adds = [(add(other, turn), add(config, turn)) for turn in range(ADDS)]
            rows = measure(config, full, standing, questions, adds)
    return finish("status", rows, args)


def measure(config: Path, state: Path, standing: int, questions: int, adds: list[tuple[float, float]]) -> list[Row]:
    """Return the rows of the table, with `standing` videos in the daemon's tables.

    Args:
        adds: seconds of one `add-urls` each, with an empty and with the full queue, taken in turns.
    """
    empty_add_s, add_s = (statistics.median(column) for column in zip(*adds, strict=True))
    times_ms = ask(state, questions)
    p99 = statistics.quantiles(times_ms, n=100)[98]
    wall_s = statistics.median(timed(config, "status") for _ in range(STARTS))
    bare_s = statistics.median(_run([sys.executable, "-c", "pass"]) for _ in range(STARTS))
    export_s, memory_mib = export(config, state.parent / "out.json")
    word = f"{standing:,} videos"
    return [
        Row(what=f"status at the socket, {word}: median", value=statistics.median(times_ms), unit="ms"),
        Row(what=f"status at the socket, {word}: p99", value=p99, unit="ms", bound="≤ 20", ok=p99 <= STATUS_BOUND_MS),
        Row(
            what=f"tiktokctl status, {word}", value=wall_s, unit="s", ratio=wall_s / bare_s, bound="≤ 0.5",
            ok=wall_s <= WALL_BOUND_S, note="ratio to `python -c pass`",
        ),
        Row(
            what="tiktokctl add-urls, 10,000 URLs, empty queue", value=empty_add_s, unit="s", bound="≤ 3",
            ok=empty_add_s <= ADD_BOUND_S,
        ),
        Row(
            what=f"tiktokctl add-urls, 10,000 URLs, {word}", value=add_s, unit="s", ratio=add_s / empty_add_s,
            bound="≤ 3", ok=add_s <= ADD_BOUND_S, note="ratio to the empty queue",
        ),
        Row(what=f"tiktokctl export of {word}", value=(standing + URLS * ADDS) / export_s, unit="videos/s"),
        Row(
            what=f"tiktokctl export of {word}: memory of the client", value=memory_mib, unit="MiB", bound="≤ 100",
            ok=memory_mib <= MEMORY_BOUND_MIB,
        ),
    ]  # fmt: skip


@contextmanager
def daemon(state: Path) -> Iterator[Path]:
    """Run a daemon on a state directory; yields its configuration file."""
    state.mkdir(exist_ok=True)
    config = state / "config.toml"
    config.write_text(SETTINGS.format(state=state))
    with (state / "output").open("wb") as output:
        child = subprocess.Popen([sys.executable, "-m", "tiktokd.daemon", "--config", str(config)], stderr=output)
    try:
        _wait_for(state, child)
        yield config
    finally:
        child.terminate()
        child.wait(START_TIMEOUT_S)


def ask(state: Path, questions: int) -> list[float]:
    """Return how many milliseconds each of `questions` requests took over one connection."""
    client = Client(state / "run" / "tiktokd.sock")
    client.status()
    times = []
    for _ in range(questions):
        start = time.perf_counter()
        client.get("/api/status")
        times.append((time.perf_counter() - start) * 1000)
    client.close()
    return times


def add(config: Path, turn: int) -> float:
    """Return the seconds that `tiktokctl add-urls` takes for a file of URLs that are new in this turn."""
    first_id = 7_300_000_000_000_000_000 + turn * URLS
    file = config.with_name("urls.txt")
    lines = (f"https://www.tiktok.com/@someone/video/{first_id + number}\n" for number in range(URLS))
    file.write_text("".join(lines))
    return timed(config, "add-urls", "-f", str(file))


def export(config: Path, out: Path) -> tuple[float, float]:
    """Return the seconds of an export of everything, and the most memory that the client used, MiB."""
    start = time.perf_counter()
    child = subprocess.Popen(_command(config, "export", "-o", str(out)), stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the export ended with {child.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def timed(config: Path, *words: str) -> float:
    """Return the wall seconds of one `tiktokctl`, from start to exit."""
    return _run(_command(config, *words))


def _command(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "tiktokd.cli", "--config", str(config), *words]


def _run(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def _wait_for(state: Path, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and child.poll() is None:
        try:
            workers = Client(state / "run" / "tiktokd.sock").status().workers
        except Unreachable:
            workers = ()
        if workers and all(worker.state == "idle" for worker in workers):
            return  # the workers have loaded what they need: the machine is quiet
        time.sleep(0.1)
    raise SystemExit(f"the daemon did not start: {(state / 'output').read_text()[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
