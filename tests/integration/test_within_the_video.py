"""No stretch of a timeline lies outside its video, though a codec pads its sound beyond the last picture."""

import json

import pytest

from tests import tiny_models
from tests.contexts import chord, odd_clips, padded
from tests.sounds import voice
from tiktokd import graph
from tiktokd.model import Metadata
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

CATALOGUE = graph.load()
ANALYZERS = sorted(CATALOGUE.analyzers)
POST = Metadata(description="follow me for more! w20 w21", fetched_at_s=1.0)


CLIPS = odd_clips() | {
    "voice": padded(4.777, voice(4.777, rate_hz=48_000)),
    "short voice": padded(1.013, voice(1.013, rate_hz=48_000)),
    "chord": padded(7.019, chord(7.019)),
}


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    tiny_models.write_all(models)
    return Runner(LoadContext(models_dir=models, threads=1), CATALOGUE)


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
@pytest.mark.parametrize("clip_name", sorted(CLIPS))
def test_no_stretch_of_time_lies_outside_the_video(runner, clip_name):
    clip, arrays = CLIPS[clip_name]
    covers = {"audio48_covers_s": clip.audio48_covers_s, "audio16_covers_s": clip.audio16_covers_s}
    seen = Context(facts=clip.facts, arrays=arrays, metadata=POST, **covers)
    first = runner.level1(ANALYZERS, "all", seen, lambda _name: None)
    signals = json.loads(json.dumps(first.signals))
    later = Context(facts=clip.facts, metadata=POST, outputs=first.outputs, signals=signals)
    second = runner.level2(ANALYZERS, later, lambda _name: None)
    gpu = runner.level1(ANALYZERS, "gpu", seen, lambda _name: None)
    for envelope in (*first.outputs.values(), *second.outputs.values(), *gpu.outputs.values()):
        outside = [
            (segment["start_s"], segment["end_s"])
            for segment in envelope.segments
            if not 0 <= segment["start_s"] <= segment["end_s"] <= clip.facts.duration_s
        ]
        assert outside == [], envelope.analyzer
