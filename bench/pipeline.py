"""What one video costs on the CPU, what sharing the decoding saves, and what the daemon adds to it.

(a) Ten analyzers over a 30 s clip of 576x1024: CPU seconds per stage in this process, once as the program does it
(one decode, each encoder once), once with each analyzer on its own: decoding the file, running the encoders and the
analyzers that it needs. Models are loaded before. Beside it, without a bound: only the decoding repeated.
(b) Videos per hour through the real daemon from local files; and, with a single worker so that nothing runs side by
side, the share of wall time in which it neither decodes nor analyzes (scheduling, messages, database).

Bounds, on medians of at least three rounds: (a) at least 2.5 times fewer CPU seconds; (b) at most 5 % of wall time,
over all clips together. `--quick`: (a) a clip of 10 s, (b) clips of 5 s, one worker only.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench import samples
from bench.demo import BIN, daemon, private_environment
from bench.report import Row, arguments, finish
from tiktokd import graph, plugins
from tiktokd.config import Config
from tiktokd.daemon import environment
from tiktokd.decode import decode
from tiktokd.model import Clip
from tiktokd.plugins import ClipArrays, Context, LoadContext
from tiktokd.runner import Analysis, Runner
from tiktokd.slots import Region

TEN = (
    "visual_quality",
    "shot_boundaries",
    "motion",
    "color_palette",
    "near_duplicate_video",
    "loudness",
    "vocal_delivery",
    "on_screen_text",
    "language_identification",
    "entities_keywords",
)
LEAST_SAVING = 2.5
MOST_OVERHEAD = 0.05
SLOT_BYTES = 64 << 20
STAGES = ("decode_s", "analyze_all_s", "fuse_s")
"""Wall times in a video's `timings` that are work."""


def main() -> int:
    """Run both parts, print, and return 1 where a bound is missed."""
    args = arguments(__doc__)
    like_a_worker("bench.pipeline")
    with tempfile.TemporaryDirectory(prefix="tiktokd-pipeline-") as private:
        directory = Path(private)
        rows = sharing(directory, repeats=3 if args.quick else 5, seconds=10 if args.quick else 30)
        rows += end_to_end(directory, quick=args.quick)
    return finish("pipeline", rows, args)


def like_a_worker(module: str) -> None:
    """Go on with the thread counts of the daemon's workers, or idle BLAS threads that spin are counted as work.

    Libraries read them when they are imported, which is too late for this process: it becomes another.
    """
    threads = environment(Config())
    if any(os.environ.get(name) != value for name, value in threads.items()):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **threads})


def sharing(directory: Path, repeats: int, seconds: float) -> list[Row]:
    """Measure part (a)."""
    path = samples.make(directory / "one", count=1, seconds=seconds)[0]
    region, runner = Region.create(1, SLOT_BYTES), Runner(LoadContext(threads=1))
    ten = present(runner.catalogue)
    work = Work(path, region, runner)
    work.together(ten)  # loads the models
    decoding, level1, level2, alone = [], [], [], []
    each: dict[str, list[float]] = {name: [] for name in ten}
    for _ in range(repeats):
        spent = work.together(ten)
        decoding.append(spent[0])
        level1.append(spent[1])
        level2.append(spent[2])
        for name in ten:
            each[name].append(sum(work.together(needed(name, runner.catalogue))))
        alone.append(sum(found[-1] for found in each.values()))
    shared = median(map(sum, zip(decoding, level1, level2, strict=True)))
    again = shared + (len(ten) - 1) * median(decoding)
    saving = median(alone) / shared
    missing = f"; not there: {', '.join(sorted(set(TEN) - set(ten)))}" if len(ten) < len(TEN) else ""
    return [
        Row(what="decode", value=median(decoding), unit="CPU s"),
        Row(what="level 1: picture and sound", value=median(level1), unit="CPU s"),
        Row(what="level 2: text", value=median(level2), unit="CPU s"),
        Row(
            what=f"{len(ten)} analyzers, shared", value=shared, unit="CPU s", note=f"one clip of {seconds:g} s{missing}"
        ),
        *(Row(what=f"  alone: {name}", value=median(found), unit="CPU s") for name, found in each.items()),
        Row(
            what="each on its own",
            value=median(alone),
            unit="CPU s",
            ratio=saving,
            bound=f"≥ {LEAST_SAVING}",
            ok=saving >= LEAST_SAVING,
            note="times the shared run",
        ),
        Row(
            what="only decoding repeated",
            value=again,
            unit="CPU s",
            ratio=again / shared,
            note="times the shared run",
        ),
    ]


def present(catalogue: graph.Catalogue) -> list[str]:
    """Return those of the ten that there are."""
    return [name for name in TEN if name in catalogue.analyzers]


