"""All thirty analyzers with all weights in place (tiny random ones, through the real loader) on every odd video.

Random weights say nothing true; what is tried is that no analyzer trips, leaves its range or asks for what is there.
"""

import json
from typing import get_args

import pytest

from tests import tiny_models
from tests.contexts import odd_clips
from tests.ranges import judge
from tiktokd import graph
from tiktokd.model import Metadata, Reason
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

CATALOGUE = graph.load()
ANALYZERS = sorted(CATALOGUE.analyzers)
CLIPS = odd_clips()
POST = Metadata(description="w20 w21 w22 w30 #w31 follow me for more!", title="w40 w41", fetched_at_s=1.0)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    tiny_models.write_all(models)
    return Runner(LoadContext(models_dir=models, threads=1), CATALOGUE)


def analyzed(runner, clip_name):
    """Return the envelopes as a GPU worker, a CPU worker and the fusion make them one after another."""
    clip, arrays = CLIPS[clip_name]
    seen = Context(
        facts=clip.facts,
        arrays=arrays,
        audio48_covers_s=clip.audio48_covers_s,
        audio16_covers_s=clip.audio16_covers_s,
        metadata=POST,
    )
    outputs, signals = {}, {}
    for group in ("gpu", "cpu"):
        found = runner.level1(ANALYZERS, group, seen, lambda _name: None)
        outputs |= found.outputs
        signals |= found.signals
    # Signals and outputs reach the fusion as JSON.
    later = Context(facts=clip.facts, metadata=POST, outputs=outputs, signals=json.loads(json.dumps(signals)))
    return outputs | runner.level2(ANALYZERS, later, lambda _name: None).outputs


@pytest.fixture(scope="module")
def results(runner):
    """Return a function: name of an odd video → its envelopes, made once."""
    found = {}

    def of(clip_name):
        if clip_name not in found:
            found[clip_name] = analyzed(runner, clip_name)
        return found[clip_name]

    return of


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
@pytest.mark.parametrize("clip_name", sorted(CLIPS))
def test_with_all_weights_no_video_is_an_error_and_no_weights_are_asked_for(results, clip_name):
    outputs = results(clip_name)
    assert sorted(outputs) == ANALYZERS
    assert {n: e.message for n, e in outputs.items() if e.status == "error"} == {}
    for name, envelope in outputs.items():
        json.dumps(envelope.model_dump(mode="json"), allow_nan=False)
        assert envelope.reason is None or envelope.reason in get_args(Reason), envelope
        assert (envelope.reason is None) == (envelope.status == "ok"), envelope
        if envelope.status != "skipped":
            CATALOGUE.analyzers[name].output.model_validate(envelope.summary)
        judge(envelope)
        for segment in envelope.segments:
            assert 0 <= segment["start_s"] <= segment["end_s"], (name, segment)
            CATALOGUE.analyzers[name].segment.model_validate(segment)
    assert {n: e.message for n, e in outputs.items() if e.reason == "model_missing"} == {}


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
def test_the_full_tier_says_the_same_twice(runner, results):
    first, second = results("one_second"), analyzed(runner, "one_second")
    for name in ANALYZERS:
        one, other = (run[name].model_copy(update={"wall_ms": 0.0}) for run in (first, second))
        assert one == other, name


HUB_IDS = {name: spec.weights.hub_id for name, spec in CATALOGUE.encoders.items() if spec.weights is not None}


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
def test_a_result_names_all_weights_that_went_into_it_also_by_signals(results):
    outputs = results("moving_noise")
    for name, read in {
        "sentiment_mood": {"siglip2", "ast", "sentiment"},
        "cross_modal_agreement": {"siglip2", "dfine", "ast", "e5"},
        "hook": {"siglip2", "dfine"},
        "loopability": {"siglip2"},
        "entities_keywords": {"dfine", "e5", "ner"},
        "audio_events": {"ast"},
    }.items():
        named = [model.id for model in outputs[name].models]
        assert {HUB_IDS[encoder] for encoder in read} <= set(named), name
        assert len(named) == len(set(named)), name
    assert HUB_IDS["whisper"] not in {m.id for m in outputs["text_moderation"].models}, "nobody speaks"


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
def test_a_file_without_sound_has_no_sound_to_judge(results):
    outputs = results("no_sound")
    for name in ("speech_transcription", "audio_events", "music_analysis", "vocal_delivery", "loudness"):
        assert (outputs[name].status, outputs[name].reason) == ("skipped", "no_audio")
