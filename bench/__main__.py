"""Run every benchmark of this folder in its quick form, show how far it is, and say which bounds were missed."""

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

NOT_BENCHMARKS = {
    "__init__",
    "__main__",
    "corpus_made",
    "cost_table",
    "costs",
    "demo",
    "full_size",
    "report",
    "samples",
}
MISSED = 1
"""Exit status of a benchmark that missed a bound, or of one that raised: its own output above says which."""


def main() -> int:
    """Return 0 when every benchmark kept its bounds."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_BENCHMARKS)
    ends: dict[str, tuple[int, float]] = {}
    for number, name in enumerate(names, start=1):
        console.rule(f"{number} of {len(names)}: python -m bench.{name} --quick", align="left")
        started_s = time.monotonic()
        status = subprocess.run([sys.executable, "-m", f"bench.{name}", "--quick"], check=False).returncode
        ends[name] = (status, time.monotonic() - started_s)
    console.rule("all benchmarks", align="left")
    console.print(summary(ends))
    return 1 if any(status for status, _ in ends.values()) else 0


def summary(ends: dict[str, tuple[int, float]]) -> Table:
    """Return the closing table from exit status and seconds of each benchmark."""
    kept = sum(status == 0 for status, _ in ends.values())
    table = Table(caption=f"{kept} of {len(ends)} kept their bounds", caption_justify="left")
    table.add_column("benchmark")
    table.add_column("bounds")
    table.add_column("seconds", justify="right")
    for name, (status, seconds) in ends.items():
        word = {0: Text("kept", "green"), MISSED: Text("MISSED or failed", "bold red")}
        table.add_row(name, word.get(status, Text(f"ended with {status}", "bold red")), f"{seconds:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