class Work:
    """Decoding and analyzing one file in this process."""

    def __init__(self, path: Path, region: Region, runner: Runner) -> None:
        self._path, self._region, self._runner = path, region, runner
        self._clip: Clip | None = None

    @property
    def duration_s(self) -> float:
        """Length of the clip that was decoded last."""
        assert self._clip is not None
        return self._clip.facts.duration_s

    def take(self, path: Path) -> None:
        """Go on with another file."""
        self._path = path
        self.decode()

    def together(self, names: Sequence[str]) -> tuple[float, float, float]:
        """Return the CPU seconds of decoding, level 1 and level 2 for these analyzers."""
        decode_s = cpu_s(self.decode)
        return decode_s, *self.analyze(names)

    def analyze(self, names: Sequence[str]) -> tuple[float, float]:
        """Return the CPU seconds of level 1 and level 2 on the clip that was decoded last."""
        found: list[Analysis] = []
        level1_s = cpu_s(lambda: found.append(self._level1(names)))
        level2_s = cpu_s(lambda: found.append(self._level2(names, found[0])))
        failed = [e for a in found for e in a.outputs.values() if e.status == "error"]
        if failed:
            raise SystemExit(f"{failed[0].analyzer}: {failed[0].message}")
        return level1_s, level2_s

    def _level1(self, names: Sequence[str]) -> Analysis:
        assert self._clip is not None
        clip = self._clip
        context = Context(
            facts=clip.facts,
            arrays=ClipArrays(self._region.arrays(0, clip.blocks)),
            audio48_covers_s=clip.audio48_covers_s,
            audio16_covers_s=clip.audio16_covers_s,
        )
        return self._runner.level1(names, "all", context, ignore)

    def _level2(self, names: Sequence[str], first: Analysis) -> Analysis:
        assert self._clip is not None
        context = Context(facts=self._clip.facts, outputs=first.outputs, signals=first.signals)
        return self._runner.level2(names, context, ignore)

    def decode(self) -> None:
        """Decode the file into the slot."""
        view = self._region.view(0)
        self._clip = decode(self._path, view, fps=2.0, max_duration_s=600.0, slot=0, generation=1)


def needed(name: str, catalogue: graph.Catalogue) -> list[str]:
    """Return the analyzer and, for level 2, those whose outputs it reads, each before who reads it."""
    spec = catalogue.analyzers[name]
    earlier = spec.after if plugins.level(spec) == 2 else ()
    within = [n for n in earlier if n in TEN and n in catalogue.analyzers]
    return list(dict.fromkeys([*(m for n in within for m in needed(n, catalogue)), name]))


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of all threads of this process during `work`."""
    started = time.process_time()
    work()
    return time.process_time() - started


def ignore(_name: str) -> None:
    """Nobody watches the progress."""


def end_to_end(directory: Path, *, quick: bool) -> list[Row]:
    """Measure part (b)."""
    clips, seconds = (4, 5) if quick else (16, 30)
    paths = samples.make(directory / "many", count=clips + 2, seconds=seconds)
    single = through_daemon(directory / "single", paths, workers="1")
    gaps = overhead(single)
    rows = [
        Row(
            what="neither decoding nor analyzing",
            value=gaps,
            unit="of wall",
            ratio=gaps,
            bound=f"≤ {MOST_OVERHEAD}",
            ok=gaps <= MOST_OVERHEAD,
            note=f"one worker, {clips} clips of {seconds:g} s",
        ),
        Row(what="end to end, one worker", value=per_hour(single), unit="videos/h", note="ten analyzers, CPU only"),
    ]
    if not quick:
        hourly = per_hour(through_daemon(directory / "auto", paths, workers='"auto"'))
        rows.append(Row(what="end to end, workers = auto", value=hourly, unit="videos/h"))
    return rows


def through_daemon(directory: Path, paths: Sequence[Path], workers: str) -> list[dict[str, Any]]:
    """Return the finished videos in the order in which they finished."""
    directory.mkdir()
    environment = private_environment(directory) | {
        "TIKTOKD_CPU__WORKERS": workers,
        "TIKTOKD_DOWNLOAD__WORKERS": "0",
        "TIKTOKD_GPU__DEVICES": "[]",
        "TIKTOKD_ANALYSIS__ANALYZERS": json.dumps(present(graph.load())),
    }
    out = directory / "out.json"
    with daemon(environment, directory, Console(quiet=True)):
        for words in (["add-files", *map(str, paths)], ["wait", "--timeout", "600"], ["export", "-o", str(out)]):
            subprocess.run([BIN / "tiktokctl", *words], env=environment, check=True, capture_output=True)
    videos = json.loads(out.read_text())["videos"]
    unfinished = [video["id"] for video in videos if video["state"] != "completed"]
    if unfinished or len(videos) != len(paths):
        raise SystemExit(f"{len(videos)} of {len(paths)} videos, not completed: {unfinished}")
    return sorted(videos, key=lambda video: str(video["finished_at"]))


def overhead(videos: list[dict[str, Any]]) -> float:
    """Return the share of wall time that no stage of any video accounts for, from the second finish to the last.

    The first videos are left out: while they ran, the worker was still loading its models.
    """
    busy_s = sum(v["timings"][k] for v in videos[2:] for k in v["timings"] if k in STAGES)
    return max(0.0, 1 - busy_s / window_s(videos))


def window_s(videos: list[dict[str, Any]]) -> float:
    """Return the seconds between the second and the last finish."""
    second, last = (datetime.fromisoformat(videos[index]["finished_at"]) for index in (1, -1))
    return (last - second).total_seconds()


def per_hour(videos: list[dict[str, Any]]) -> float:
    """Return the rate between the second and the last finish."""
    return (len(videos) - 2) * 3600 / window_s(videos)


if __name__ == "__main__":
    sys.exit(main())
