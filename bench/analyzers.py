"""What sharing encoders saves over all analyzers, and what each encoder and analyzer costs.

Full tier, by count: floating-point operations of a 30 s clip with every hub model, each encoder once, against each
analyzer running its own (with what the analyzers that it reads need). Operations per item are the encoders' own
figures, counted with torch's FlopCounterMode on full-size configurations; items per clip are those of a 30 s clip of
576x1024 in which somebody speaks. Encoders without a count are left out on both sides.

Lite tier, measured: CPU seconds without decoding, everything together against each analyzer on its own; models are
loaded before. The sample clip has moving pictures, cuts, captions and music, and no speech; --clip takes another.

Bounds: at least 6 times fewer operations; at least 3 times fewer CPU seconds; at most 6 CPU seconds per 30 s clip; a
process with everything loaded stays below 900 MiB.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import samples
from bench.pipeline import SLOT_BYTES, Work
from bench.report import Row, arguments, finish
from tiktokd import graph
from tiktokd.config import Config
from tiktokd.daemon import environment
from tiktokd.plugins import LoadContext
from tiktokd.runner import Runner
from tiktokd.slots import Region

LEAST_FLOP_SAVING, LEAST_CPU_SAVING, MOST_CPU_S, MOST_MIB = 6.0, 3.0, 6.0, 900.0
CLIP_S = 30.0
ITEMS = {
    "siglip2": 32, "dfine": 16, "vitpose": 16, "nsfw": 8, "ast": 3, "whisper": 1, "captioner": 1, "ocr": 4,
    "siglip2_text": 1, "e5": 20,
}  # fmt: skip
"""Items of a 30 s clip; text models read about ten stretches, E5 their sentences and phrases too."""
TEXT_ITEMS = 10


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    if sys.argv[1:2] == ["--memory-of"]:
        return memory_of(Path(sys.argv[2]))
    args = arguments(__doc__)
    threads = environment(Config())
    if any(os.environ.get(name) != value for name, value in threads.items()):
        # As in the daemon's workers. Libraries read it when they are imported: too late for this process.
        os.execve(sys.executable, [sys.executable, "-m", "bench.analyzers", *sys.argv[1:]], {**os.environ, **threads})
    catalogue = graph.load()
    rows = operations(catalogue)
    with tempfile.TemporaryDirectory(prefix="tiktokd-analyzers-") as private:
        seconds = CLIP_S / 2 if args.quick else CLIP_S
        clip = samples.make(Path(private), count=1, seconds=seconds)[0]
        rows += processor_time(clip, seconds, catalogue, repeats=1 if args.quick else 3)
        rows += memory(clip)
    return finish("analyzers", rows, args)


def flop(encoders: set[str], catalogue: graph.Catalogue) -> float:
    """Return GFLOP of one clip for these encoders and those that they use, each once."""
    total = 0.0
    for spec in graph.order(encoders, catalogue):
        if spec.gflop_per_item:
            total += spec.gflop_per_item * ITEMS.get(spec.name, TEXT_ITEMS if spec.input == "text" else 1)
    return total


def closure(name: str, catalogue: graph.Catalogue) -> set[str]:
    """Return every encoder that an analyzer needs, also through the analyzers whose outputs it reads."""
    spec = catalogue.analyzers[name]
    found = {*spec.uses, *spec.optional, *spec.signals}
    for earlier in spec.after:
        if earlier in catalogue.analyzers:
            found |= closure(earlier, catalogue)
    return found


def operations(catalogue: graph.Catalogue) -> list[Row]:
    """Count the full tier."""
    alone = {name: flop(closure(name, catalogue), catalogue) for name in catalogue.analyzers}
    shared = flop({e for name in catalogue.analyzers for e in closure(name, catalogue)}, catalogue)
    saving = sum(alone.values()) / shared
    return [
        Row(what="full tier, shared", value=shared, unit="GFLOP", note=f"{len(alone)} analyzers, by count"),
        Row(
            what="full tier, each its own",
            value=sum(alone.values()),
            unit="GFLOP",
            ratio=saving,
            bound=f"≥ {LEAST_FLOP_SAVING:g}",
            ok=saving >= LEAST_FLOP_SAVING,
            note="times the shared count",
        ),
    ]


def processor_time(clip: Path, seconds: float, catalogue: graph.Catalogue, repeats: int) -> list[Row]:
    """Measure the lite tier."""
    region, runner = Region.create(1, SLOT_BYTES), Runner(LoadContext(threads=1), catalogue)
    work, names = Work(clip, region, runner), list(catalogue.analyzers)
    work.together(names)  # loads the models
    shared = min(sum(work.together(names)[1:]) for _ in range(repeats))
    alone = {name: sum(work.together([name])[1:]) for name in names}
    saving, per_clip = sum(alone.values()) / shared, shared * CLIP_S / seconds
    encoders = encoder_rows(work, names)
    return [
        Row(
            what="lite tier, shared",
            value=shared,
            unit="CPU s",
            bound=f"≤ {MOST_CPU_S:g}",
            ok=per_clip <= MOST_CPU_S,
            note=f"without decoding, {seconds:g} s clip; {per_clip:.2f} CPU s per {CLIP_S:g} s",
        ),
        Row(
            what="lite tier, each its own",
            value=sum(alone.values()),
            unit="CPU s",
            ratio=saving,
            bound=f"≥ {LEAST_CPU_SAVING:g}",
            ok=saving >= LEAST_CPU_SAVING,
            note="times the shared run",
        ),
        *(
            Row(what=f"  alone: {name}", value=cost * 1e3, unit="CPU ms")
            for name, cost in sorted(alone.items(), key=lambda pair: -pair[1])
        ),
        *encoders,
    ]


def encoder_rows(work: Work, names: list[str]) -> list[Row]:
    """Return the wall time of each encoder and analyzer in one shared run."""
    first, second = work.analyses(names)
    ms: Mapping[str, float] = {**first.encoder_ms, **second.encoder_ms}
    own = {n: e.wall_ms for n, e in {**first.outputs, **second.outputs}.items()}
    return [
        *(Row(what=f"  encoder {n}", value=v, unit="ms") for n, v in sorted(ms.items(), key=lambda p: -p[1])),
        *(Row(what=f"  analyzer {n}", value=v, unit="ms") for n, v in sorted(own.items(), key=lambda p: -p[1])),
    ]


def memory(clip: Path) -> list[Row]:
    """Return the peak memory of a process that runs everything, and of each stage by itself."""
    command = [sys.executable, "-m", "bench.analyzers", "--memory-of", str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = float(done.stdout.split()[-1])
    return [
        Row(
            what="peak memory of one worker",
            value=peak,
            unit="MiB",
            bound=f"≤ {MOST_MIB:g}",
            ok=peak <= MOST_MIB,
            note="all analyzers, lite tier, slot of 64 MiB included",
        )
    ]


def memory_of(clip: Path) -> int:
    """Run every analyzer twice over a clip and print this process's peak resident memory in MiB."""
    runner = Runner(LoadContext(threads=1))
    work = Work(clip, Region.create(1, SLOT_BYTES), runner)
    for _ in range(2):
        work.together(list(runner.catalogue.analyzers))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return 0


if __name__ == "__main__":
    sys.exit(main())
