"""What it costs to compare a finished video with all earlier ones: its picture, its sound and its post.

Bounds, at 100,000 videos: 50 ms per video for all three together, with their share of the merges of the index files
(the quickest quarter: the slower ones measure what else the machine does); the event loop is held up by no more than
50 ms; memory of the process grows by no more than 128 MiB, at any moment. Planted copies and sounds (also at another
speed) must be found: a search that finds nothing is quick.

`--quick` does the same at 10,000 videos. The made-up music has notes of one scale on a beat, as music has: its
landmarks occur again and again, which is what makes a search slow.
"""

import asyncio
import base64
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from bench.report import Row, arguments, finish
from tiktokd.model import Claim, Envelope, Metadata
from tiktokd.scheduler import corpus_picture, corpus_sound, schema, store_corpus
from tiktokd.scheduler.corpus import Corpus
from tiktokd.scheduler.corpus_index import TAIL_ENTRIES, Entry
from tiktokd.scheduler.corpus_keeper import Keeper
from tiktokd.scheduler.database import Database
from tiktokd.sound_hashes import Landmarks

FULL, QUICK = 100_000, 10_000
BOUND_MS, LOOP_BOUND_MS, MEMORY_BOUND_MIB = 50.0, 50.0, 128.0
PLANTED = 60
POOL = 300
"""Pieces of music whose hashes are mixed into the others'."""
FRAMES, SECONDS = 30, 30.0
NOW = 1_790_000_000.0
BATCH = 500


def music(rng: np.random.Generator) -> Landmarks:
    """Return 30 s of landmarks: a scale of its own tuning, chords and melody with overtones on a beat of its own."""
    root, beat_s = 220 * 2 ** rng.uniform(0, 1), 60 / rng.uniform(80, 150) / 2
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    times, pitches = [], []
    for beat in np.arange(0, SECONDS, beat_s):
        notes = rng.choice(scale, 3) + 12 * rng.integers(0, 2, 3)
        for harmonic in (1, 2, 3, 4):
            times += [beat] * 3
            pitches += (root * harmonic * 2 ** (notes / 12)).tolist()
    times_s = np.array(times) + rng.normal(0, 0.004, len(times))
    freq_hz = np.array(pitches) + rng.normal(0, 2.0, len(pitches))
    heard = np.flatnonzero((freq_hz > 250) & (freq_hz < 4000) & (times_s >= 0))
    kept = np.sort(rng.choice(heard, min(600, len(heard)), replace=False))
    order = kept[np.argsort(times_s[kept], kind="stable")]
    return Landmarks(time_s=times_s[order], freq_hz=freq_hz[order])


def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return (30, 4, 32) hashes: whole, two crops, mirrored."""
    return rng.integers(0, 256, (FRAMES, 4, 32), np.uint8)


def picture_summary(bits: NDArray[np.uint8]) -> dict[str, Any]:
    """Return what near_duplicate_video says."""
    frames = [[view.tobytes().hex() for view in frame] for frame in bits]
    pdq = [
        {"t_s": float(t), "hash_hex": f[0], "quality": 100, "flipped_hex": f[3], "cropped_hex": f[1:3]}
        for t, f in enumerate(frames)
    ]
    return {"pdq": pdq, "duplicate_cluster_id": None, "matches": []}


def sound_summary(sound: Landmarks) -> dict[str, Any]:
    """Return what sound_fingerprint says."""
    return {"landmarks": sound.pack(), "sound_cluster_id": None, "reuse_count": None, "matches": None}


def again(bits: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a re-encoded copy: about 12 bits of each hash turned over."""
    return bits ^ np.packbits(rng.random((*bits.shape, 8)) < 12 / 256, axis=-1)[..., 0]


def played(sound: Landmarks, ratio: float) -> Landmarks:
    """Return the sound at another speed, a fifth of its landmarks lost."""
    kept = np.arange(len(sound.time_s)) % 5 > 0
    return Landmarks(time_s=sound.time_s[kept] / ratio, freq_hz=sound.freq_hz[kept] * ratio)


