"""The queue's speed, durable (`synchronous=FULL`), against other ways of doing the same, in one run.

Bounds:
* 10,000 URLs are added in at most 3 s, into an empty queue and into one with 1,000,000 finished videos.
* claim + finish, eight worker processes asking over pipes: at least 5 times the rate of eight processes that each open
  the file (same statements), at least 2 times Celery on redis-server with `appendfsync always`; huey on SQLite with
  fsync beside it. A rival that is not installed is named, and its bound is not checked.
* as fast (at least 0.7 times) with 1,000,000 finished videos standing in the tables.

Rates are medians over rounds, with the slowest and the fastest beside them; a ratio is the median of the ratios of each
round, in which both sides run one after the other.

`--quick` uses 200,000 standing videos and fewer jobs. `make rivals` installs celery and huey into `.venv-rivals`,
which is used where it is there; `--rivals-python PATH` names another Python that has them; redis-server is a program of
the system.
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.rivals.asking import Asking
from bench.rivals.launch import celery, huey
from bench.rivals.own_files import OwnFiles
from tiktokd.model import Envelope
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database

_OWN_VENV = Path(__file__).parents[1] / ".venv-rivals" / "bin" / "python"
RIVALS_PYTHON = str(_OWN_VENV) if _OWN_VENV.exists() else sys.executable
CLIENTS = 8
OPENERS_JOBS = 600
"""Per round of those who open the file: a shorter round would be as long as the nap that its last process takes."""
SYNCS = 200
ADD_BOUND_S = 3.0
OWN_FILE_BOUND = 5.0
CELERY_BOUND = 2.0
FLAT_BOUND = 0.7
"""A rate this much below the empty table's would be growth; less is the noise of the machine."""
OUTPUTS = {"loudness": Envelope(analyzer="loudness", version="1", status="ok", tier="full", summary={"number": 1})}
Row = dict[str, Any]


