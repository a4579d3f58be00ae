"""What a worker has analyzed before changes nothing: the same video gives the same results, to the bit."""

import numpy as np
import pytest

from tests.analysis import analyze_arrays, cpu_runner
from tests.contexts import clip_of, facts, odd_clips, pictures, sound
from tiktokd import graph

ALL = tuple(graph.load().analyzers)


def moving_clip(size):
    """Return a textured picture that wanders, with a tone that rises."""
    rng = np.random.default_rng(5)
    width, height = size
    texture = np.kron(rng.integers(30, 220, (height // 4 + 20, width // 4 + 20), np.uint8), np.ones((4, 4), np.uint8))
    arrays = pictures(60, 4.0, lambda i: texture[i // 2 : i // 2 + height, i // 3 : i // 3 + width], size)
    times = np.arange(4 * 48_000) / 48_000
    return clip_of(
        facts(duration_s=4.0, frames=60, audio=True, size=size),
        arrays | sound(0.2 * np.sin(800 * times + 300 * times**2)),
    )


def told(outputs):
    return {name: each.model_dump(exclude={"wall_ms"}) for name, each in outputs.items()}


@pytest.mark.slow
def test_odd_videos_before_it_change_no_result():
    clip, arrays = moving_clip((144, 256))
    fresh = told(analyze_arrays(clip, arrays, ALL))
    runner = cpu_runner()
    made = odd_clips()
    before = [made[name] for name in ("black", "one_frame_with_sound", "square", "silence_only")]
    for odd, pixels in [*before, moving_clip((16, 16)), moving_clip((40, 40))]:
        analyze_arrays(odd, pixels, ALL, runner=runner)
    again = told(analyze_arrays(clip, arrays, ALL, runner=runner))
    assert {name for name in fresh if fresh[name] != again[name]} == set()
