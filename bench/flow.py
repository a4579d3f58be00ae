"""What optical flow costs with each of its two engines, side by side on one clip, and what moving it to a GPU costs.

OpenCV on one pair after the other, and the share of its dense flow; torch on the CPU, which is there to be compared and
not to be used; torch on a CUDA device where there is one, with wall time beside the processor time of the host. Then
the encoders that a GPU worker runs beside it, most of them after a CPU worker has run them too. One sample clip of 30 s
(`--quick`: 10 s), medians of three runs (torch on the CPU: one). No bounds: which engine runs is the device's matter.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench import samples
from bench.pipeline import SLOT_BYTES, like_a_worker
from bench.report import Row, arguments, finish
from tiktokd import decode, graph
from tiktokd.encoders import flow
from tiktokd.plugins import ClipArrays, Context, LoadContext
from tiktokd.slots import Region

RUNS = 3
CLIP_S, SHORT_S = 30.0, 10.0
BESIDE = {
    "shots": "computed by both groups anyway",
    "letterbox": "computed by the GPU group too",
    "stillness": "computed by the GPU group too",
    "staging": "moves along",
}
"""What runs in the process of `flow`, for a machine with a GPU."""


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__)
    like_a_worker("bench.flow")
    region = Region.create(1, SLOT_BYTES)
    with tempfile.TemporaryDirectory(prefix="tiktokd-flow-") as private:
        path = samples.make(Path(private), count=1, seconds=SHORT_S if args.quick else CLIP_S)[0]
        clip = decode.decode(path, region.view(0), fps=2.0, max_duration_s=600.0, slot=0, generation=1)
    features: dict[str, Any] = {}
    arrays = ClipArrays(region.arrays(0, clip.blocks))
    context = Context(facts=clip.facts, arrays=arrays, features=features)
    rows = []
    for spec in graph.order(BESIDE, graph.load()):
        model = spec.load(LoadContext())

        def once(spec: Any = spec, model: Any = model) -> None:
            features[spec.name] = spec.collect(context, spec.encode(model, spec.items(context)))

        if spec.name in BESIDE:
            rows.append(_row(f"  beside it: {spec.name}", _spent(once), BESIDE[spec.name]))
        else:
            once()
    return finish("flow", engines(flow.ENCODER.items(context)[0]) + rows, args)


def engines(item: flow.Pairs) -> list[Row]:
    """Return the rows of all engines that this machine has."""
    import torch

    torch.set_num_threads(1)
    opencv, count = flow.ENCODER.load(LoadContext()), len(item.first)
    whole = _spent(lambda: flow.measure(opencv, item))
    dense = _spent(lambda: [flow.pair_flow(opencv, item.pictures[i], item.pictures[i + 1]) for i in item.first])
    beside = _spent(lambda: flow.measure(flow.on_device("cpu"), item), runs=1)
    rows = [
        _row("OpenCV", whole, f"{count} pairs"),
        _row("  dense flow alone", dense, "the rest is the camera's fit, lengths and patches", dense / whole),
        _row("torch, cpu", beside, "one thread; ratio to OpenCV", beside / whole),
    ]
    if torch.cuda.is_available():
        engine = flow.on_device("cuda")
        flow.measure(engine, item)  # the first run compiles and allocates
        walls: list[float] = []
        host = _spent(lambda: flow.measure(engine, item), walls)
        note = "ratio to OpenCV"
        rows += [_row("torch, cuda: host", host, note, host / whole)]
        rows += [_row("torch, cuda: wall", median(walls), note, median(walls) / whole)]
    else:
        print("no CUDA device: that engine was not measured")
    return rows


def _spent(once: Callable[[], object], walls: list[float] | None = None, runs: int = RUNS) -> float:
    """Return the median of processor seconds of this process, over all its threads."""
    spent = []
    for _ in range(runs):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        once()
        spent.append(time.process_time() - cpu_s)
        if walls is not None:
            walls.append(time.perf_counter() - wall_s)
    return median(spent)


def _row(what: str, seconds: float, note: str, ratio: float | None = None) -> Row:
    return Row(what=what, value=seconds, unit="s" if what.endswith("wall") else "CPU s", note=note, ratio=ratio)


if __name__ == "__main__":
    sys.exit(main())
