"""Writes the table of what each encoder and analyzer costs, in Markdown. Measures nothing itself (`bench.costs`)."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import report
from bench.costs import Cost, Task, measure
from tiktokd import decode, graph
from tiktokd.model import Clip
from tiktokd.slots import Region

ABOUT = """\
# What each encoder and analyzer costs

`python -m bench.analyzers {words}`, {day}; {machine}; no GPU, one thread.
Clip: {clip}. Decoding is not in it.

Each line is a process of its own. Processor time: *once* is loading plus what the first clip takes beyond later ones,
*per clip* the median of three later clips (of one where it takes over 10 s). Memory: highest growth of resident memory
over what stood just before, while loading and in the first clip. Whoever is first to need a library (cv2, onnxruntime,
torch) carries it, so the lines do not add up: a worker with everything is measured by `python -m bench.memory`.
Weights that need no conversion are mapped from their file and become resident when they are first used, not on loading.
"""
RANDOM = """\
*random*: no weights on this machine; the model was made at its published size, file size checked, with random weights.
Cost depends on the architecture, so time and memory are those of the real one, with three differences: the tokenizer
is a plain word list, text that is written runs to its limit (a real caption or transcript is shorter; Whisper's
attempts at other temperatures are included), and it is given speech from end to end, ViTPose one person per frame.
"""


def write(target: Path, clip_path: Path, *, words: str, models_dir: Path | None, random_weights: bool) -> None:
    """Measure everything on one clip and write the table to `target`."""
    region = Region.create(1, 64 << 20)
    clip = decode.decode(clip_path, region.view(0), fps=2.0, max_duration_s=600.0, slot=0, generation=1)
    catalogue = graph.load()
    encoders = list(_encoders(clip, region, catalogue, models_dir, random_weights))
    analyzers = [_told(measure(Task(kind="analyzer", name=n, clip=clip), region)) for n in catalogue.analyzers]
    facts = clip.facts
    about = ABOUT.format(
        words=words,
        day=datetime.now(UTC).date(),
        machine=report.machine(),
        clip=f"{clip_path.name}, {facts.duration_s:.0f} s, {facts.width_px}x{facts.height_px}",
    )
    parts = [about, _encoder_table(encoders), *([RANDOM] if random_weights else []), _analyzer_table(analyzers)]
    target.write_text("\n".join(parts))


def _encoders(
    clip: Clip, region: Region, catalogue: graph.Catalogue, models_dir: Path | None, random_weights: bool
) -> Iterator[Cost]:
    for name, spec in catalogue.encoders.items():
        cost = measure(Task(kind="encoder", name=name, clip=clip, models_dir=models_dir), region)
        if random_weights and spec.weights is not None and cost.load_ms is None:
            from bench import full_size  # torch: only where it is asked for

            with tempfile.TemporaryDirectory(prefix="tiktokd-random-") as private:
                full_size.write(name, spec.weights, Path(private))
                task = Task(kind="encoder", name=name, clip=clip, models_dir=Path(private), provided=True)
                cost = measure(task, region)
            if cost.run_ms is not None:
                cost = replace(cost, note="random")
        yield _told(cost)


def _told(cost: Cost) -> Cost:
    """Say on the way how far it is: the whole takes minutes."""
    print(
        f"  {cost.kind:<9}{cost.name:<24}{_number(cost.run_ms):>10} ms{_number(cost.run_mib):>8} MiB  {cost.note}",
        flush=True,
    )
    return cost


def _encoder_table(costs: Sequence[Cost]) -> str:
    """Return the Markdown of the encoders, the dearest first, those without a number last."""
    lines = [
        "| encoder | items | CPU ms, once | CPU ms per clip | peak MiB, loading | peak MiB, running | |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for cost in sorted(costs, key=_dearest_first):
        numbers = (cost.load_ms, cost.run_ms, cost.load_mib, cost.run_mib)
        shown = " | ".join(_number(n) for n in numbers)
        lines.append(f"| {cost.name} | {'' if cost.items is None else cost.items} | {shown} | {cost.note} |")
    return "\n".join(lines) + "\n"


def _analyzer_table(costs: Sequence[Cost]) -> str:
    """Return the Markdown of the analyzers, which load nothing: what they read is computed by encoders."""
    lines = ["| analyzer | CPU ms per clip | peak MiB | result |", "|---|--:|--:|---|"]
    ranked = sorted(costs, key=_dearest_first)
    lines += [f"| {c.name} | {_number(c.run_ms)} | {_number(c.run_mib)} | {c.note} |" for c in ranked]
    return "\n".join(lines) + "\n"


def _dearest_first(cost: Cost) -> float:
    return 1.0 if cost.run_ms is None else -cost.run_ms


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
