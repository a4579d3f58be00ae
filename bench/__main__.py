"""Run every benchmark of this folder in its quick form and say which bounds were missed."""

import subprocess
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "demo", "report", "samples"}


def main() -> int:
    """Return 0 when every benchmark kept its bounds."""
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_BENCHMARKS)
    missed = []
    for name in names:
        print(f"\n=== bench.{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}", "--quick"], check=False).returncode:
            missed.append(name)
    print(
        f"\n{len(names) - len(missed)} of {len(names)} benchmarks kept their bounds"
        + "".join(f"\n  missed: {m}" for m in missed)
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
