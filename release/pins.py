"""Pin the hub models that the code leaves open, before a release: `make pins`; `--check` fails while one is open.

Asks the hub once for the newest revision of each and writes it into the encoder's file. What it takes should then be
tried on real clips: a pin is a promise that these weights do what the documentation says.
"""

import argparse
import importlib
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tiktokd import graph, models_pull
from tiktokd.errors import TiktokdError
from tiktokd.plugins import Encoder, Weights

OPEN = re.compile(r"^( *)revision=None,$", re.MULTILINE)


def unpinned(encoders: Iterable[Encoder]) -> list[Encoder]:
    """Return the encoders whose weights come from a hub at no revision that the code names."""
    return [e for e in encoders if e.weights and e.weights.revision is None and e.weights.by_hand is None]


def newest(weights: Weights) -> str:
    """Return the 40 hex digits of a model's newest revision, which has safetensors.

    Raises:
        TiktokdError: the hub cannot be reached, does not know the model or has no safetensors of it.
    """
    with tempfile.TemporaryDirectory() as no_lock:
        return models_pull.order(weights, Path(no_lock)).revision


def write(path: Path, revision: str) -> None:
    """Put a revision where an encoder's file says `revision=None`; raises `ValueError` unless it says so once."""
    text, count = OPEN.subn(rf'\g<1>revision="{revision}",', path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{path} says revision=None {count} times; pin it by hand")
    path.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Pin what is open, or with `--check` only say what is."""
    parser = argparse.ArgumentParser(prog="release.pins", description="Pin the hub models that the code leaves open.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 while a model is open")
    check: bool = parser.parse_args(arguments).check
    left = 0
    for encoder in unpinned(graph.load().encoders.values()):
        assert encoder.weights is not None
        name = f"{encoder.weights.hub_id} (encoder {encoder.name})"
        try:
            revision = None if check else newest(encoder.weights)
        except TiktokdError as exc:
            print(f"✗ encoder {encoder.name}: {exc}")
            left += 1
            continue
        if revision is None:
            print(f"✗ {name} is open; run: make pins")
            left += 1
            continue
        write(Path(str(importlib.import_module(f"tiktokd.encoders.{encoder.name}").__file__)), revision)
        print(f"✓ {name}: {revision}; try it on real clips before the release")
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
