"""What sharing encoders saves over all analyzers, and what each encoder and analyzer costs.

Full tier, by count: floating-point operations of a 30 s clip with every hub model, each encoder once, against each
analyzer running its own (with what the analyzers that it reads need). Operations per item are the encoders' own
figures, counted with torch's FlopCounterMode on full-size configurations; items per clip are those of a 30 s clip of
576x1024 in which somebody speaks. Encoders without a count are left out on both sides.

Lite tier, measured: processor time without decoding, models loaded before. Everything together on a 30 s clip, and
each encoder's part in it; then everything together against each analyzer on its own. Medians of at least three runs;
each analyzer on its own is run once (`--quick`: that comparison is made on the a clip of 10 s). The sample clip has
moving pictures, cuts, captions and music, and no speech; `--clip` takes another file.

`--table FILE` instead measures each encoder and analyzer in a process of its own and writes time and peak memory as
Markdown; with `--random-weights`, models that are not on this machine are made at their size. Takes minutes.

Bounds: at least 6 times fewer operations; at least 3 times fewer CPU seconds; at most 6 CPU seconds per 30 s clip.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

from bench import samples
from bench.pipeline import SLOT_BYTES, Work, like_a_worker
from bench.report import Row, finish, parser
from tiktokd import graph
from tiktokd.plugins import LoadContext
from tiktokd.runner import Runner
from tiktokd.slots import Region

LEAST_FLOP_SAVING, LEAST_CPU_SAVING, MOST_CPU_S = 6.0, 3.0, 6.0
CLIP_S, SHORT_S = 30.0, 10.0
LEAST_MS = 1.0
ITEMS = {
    "siglip2": 32, "dfine": 16, "vitpose": 16, "nsfw": 8, "ast": 3, "whisper": 1, "captioner": 1, "ocr": 4,
    "siglip2_text": 1, "e5": 20, "transnetv2": 18,
}  # fmt: skip
"""Items of a 30 s clip; text models read about ten stretches, E5 their sentences and phrases too; TransNet V2 takes
50 frames at a time."""
TEXT_ITEMS = 10
RUNS = 3
P, T = ParamSpec("P"), TypeVar("T")


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    args = _arguments()
    like_a_worker("bench.analyzers")
    with tempfile.TemporaryDirectory(prefix="tiktokd-analyzers-") as private:
        clip = args.clip or samples.make(Path(private), count=1, seconds=CLIP_S)[0]
        if args.table:
            return _write_table(args, clip)
        catalogue, meter = graph.load(), Meter()
        work = Work(clip, Region.create(1, SLOT_BYTES), Runner(LoadContext(threads=1), meter.watching(catalogue)))
        work.decode()
        rows = operations(catalogue) + together(work, meter, list(catalogue.analyzers))
        if args.quick and not args.clip:
            work.take(samples.make(Path(private) / "short", count=1, seconds=SHORT_S)[0])
        rows += apart(work, list(catalogue.analyzers))
    return finish("analyzers", rows, args)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--clip", type=Path, help="measure on this video instead of a sample")
    made.add_argument("--table", type=Path, help="write time and memory of each plug-in to this Markdown file")
    made.add_argument("--models-dir", type=Path, help="with --table: where weights lie")
    made.add_argument("--random-weights", action="store_true", help="with --table: make the models that are missing")
    return made.parse_args()


def _write_table(args: argparse.Namespace, clip: Path) -> int:
    from bench import cost_table

    words = "--table FILE" + (" --random-weights" if args.random_weights else "")
    words += f" --clip {args.clip.name}" if args.clip else ""
    random = args.random_weights
    cost_table.write(args.table, clip, words=words, models_dir=args.models_dir, random_weights=random)
    return 0


class Meter:
    """Processor time of each encoder and analyzer, run by run."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}

    def watching(self, catalogue: graph.Catalogue) -> graph.Catalogue:
        """Return the same plug-ins, each adding what it spends to `spent_s`; loading is not counted."""
        encoders = {
            name: replace(
                spec,
                items=self._timed(f"encoder {name}", spec.items),
                encode=self._timed(f"encoder {name}", spec.encode),
                collect=self._timed(f"encoder {name}", spec.collect),
            )
            for name, spec in catalogue.encoders.items()
        }
        analyzers = {
            name: replace(spec, analyze=self._timed(f"analyzer {name}", spec.analyze))
            for name, spec in catalogue.analyzers.items()
        }
        return graph.Catalogue(encoders=encoders, analyzers=analyzers)

    def _timed(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            started_s = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent_s[name] = self.spent_s.get(name, 0.0) + time.process_time() - started_s

        return timed


def flop(encoders: set[str], catalogue: graph.Catalogue) -> float:
    """Return GFLOP of one clip for these encoders and those that they use, each once."""
    total = 0.0
    for spec in graph.order(encoders, catalogue):
        if spec.gflop_per_item:
            total += spec.gflop_per_item * ITEMS.get(spec.name, TEXT_ITEMS if spec.input == "text" else 1)
    return total


def closure(name: str, catalogue: graph.Catalogue) -> set[str]:
    """Return every encoder that an analyzer needs, no extras, also through the analyzers whose outputs it reads."""
    spec = catalogue.analyzers[name]
    found = {n for n in (*spec.uses, *spec.optional, *spec.signals) if not graph.is_extra(n, catalogue)}
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


def together(work: Work, meter: Meter, names: list[str]) -> list[Row]:
    """Measure everything together, and each plug-in's part in it."""
    work.analyze(names)  # loads the models
    totals, parts = [], list[Mapping[str, float]]()
    for _ in range(RUNS):
        meter.spent_s = {}
        totals.append(sum(work.analyze(names)))
        parts.append(meter.spent_s)
    per_clip = median(totals) * CLIP_S / work.duration_s
    spent = {name: median(run.get(name, 0.0) for run in parts) * 1e3 for name in parts[0]}
    return [
        Row(
            what="lite tier, all together",
            value=median(totals),
            unit="CPU s",
            bound=f"≤ {MOST_CPU_S:g}",
            ok=per_clip <= MOST_CPU_S,
            note=f"without decoding, a clip of {work.duration_s:.1f} s; {per_clip:.2f} per {CLIP_S:g} s",
        ),
        *_dearest(spent),
    ]


def _dearest(spent_ms: Mapping[str, float]) -> list[Row]:
    """Return a row for each that takes a millisecond or more, and one for the rest."""
    ranked = sorted(spent_ms.items(), key=lambda pair: -pair[1])
    rest = sum(ms for _, ms in ranked if ms < LEAST_MS)
    shown = [Row(what=f"  {name}", value=ms, unit="CPU ms") for name, ms in ranked if ms >= LEAST_MS]
    return [*shown, Row(what=f"  all below {LEAST_MS:g} ms", value=rest, unit="CPU ms")]


def apart(work: Work, names: list[str]) -> list[Row]:
    """Measure each analyzer with encoders of its own against all of them together, on the same clip."""
    shared, alone = [], {}
    for part in (names[::3], names[1::3], names[2::3]):  # what the machine does in between meets both alike
        shared.append(sum(work.analyze(names)))
        alone |= {name: sum(work.analyze([name])) for name in part}
    saving = sum(alone.values()) / median(shared)
    return [
        Row(
            what="each analyzer its own",
            value=sum(alone.values()),
            unit="CPU s",
            ratio=saving,
            bound=f"≥ {LEAST_CPU_SAVING:g}",
            ok=saving >= LEAST_CPU_SAVING,
            note=f"times all together: {median(shared):.2f} CPU s, a clip of {work.duration_s:.1f} s",
        ),
        *_dearest({f"alone: {name}": cost_s * 1e3 for name, cost_s in alone.items()}),
    ]


if __name__ == "__main__":
    sys.exit(main())
