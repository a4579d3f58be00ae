"""What it costs to compare a finished video with all earlier ones: its picture, its sound and its post.

Bounds, at 100,000 videos: 50 ms per video for all of it together (hashes, embedding, sound, post), with its share of
the merges of the index files, for the median and for 95 of 100 videos; the event loop is held up by no more than 50 ms;
memory of the process grows by no more than 128 MiB, at any moment. Planted copies, edited copies and sounds (also at
another speed) must be found: a search that finds nothing is quick.

95 of 100 is judged by the CPU time, which says the same on a busy machine; the clock's is in the table beside it.
`--quick` does the same at 10,000 videos.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import sqlalchemy as sa

from bench.corpus_made import SPACE, STAMPS, Planted, Question, fill
from bench.report import Row, arguments, finish
from tiktokd.model import Claim, Metadata
from tiktokd.scheduler import corpus_semantic, schema, store_corpus
from tiktokd.scheduler.corpus import Corpus
from tiktokd.scheduler.corpus_form import POSTINGS, SKETCHES
from tiktokd.scheduler.corpus_index import TAIL_ENTRIES
from tiktokd.scheduler.corpus_keeper import Keeper
from tiktokd.scheduler.database import Database

FULL, QUICK = 100_000, 10_000
BOUND_MS, LOOP_BOUND_MS, MEMORY_BOUND_MIB = 50.0, 50.0, 128.0


def rss_mib(peak: bool = False) -> float:
    """Return the resident memory of this process, file pages included; the highest since `reset_peak`."""
    word = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1024


def reset_peak() -> None:
    """Forget the highest resident memory."""
    Path("/proc/self/clear_refs").write_text("5")


class Asked:
    """What the questions gave."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.cpu_ms: list[float] = []
        self.copies: list[bool] = []
        self.edits: list[bool] = []
        self.sounds: list[bool] = []
        self.late_ms: list[float] = []


async def ask(corpus: Corpus, database: Database, questions: Iterator[tuple[int, Question]]) -> Asked:
    """Complete the videos one after another; the write itself is not measured."""
    asked = Asked()
    watch = asyncio.create_task(_watch(asked.late_ms))
    for seq, question in questions:
        await _ask_one(corpus, database, seq, question, asked)
    watch.cancel()
    return asked


async def _ask_one(corpus: Corpus, database: Database, seq: int, question: Question, asked: Asked) -> None:
    claim = Claim(
        id=f"q{seq}", url="", token=f"processing.{seq}.1", attempts=0, priority=5,
        metadata=Metadata(view_count=1000, channel_id=f"@{seq % 997}"),
    )  # fmt: skip
    outside, outside_cpu = 0.0, 0.0

    async def write(compared: store_corpus.Compared) -> list[int]:
        nonlocal outside, outside_cpu
        started, used = time.perf_counter(), time.process_time()
        copies, edits, sounds = question.found(compared.outputs)
        asked.copies.append(copies)
        asked.edits.append(edits)
        asked.sounds.append(sounds)
        revisions = await database.write(_store, seq, compared)
        outside, outside_cpu = time.perf_counter() - started, time.process_time() - used
        return revisions

    started, used = time.perf_counter(), time.process_time()
    await corpus.complete(claim, question.outputs, question.signals, write)
    asked.ms.append((time.perf_counter() - started - outside) * 1000)
    asked.cpu_ms.append((time.process_time() - used - outside_cpu) * 1000)


def _store(conn: sa.Connection, seq: int, compared: store_corpus.Compared) -> list[int]:
    row = {"seq": seq, "id": f"q{seq}", "url": "", "state": "completed", "rank": 0.0, **STAMPS}
    conn.execute(sa.insert(schema.processing_queue), [row])
    if (post := compared.post) is not None:
        values = {name: getattr(post, name) for name in ("creator", "views", "views_per_day")}
        conn.execute(sa.insert(schema.corpus_posts), [{"seq": seq, **values, "features": dict(post.features)}])
    values = [
        {"seq": seq, "kind": p.kind, "cluster": p.cluster, "entry": p.entry, "exact": p.exact} for p in compared.prints
    ]
    returned = sa.insert(schema.corpus_prints).returning(schema.corpus_prints.c.revision)
    return [int(conn.execute(returned, value).scalar_one()) for value in values]


