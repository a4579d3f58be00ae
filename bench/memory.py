"""How much memory a real CPU worker takes: one process of the daemon's own, over short, ordinary and long clips.

The daemon runs with one CPU worker and all analyzers in their lite tier (no weights, no GPU). It is given a clip of
12 s, one of 10 minutes, and one of 30 s after it, so that what a long clip leaves behind counts; without `--quick` also
one without sound and one of 1920x1080. The kernel keeps the highest resident memory of a process (VmHWM, proc(5)); the
clip in its slot is in it. After each clip the mark so far is shown. A highest value needs no repetition.

Bound: 900 MiB.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from bench import samples
from bench.costs import memory_mib
from bench.demo import BIN, daemon, private_environment
from bench.report import Row, arguments, finish
from tiktokd.client import Client
from tiktokd.protocol import WorkerSnapshot

MOST_MIB = 900.0
LONG_S, ORDINARY_S, SHORT_S = 600.0, 30.0, 12.0
WAIT_S = 600


def main() -> int:
    """Measure, print, and return 1 where the bound is missed."""
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="tiktokd-memory-") as private:
        marks = peaks(Path(private), clips(Path(private) / "clips", all_kinds=not args.quick))
    highest = marks[-1][1]
    rows = [Row(what=f"  after {name}", value=mark, unit="MiB") for name, mark in marks]
    verdict = Row(
        what="peak memory of a CPU worker",
        value=highest,
        unit="MiB",
        ratio=highest / MOST_MIB,
        bound=f"≤ {MOST_MIB:g}",
        ok=highest <= MOST_MIB,
        note="of the bound; lite tier, its slot included",
    )
    return finish("memory", [*rows, verdict], args)


def clips(directory: Path, *, all_kinds: bool) -> list[tuple[str, Path]]:
    """Return what each clip is, and its file, in the order in which they are to be analyzed."""
    ordinary = samples.make(directory / "ordinary", count=1, seconds=ORDINARY_S)[0]
    long = samples.repeat(ordinary, directory / "long.mp4", times=round(LONG_S / ORDINARY_S))
    found = [("12 s", samples.make(directory / "short", count=2, seconds=SHORT_S)[1])]
    if all_kinds:
        found.append(("12 s without sound", samples.make(directory / "mute", count=1, sound=False)[0]))
        wide = samples.make(directory / "wide", count=3, seconds=SHORT_S, size=(1920, 1080))[2]
        found.append(("12 s of 1920x1080", wide))
    return [*found, ("10 minutes", long), ("30 s, after it", ordinary)]


def peaks(directory: Path, todo: list[tuple[str, Path]]) -> list[tuple[str, float]]:
    """Return the worker's highest memory in MiB after each clip."""
    environment = private_environment(directory) | {
        "TIKTOKD_CPU__WORKERS": "1",
        "TIKTOKD_DOWNLOAD__WORKERS": "0",
        "TIKTOKD_GPU__DEVICES": "[]",
        "TIKTOKD_ANALYSIS__MODELS_DIR": str(directory / "no-models"),
        "HF_HOME": str(directory / "no-hub"),
    }
    with daemon(environment, directory, Console(quiet=True)):
        client = Client(directory / "run" / "tiktokd.sock")
        found = list(_one_by_one(todo, environment, client))
        client.close()
    return found


def _one_by_one(
    todo: list[tuple[str, Path]], environment: dict[str, str], client: Client
) -> Iterator[tuple[str, float]]:
    first: int | None = None
    for name, path in todo:
        for words in (["add-files", str(path)], ["wait", "--timeout", str(WAIT_S)]):
            subprocess.run([BIN / "tiktokctl", *words], env=environment, check=True, capture_output=True)
        worker = _worker(client)
        first = first or worker.pid
        if worker.pid is None or worker.pid != first:
            raise SystemExit(f"the worker ended at the clip of {name}: its memory cannot be told")
        yield name, memory_mib("VmHWM", worker.pid)
    counts = client.status().counts
    if counts["completed"] != len(todo):
        raise SystemExit(f"not every clip was completed: {counts}")


def _worker(client: Client) -> WorkerSnapshot:
    return next(worker for worker in client.status().workers if worker.kind == "cpu")


if __name__ == "__main__":
    sys.exit(main())