class Crowd:
    """Prints of videos that nobody asks for, quickly made, with the keys that real ones have."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        pool = [corpus_sound.triples(music(rng), corpus_sound.FILED) for _ in range(POOL)]
        self._keys = np.concatenate([p.key for p in pool])
        self._pitch = np.concatenate([p.pitch for p in pool])
        self._exact = [base64.b64decode(music(rng).pack()) for _ in range(20)]

    def prints(self) -> tuple[store_corpus.NewPrint, ...]:
        """Return one video's prints."""
        chosen = self._rng.integers(0, len(self._keys), corpus_sound.FILED)
        time = np.sort(self._rng.integers(0, 7500, corpus_sound.FILED)).astype(np.uint32)
        sound = Entry(keys=self._keys[chosen], payload=time << np.uint32(16) | self._pitch[chosen])
        words = self._rng.integers(0, 65536, (4, corpus_picture.FILED_FRAMES_MIN, 16)).astype(np.uint32)
        what = np.array([0, 1, 1, 2], np.uint32)[:, None, None] * np.uint32(16) + np.arange(16, dtype=np.uint32)
        t_ms = np.linspace(0, 29_000, corpus_picture.FILED_FRAMES_MIN).astype(np.uint32)
        shown = Entry(
            keys=(words | what << np.uint32(16)).ravel(),
            payload=np.tile(np.repeat(t_ms, 16), 4),
        )
        head = corpus_picture.HEAD.pack(FRAMES, 3)
        times = np.arange(FRAMES).astype("<f4").tobytes() + b"\x64" * FRAMES
        return (
            _print("picture", shown, head + times + self._rng.bytes(FRAMES * 128)),
            _print("sound", sound, self._exact[int(self._rng.integers(len(self._exact)))]),
        )


def _print(kind: str, entry: Entry, exact: bytes) -> store_corpus.NewPrint:
    return store_corpus.NewPrint(kind=kind, cluster=0, entry=entry.pack(), exact=exact)


class Planted:
    """Videos that the questions are about."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.pictures = [picture(rng) for _ in range(PLANTED)]
        self.sounds = [music(rng) for _ in range(PLANTED)]

    def prints(self, number: int) -> tuple[store_corpus.NewPrint, ...]:
        """Return one video's prints."""
        shown = corpus_picture.read(picture_summary(self.pictures[number]))
        heard = corpus_sound.read(sound_summary(self.sounds[number]))
        assert shown is not None
        assert heard is not None
        return tuple(_print(p.kind, p.entry, p.exact) for p in (shown, heard))


def fill(database: Database, videos: int, planted: Planted, rng: np.random.Generator) -> None:
    """Write the rows of a corpus of `videos` videos, the planted ones among them."""
    crowd = Crowd(rng)
    places = dict(zip(rng.choice(videos, PLANTED, replace=False).tolist(), range(PLANTED), strict=True))

    def write(conn: sa.Connection, first: int, last: int) -> None:
        queue, prints, posts = [], [], []
        for number in range(first, last):
            seq = number + 1
            mine = planted.prints(places[number]) if number in places else crowd.prints()
            name = f"planted-{places[number]}" if number in places else f"v{number}"
            queue.append({"seq": seq, "id": name, "url": "", "state": "completed", "rank": 0.0, **_STAMPS})
            prints += [{"seq": seq, "kind": p.kind, "cluster": seq, "entry": p.entry, "exact": p.exact} for p in mine]
            views = int(10 ** rng.uniform(1, 7))
            posts.append({"seq": seq, "creator": f"@{number % 997}", "views": views, "views_per_day": views / 3})
        conn.execute(sa.insert(schema.processing_queue), queue)
        conn.execute(sa.insert(schema.corpus_prints), prints)
        conn.execute(sa.insert(schema.corpus_posts), [{**post, "features": {}} for post in posts])

    for first in range(0, videos, BATCH):
        database.write_blocking(write, first, min(first + BATCH, videos))