async def _watch(late_ms: list[float]) -> None:
    """Note by how much the loop is late for a nap of 5 ms."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.005)
        late_ms.append((time.perf_counter() - started - 0.005) * 1000)


def measure(folder: Path, videos: int, questions: int) -> list[Row]:
    """Make a corpus, ask it, and return the table."""
    rng = np.random.default_rng(1)
    database = Database.open(f"sqlite:///{folder / 'tiktokd.db'}")
    planted = Planted(rng)
    fill(database, videos, planted, rng)
    prepared = [(videos + 1 + number, Question(number, planted, rng)) for number in range(questions)]
    before = rss_mib()
    reset_peak()
    started = time.perf_counter()
    _open(database, folder)
    made_s = time.perf_counter() - started
    started = time.perf_counter()
    corpus = _open(database, folder)
    opened_s = time.perf_counter() - started
    asked = asyncio.run(ask(corpus, database, iter(prepared)))
    corpus.close()
    del corpus
    used = time.process_time()
    merged_s = _merge(database, folder)
    merged_cpu_s = time.process_time() - used
    peak, after = rss_mib(peak=True) - before, rss_mib() - before
    database.close()
    sizes = [path.stat().st_size for path in (folder / "corpus").iterdir()]
    share = merged_cpu_s * 1000 / TAIL_ENTRIES
    late = sorted(asked.late_ms)
    return [
        Row(what="earlier videos", value=videos, unit=""),
        _bounded("one video, median", median(asked.ms) + share, BOUND_MS, "ms", "and merges"),
        Row(what="one video, 95 of 100", value=float(np.percentile(asked.ms, 95)) + share, unit="ms"),
        _bounded("CPU of one video, median", median(asked.cpu_ms) + share, BOUND_MS, "ms", "and merges"),
        _bounded(
            "CPU of one video, 95 of 100", float(np.percentile(asked.cpu_ms, 95)) + share, BOUND_MS, "ms", "and merges"
        ),
        _bounded("event loop late, 99 of 100", late[int(len(late) * 0.99)], LOOP_BOUND_MS, "ms", "of 5 ms naps"),
        _found("copies found, none invented", asked.copies),
        _found("edited copies found, none invented", asked.edits),
        _found("sounds found, none invented", asked.sounds),
        _bounded("memory, peak", peak, MEMORY_BOUND_MIB, "MiB", "more than before it was opened"),
        Row(what="memory, afterwards", value=after, unit="MiB"),
        Row(
            what="index files", value=sum(sizes) / 2**20, unit="MiB", note=f"{sum(sizes) / videos / 1024:.1f} KiB each"
        ),
        Row(what="made anew from the rows", value=made_s, unit="s"),
        Row(what="opened", value=opened_s, unit="s", note="checksum included"),
        Row(what="merged", value=merged_s, unit="s", note=f"every {TAIL_ENTRIES} videos"),
    ]


def _open(database: Database, folder: Path) -> Corpus:
    keeper = Keeper(database, folder / "corpus", clock=time.monotonic)
    _all(keeper)
    return Corpus(database, keeper)


def _merge(database: Database, folder: Path) -> float:
    """Return the seconds that writing all files with what came since takes."""
    started = time.perf_counter()
    _all(Keeper(database, folder / "corpus", clock=time.monotonic, tail_entries=0))
    return time.perf_counter() - started


def _all(keeper: Keeper) -> None:
    for kind in schema.PRINT_KINDS:
        keeper.index(kind, POSTINGS)
    keeper.index(corpus_semantic.kind_of(SPACE), SKETCHES)


def _bounded(what: str, value: float, bound: float, unit: str, note: str) -> Row:
    return Row(
        what=what, value=value, unit=unit, ratio=value / bound, bound=f"≤ {bound:g}", ok=value <= bound, note=note
    )


def _found(what: str, right: list[bool]) -> Row:
    share = sum(right) / len(right)
    return Row(what=what, value=share, unit="", bound="≥ 0.95", ok=share >= 0.95, note=f"of {len(right)}")


def main() -> int:
    """Print the table; 1 where a bound was missed."""
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="tiktokd-corpus-") as folder:
        rows = measure(Path(folder), QUICK if args.quick else FULL, 40 if args.quick else 120)
    return finish("corpus", rows, args)


if __name__ == "__main__":
    sys.exit(main())