def main() -> int:
    """Run everything, print the table; 1 where a bound was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most 60 s")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--rivals-python", "--celery-python", default=RIVALS_PYTHON, help="has celery, redis, huey")
    parser.add_argument("--dir", type=Path, help="measure on this file system (default: the one of TMPDIR)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tiktokd-bench-", dir=args.dir) as folder:
        rows = measure(Path(folder), quick=args.quick, python=args.rivals_python)
    report = render(rows)
    print(report)
    if args.json:
        machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        about = {"benchmark": "queue", "machine": machine, "sqlite": sqlite3.sqlite_version, "quick": args.quick}
        about["load_average_1m"] = round(os.getloadavg()[0], 1)
        args.json.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")
    return 1 if any(row["ok"] is False for row in rows) else 0


def measure(folder: Path, *, quick: bool, python: str) -> list[Row]:
    """Return one row per measurement: name, value, unit, ratio and bound where there is one."""
    standing = 200_000 if quick else 1_000_000
    empty, full = folder / "empty.db", folder / "full.db"
    rows = [_add_row("add 10,000 URLs, empty queue", empty)]
    fill(full, standing)
    rows.append(_add_row(f"add 10,000 URLs, {standing:,} finished", full))
    rows.append(_sync_row(folder))
    rounds = 4 if quick else 9
    jobs = 500 if quick else 3_000
    ours: list[float] = []
    flat: list[float] = []
    own: list[float] = []
    thrifty: list[float] = []
    with (
        Asking(CLIENTS) as asking,
        OwnFiles(empty, CLIENTS) as alone,
        OwnFiles(empty, CLIENTS, together=True) as saving,
    ):
        for _ in range(rounds):  # interleaved: a busy minute of the machine hits all of them
            for file, rates in ((empty, ours), (full, flat)):
                add(file, jobs, downloaded=True)
                rates.append(asking.round(file))
            add(empty, OPENERS_JOBS, downloaded=True)
            own.append(alone.round())
            add(empty, OPENERS_JOBS, downloaded=True)
            thrifty.append(saving.round())
    rows.append(_rate("tiktokd: 8 processes over pipes, one writer", ours))
    rows.append(_rate(f"the same, {standing:,} finished", flat, ours, FLAT_BOUND, faster=True))
    rows.append(_rate("8 processes each open the file", own, ours, OWN_FILE_BOUND))
    rows.append(_rate("the same, finish and next claim in one transaction", thrifty, ours))
    tasks = 400 if quick else 5_000
    rows.append(_rate("Celery, redis appendfsync always", celery(folder, python, tasks), ours, CELERY_BOUND))
    rows.append(_rate("huey, SQLite with fsync", huey(folder, python, tasks), ours))
    return rows


def _add_row(name: str, file: Path) -> Row:
    Database.open(f"sqlite:///{file}").close()  # made beforehand: the clock is for the videos
    start = time.perf_counter()
    add(file, 10_000, downloaded=False)
    seconds = time.perf_counter() - start
    bound = f"<= {ADD_BOUND_S:g} s"
    return {"name": name, "value": seconds, "unit": "s", "ratio": None, "bound": bound, "ok": seconds <= ADD_BOUND_S}


def _sync_row(folder: Path) -> Row:
    """Return what the disk takes to keep 4 KiB for good: what group commit saves the others, and hence the ratios."""
    times_ms = []
    with (folder / "sync").open("wb") as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times_ms.append((time.perf_counter() - start) * 1e3)
    row: Row = {"name": "one fdatasync of 4 KiB", "value": statistics.median(times_ms), "unit": "ms", "ratio": None}
    return {**row, "bound": None, "ok": None}


def _rate(
    name: str,
    rates: list[float] | None,
    ours: list[float] | None = None,
    bound: float | None = None,
    *,
    faster: bool = False,
) -> Row:
    """A row of jobs per second; a rival that is not here has no value.

    The ratio is ours over theirs, or with `faster` theirs over ours: the median over the rounds where both ran in each
    round, else that of the medians.
    """
    row: Row = {"name": name, "value": None, "unit": "jobs/s", "ratio": None, "bound": None, "ok": None}
    if not rates:
        return row
    row |= {"value": statistics.median(rates), "rounds": [round(rate, 1) for rate in rates]}
    row |= {"min": min(rates), "max": max(rates)}
    if ours is None:
        return row
    if len(rates) != len(ours):
        ours, rates = [statistics.median(ours)], [statistics.median(rates)]
    pairs = zip(rates, ours, strict=True) if faster else zip(ours, rates, strict=True)
    row["ratio"] = statistics.median(above / below for above, below in pairs)
    return {**row, "bound": bound and f">= {bound:g} x", "ok": bound and row["ratio"] >= bound}


def render(rows: list[Row]) -> str:
    """Return the table."""
    lines = [f"{'':44} {'min':>9} {'median':>18} {'max':>9} {'ratio':>8} {'bound':>8}"]
    for row in rows:
        value = "not installed" if row["value"] is None else f"{row['value']:,.2f} {row['unit']}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f} x"
        low, high = (f"{row[end]:,.0f}" if row.get(end) else "" for end in ("min", "max"))
        verdict = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        lines.append(f"{row['name']:44} {low:>9} {value:>18} {high:>9} {ratio:>8} {row['bound'] or '':>8} {verdict}")
    return "\n".join(lines)


def add(file: Path, count: int, *, downloaded: bool) -> None:
    """Queue `count` new videos through the store."""
    db = Database.open(f"sqlite:///{file}")
    first = time.time_ns()
    path = "/nowhere.mp4" if downloaded else None
    items = [
        store.NewVideo(
            id=str(first + n),
            url=f"https://www.tiktok.com/@_/video/{first + n}",
            media_path=path,
            downloaded=downloaded,
        )
        for n in range(count)
    ]
    db.write_blocking(store.add, items, now=time.time())
    db.close()


def fill(file: Path, count: int) -> None:
    """Put `count` finished videos with their results and five events each straight into the tables."""
    Database.open(f"sqlite:///{file}").close()
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("BEGIN")
    db.execute(
        "CREATE TEMP TABLE n AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT ?) SELECT n FROM c",
        (count,),
    )
    db.execute(
        "INSERT INTO processing_queue (seq, id, url, state, priority, rank, enqueued_at, updated_at, finished_at,"
        " not_before, download_attempts, processing_attempts, throttles, crashes, claims, spooled)"
        " SELECT n, printf('7%018d', (n * 7919) % 1000003 * 1000 + n % 1000), 'https://www.tiktok.com/@_/video/' || n,"
        " 'completed', 5, n, n, n, n, 0, 0, 0, 0, 0, 2, 0 FROM n"
    )
    outputs = json.dumps({name: json.loads(value.model_dump_json()) for name, value in OUTPUTS.items()})
    db.execute("INSERT INTO video_analysis (seq, outputs, updated_at) SELECT n, ?, n FROM n", (outputs,))
    for event, before, after in (
        ("add", None, "pending"),
        ("claim_download", "pending", "downloading"),
        ("downloaded", "downloading", "downloaded"),
        ("claim_processing", "downloaded", "processing"),
        ("complete", "processing", "completed"),
    ):
        db.execute(
            "INSERT INTO job_events (seq, at, event, from_state, to_state) SELECT n, n, ?, ?, ? FROM n",
            (event, before, after),
        )
    db.execute("UPDATE counters SET videos = videos + ? WHERE state = 'completed'", (count,))
    db.execute("COMMIT")
    db.close()


if __name__ == "__main__":
    sys.exit(main())
