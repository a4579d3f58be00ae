"""What each encoder and each analyzer costs by itself: processor time and peak memory, each in a fresh process.

The clip is decoded once, before; every process gets it through the frame slots and touches all its pages first, and
what the plug-in needs (other encoders, outputs of other analyzers) is computed before its own measurement begins. Then
the kernel's high-water mark of resident memory is reset (`/proc/self/clear_refs`, proc(5)) before it loads and before
its first run: growth over what was resident just before. Freed heap is given back first (malloc_trim), or the
plug-in would seem to live on nothing. Linux only. Not a benchmark: `python -m bench.analyzers --table FILE` runs it.
"""

import ctypes
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tiktokd import graph
from tiktokd.errors import ModelMissing
from tiktokd.model import Clip, Metadata, Output
from tiktokd.pictures import Detection, FrameDetections
from tiktokd.plugins import Analyzer, ClipArrays, Context, Encoder, LoadContext, Result, level, skipped
from tiktokd.runner import Runner
from tiktokd.slots import Region
from tiktokd.sound import Speech
from tiktokd.worker import SharedRegion

Kind = Literal["encoder", "analyzer"]
TIMEOUT_S = 900.0
RUNS, LONG_MS = 3, 10_000.0
"""Runs after the first; their median is the cost per clip, what the first took beyond it belongs to loading. Where the
first takes longer than ten seconds it is the only one."""
READ = ("on_screen_text", "speech_transcription", "language_identification")
"""Analyzers whose outputs the text encoders read."""
PAGE = 4096
POST = Metadata(
    title="3 easy steps to fold a paper crane",
    description="3 easy steps to fold a paper crane! I love how calm this is. Follow @paper_daily for part 2 "
    "#origami #diy #papercraft. Which one should I try next? Tell me in the comments, the link is in my bio.",
    uploader="paper_daily",
    track="original sound",
    view_count=48_000,
    like_count=5_100,
    comment_count=210,
    repost_count=330,
    fetched_at_s=1_780_000_000.0,
    created_at_s=1_779_800_000.0,
)
"""What the post says: text for the text models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one process measures."""

    kind: Kind
    name: str
    clip: Clip
    """In slot 0."""
    models_dir: Path | None = None
    provided: bool = False
    """Give Whisper speech from end to end and ViTPose one person per frame: random weights would find nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One line of the table. `None`: it did not come to that; `note` says why."""

    kind: Kind
    name: str
    items: int | None = None
    load_ms: float | None = None
    """Processor time of loading, plus what the first run took beyond later ones."""
    run_ms: float | None = None
    """Processor time per clip, median of `RUNS`."""
    load_mib: float | None = None
    """Peak growth while loading: libraries that this process had not loaded yet are in it."""
    run_mib: float | None = None
    """Peak growth in the first run over what stood after loading."""
    note: str = ""


class Gauge:
    """Processor time and peak growth of resident memory of a `with` block."""

    cpu_ms: float
    peak_mib: float

    def __enter__(self) -> "Gauge":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        self._before_mib, self._started_s = memory_mib("VmRSS"), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_ms = (time.process_time() - self._started_s) * 1e3
        self.peak_mib = max(0.0, memory_mib("VmHWM") - self._before_mib)


def memory_mib(what: Literal["VmRSS", "VmHWM"], pid: int | Literal["self"] = "self") -> float:
    """Return the resident memory of a process in MiB, now or at its highest since the mark was last reset."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def measure(task: Task, region: Region) -> Cost:
    """Return the cost of one plug-in on the clip in slot 0, measured in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_child, args=(theirs, SharedRegion(region), task), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(TIMEOUT_S):
            return Cost(kind=task.kind, name=task.name, note=f"not done after {TIMEOUT_S:g} s")
        return Cost(**ours.recv())
    except EOFError:
        child.join(TIMEOUT_S)
        return Cost(kind=task.kind, name=task.name, note=f"its process ended with {child.exitcode}")
    finally:
        child.kill()
        child.join(TIMEOUT_S)


def _child(conn: Connection, region: Region, task: Task) -> None:
    np.frombuffer(region.view(0), np.uint8)[::PAGE].sum()
    context = Context(
        facts=task.clip.facts,
        arrays=ClipArrays(region.arrays(0, task.clip.blocks)),
        audio48_covers_s=task.clip.audio48_covers_s,
        audio16_covers_s=task.clip.audio16_covers_s,
        metadata=POST,
    )
    catalogue, found = graph.load(), list[Cost]()
    load = LoadContext(threads=1, models_dir=task.models_dir)
    if task.kind == "analyzer":
        probe = _analyzer_probe(catalogue.analyzers[task.name], found)
    else:
        provided = _provided(task.name, context) if task.provided else {}
        probe = _encoder_probe(catalogue.encoders[task.name], provided, load, found)
    why_not = _run(_with(catalogue, probe), probe, context, load)
    conn.send(asdict(found[0] if found else Cost(kind=task.kind, name=task.name, note=why_not)))