_STAMPS = {"enqueued_at": NOW, "updated_at": NOW, "finished_at": NOW}


class Question:
    """One new video and what it should find."""

    def __init__(self, number: int, planted: Planted, rng: np.random.Generator) -> None:
        kind = number % 4
        self.copy_of = f"planted-{number % PLANTED}" if kind == 1 else None
        self.sound_of = f"planted-{number % PLANTED}" if kind in (1, 2) else None
        shown, heard = picture(rng), music(rng)
        if self.copy_of is not None:
            shown = again(planted.pictures[number % PLANTED], rng)
        if self.sound_of is not None:
            heard = played(planted.sounds[number % PLANTED], 1.0 if kind == 1 else float(rng.uniform(0.82, 1.24)))
        reach = dict.fromkeys(("outlier_z", "percentile", "model")) | {"views_per_day": 1e4, "features": {}}
        summaries = {
            "near_duplicate_video": picture_summary(shown),
            "sound_fingerprint": sound_summary(heard),
            "virality_features": reach,
        }
        self.outputs = {
            name: Envelope(analyzer=name, version="1", status="ok", tier="lite", summary=summary)
            for name, summary in summaries.items()
        }

    def found(self, outputs: Any) -> tuple[bool, bool]:
        """Return whether the copy and the sound were found, and nothing where there was nothing."""
        copies = [m["video_id"] for m in outputs["near_duplicate_video"].summary["matches"]]
        sounds = [m["video_id"] for m in outputs["sound_fingerprint"].summary["matches"] or []]
        return _right(copies, self.copy_of), _right(sounds, self.sound_of)


def _right(found: list[str], expected: str | None) -> bool:
    # Earlier questions were remembered: copies of the same planted video are right as well.
    return (expected in found) if expected is not None else found == []


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
        copies, sounds = question.found(compared.outputs)
        asked.copies.append(copies)
        asked.sounds.append(sounds)
        revisions = await database.write(_store, seq, compared)
        outside, outside_cpu = time.perf_counter() - started, time.process_time() - used
        return revisions

    started, used = time.perf_counter(), time.process_time()
    await corpus.complete(claim, question.outputs, write)
    asked.ms.append((time.perf_counter() - started - outside) * 1000)
    asked.cpu_ms.append((time.process_time() - used - outside_cpu) * 1000)


def _store(conn: sa.Connection, seq: int, compared: store_corpus.Compared) -> list[int]:
    row = {"seq": seq, "id": f"q{seq}", "url": "", "state": "completed", "rank": 0.0, **_STAMPS}
    conn.execute(sa.insert(schema.processing_queue), [row])
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
        _bounded(
            "one video, quickest quarter", float(np.percentile(asked.ms, 25)) + share, BOUND_MS, "ms", "and merges"
        ),
        Row(what="CPU of one video, median", value=median(asked.cpu_ms), unit="ms"),
        Row(what="CPU of one video, mean", value=mean(asked.cpu_ms), unit="ms"),
        Row(what="one video, median", value=median(asked.ms), unit="ms"),
        Row(what="one video, 95 of 100", value=float(np.percentile(asked.ms, 95)), unit="ms"),
        _bounded("event loop late, 99 of 100", late[int(len(late) * 0.99)], LOOP_BOUND_MS, "ms", "of 5 ms naps"),
        _found("copies found, none invented", asked.copies),
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
    for kind in schema.PRINT_KINDS:
        keeper.index(kind)
    return Corpus(database, keeper)


def _merge(database: Database, folder: Path) -> float:
    """Return the seconds that writing both files with what came since takes."""
    keeper = Keeper(database, folder / "corpus", clock=time.monotonic, tail_entries=0)
    started = time.perf_counter()
    for kind in schema.PRINT_KINDS:
        keeper.index(kind)
    return time.perf_counter() - started


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
