"""What every benchmark prints: one table with ratios, the bounds, and the same as JSON."""

import argparse
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    """Against what `note` names."""
    bound: str = ""
    """For people: "≥ 0.8"."""
    ok: bool | None = None
    """Whether the bound holds; `None`: there is none."""
    note: str = ""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with `--quick` and `--json`, which each benchmark takes."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="at most 60 s")
    made.add_argument("--json", type=Path, help="write the results to this file")
    return made


def arguments(description: str | None) -> argparse.Namespace:
    """Return the arguments of a benchmark that takes no others."""
    return parser(description).parse_args()


def machine() -> str:
    """Return what the numbers were measured on."""
    return f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def finish(name: str, rows: list[Row], args: argparse.Namespace) -> int:
    """Print the table, write the file; return 1 where a bound was missed."""
    print(f"bench.{name} · {machine()}{' · quick' if args.quick else ''}")
    wide = max(len(row.what) for row in rows)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = {True: "ok", False: "MISSED", None: ""}[row.ok]
        print(
            f"  {row.what:<{wide}}  {row.value:>12,.3f} {row.unit:<9} {ratio:>7} {row.bound:>7} {verdict:<7}{row.note}"
        )
    if args.json:
        about = {"benchmark": name, "machine": machine(), "quick": args.quick}
        args.json.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
    return 1 if any(row.ok is False for row in rows) else 0