def _provided(name: str, context: Context) -> dict[str, Any]:
    """Return features of the encoders that `name` uses, as of a clip in which one person is seen and talks."""
    if name in ("whisper", "whisper_cpu"):
        whole_s = context.audio16_covers_s
        return {"vad": Speech(probability=np.ones(1, np.float32), spans=((0.0, whole_s),), duration_s=whole_s)}
    if name == "vitpose":
        person = Detection(label="person", score=0.9, box=(0.3, 0.2, 0.4, 0.7))
        times = context.arrays["frames_pts"][:16]
        return {"dfine": tuple(FrameDetections(pts_s=float(t), found=(person,)) for t in times)}
    return {}


def _with(catalogue: graph.Catalogue, probe: Analyzer) -> graph.Catalogue:
    """Return the catalogue with the probe in it, and with the CPU as the place of every model."""
    encoders = {n: replace(e, place="cpu") for n, e in catalogue.encoders.items()}
    analyzers = {n: replace(a, lightweight=True) for n, a in catalogue.analyzers.items()}
    return graph.Catalogue(encoders=encoders, analyzers={**analyzers, probe.name: probe})


def _run(catalogue: graph.Catalogue, probe: Analyzer, context: Context, load: LoadContext) -> str:
    """Run the probe after all that it needs; returns why it did not run, or nothing."""
    runner = Runner(load, catalogue)
    wanted = graph.with_read([probe.name], catalogue)
    done = runner.level1(wanted, "all", context, _ignore)
    if level(probe) == 2:
        later = replace(context, arrays=ClipArrays({}), outputs=done.outputs, signals=done.signals)
        done = runner.level2(wanted, later, _ignore)
    envelope = done.outputs[probe.name]
    if envelope.reason == "model_missing":
        return "no weights here"
    return envelope.message or envelope.reason or ""


def _encoder_probe(spec: Encoder, provided: Mapping[str, Any], load: LoadContext, found: list[Cost]) -> Analyzer:
    """Return an analyzer that needs what the encoder needs and measures the encoder when its turn comes."""

    def analyze(context: Context) -> Result:
        seen = replace(context, features={**context.features, **provided})
        found.append(_cost_of_encoder(spec, seen, load))
        return skipped("too_short")

    text = spec.input == "text"
    return Analyzer(
        name="probe",
        title="measures",
        group="text" if text else "video",
        output=Output,
        uses=tuple(name for name in spec.uses if name not in provided),
        after=tuple(dict.fromkeys((*spec.after, *READ))) if text else (),
        analyze=analyze,
    )


def _cost_of_encoder(spec: Encoder, context: Context, load: LoadContext) -> Cost:
    cost = Cost(kind="encoder", name=spec.name, items=len(spec.items(context)))
    if not cost.items:
        return replace(cost, note=f"nothing in this clip ({spec.nothing})")
    try:
        with Gauge() as loading:
            model = spec.load(load)
    except ModelMissing:
        return replace(cost, note="no weights here")

    def once() -> None:
        items = spec.items(context)
        done: list[Any] = []
        for start in range(0, len(items), spec.max_batch):
            done += spec.encode(model, items[start : start + spec.max_batch])
        spec.collect(context, done)

    return _timed(replace(cost, load_mib=loading.peak_mib), loading.cpu_ms, once)


def _analyzer_probe(spec: Analyzer, found: list[Cost]) -> Analyzer:
    """Return the analyzer, measuring itself when its turn comes."""

    def analyze(context: Context) -> Result:
        results: list[Result] = []
        cost = _timed(Cost(kind="analyzer", name=spec.name), 0.0, lambda: results.append(spec.analyze(context)))
        result = results[0]
        found.append(replace(cost, note=result.status + (f" ({result.reason})" if result.reason else "")))
        return result

    return replace(spec, analyze=analyze)


def _timed(cost: Cost, load_ms: float, once: Callable[[], object]) -> Cost:
    """Return the cost with its runs."""
    with Gauge() as first:
        once()
    later = []
    for _ in range(RUNS if first.cpu_ms < LONG_MS else 0):
        started_s = time.process_time()
        once()
        later.append((time.process_time() - started_s) * 1e3)
    per_clip = statistics.median(later or [first.cpu_ms])
    return replace(cost, load_ms=load_ms + max(0.0, first.cpu_ms - per_clip), run_ms=per_clip, run_mib=first.peak_mib)


def _ignore(_name: str) -> None:
    """Nobody watches the progress."""
