"""Decode a file and analyze it in this process: what tests of analyzers need, and nothing of queues or workers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tiktokd import decode, graph
from tiktokd.model import Clip, Envelope, Metadata
from tiktokd.plugins import ClipArrays, Context, LoadContext
from tiktokd.runner import Runner
from tiktokd.slots import ALIGN_BYTES, Region

SLOT_BYTES = 64 * 2**20
MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"


def media(*parts: str) -> Path:
    """Return a file of the shared test media, or skip the test where the folder does not exist."""
    path = MEDIA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no test media at ../shared/media/{'/'.join(parts)}")
    return path


def decode_file(path: Path, *, fps: float = 2.0) -> tuple[Clip, ClipArrays]:
    """Return the clip and its arrays, decoded into a slot of this process."""
    region = Region.create(1, SLOT_BYTES)
    clip = decode.decode(path, region.view(0), fps=fps, max_duration_s=3600.0, slot=0, generation=1)
    assert all(block.offset % ALIGN_BYTES == 0 for block in clip.blocks.values())
    arrays = {name: np.array(array) for name, array in region.arrays(0, clip.blocks).items()}
    region.close()
    return clip, ClipArrays(arrays)


def analyze_file(path: Path, names: Sequence[str], metadata: Metadata | None = None) -> dict[str, Envelope]:
    """Return the envelopes of the named analyzers and of those that they read, as the daemon would make them."""
    clip, arrays = decode_file(path)
    return analyze_arrays(clip, arrays, names, metadata)


def cpu_runner() -> Runner:
    """Return what a CPU worker runs analyses with where there is no GPU."""
    return Runner(LoadContext(threads=2), graph.without_gpu(graph.load()))


def analyze_arrays(
    clip: Clip,
    arrays: ClipArrays,
    names: Sequence[str],
    metadata: Metadata | None = None,
    *,
    runner: Runner | None = None,
) -> dict[str, Envelope]:
    """Return the envelopes for arrays that are decoded already, or made up.

    Args:
        runner: one that has analyzed others before; `None`: a fresh one.
    """
    runner = runner or cpu_runner()
    assert set(names) <= runner.catalogue.analyzers.keys(), "there is no such analyzer"
    context = Context(
        facts=clip.facts,
        arrays=arrays,
        audio48_covers_s=clip.audio48_covers_s,
        audio16_covers_s=clip.audio16_covers_s,
        metadata=metadata or Metadata(),
    )
    first = runner.level1(names, "all", context, lambda _name: None)
    second = Context(facts=clip.facts, metadata=metadata or Metadata(), outputs=first.outputs, signals=first.signals)
    return first.outputs | runner.level2(names, second, lambda _name: None).outputs
