"""Analyzers that several models raise to the full tier, with all of them as tiny random models: level 1, then 2."""

import json

import pytest

from tests import tiny_models
from tests.contexts import odd_clips
from tests.written import shown, spoken
from tiktokd import graph
from tiktokd.model import Metadata
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

MODELS = ("siglip2", "dfine", "vitpose", "ast", "e5", "ner")
NAMES = ("call_to_action", "hook", "entities_keywords", "cross_modal_agreement", "loopability")
WORDS = Metadata(description="w20 w21 w22 w23. w30 w31 w32 w33! #w40", fetched_at_s=1.0)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for name in MODELS:
        tiny_models.write(name, models)
    return Runner(LoadContext(models_dir=models, threads=1))


def fused(runner, clip_name="moving_noise"):
    clip, arrays = odd_clips()[clip_name]
    seen = Context(
        facts=clip.facts,
        arrays=arrays,
        audio16_covers_s=clip.audio16_covers_s,
        audio48_covers_s=clip.audio48_covers_s,
        metadata=WORDS,
    )
    publish = graph.plan_level1(NAMES, "all", runner.catalogue).publish
    first = runner.level1(NAMES, "all", seen, lambda _name: None)
    assert publish >= {"siglip2", "dfine", "vitpose", "ast", "seam"}
    outputs = first.outputs | {
        "on_screen_text": shown([("w50 w51 w52 w53", 0.0, 2.0)]),
        "speech_transcription": spoken([("w60 w61 w62 w63", 0.5, 2.5)]),
    }
    second = Context(facts=clip.facts, metadata=WORDS, outputs=outputs, signals=first.signals)
    return first.signals, runner.level2(NAMES, second, lambda _name: None).outputs


def test_with_all_models_each_of_them_is_full_and_says_which_models_it_used(runner):
    signals, outputs = fused(runner)
    assert all(len(json.dumps(values)) < 16 * 1024 for values in signals.values())
    for name in NAMES:
        envelope = outputs[name]
        assert (envelope.status in ("ok", "partial"), envelope.tier) == (True, "full"), envelope
    used = {model.id for name in NAMES for model in outputs[name].models}
    assert {"intfloat/multilingual-e5-small", "google/siglip2-base-patch16-224"} <= used
    assert outputs["cross_modal_agreement"].summary["visual_text_z"] is not None
    assert outputs["cross_modal_agreement"].summary["ocr_speech"]["semantic"] is not None
    assert (
        outputs["hook"].summary["first_frame_novelty"] is not None or signals["siglip2"]["ends"]["usual_apart"] < 0.01
    )
    assert outputs["loopability"].summary["seam_cosine"] == signals["siglip2"]["ends"]["seam_cosine"]
    phrases = outputs["entities_keywords"].summary["keyphrases"]
    assert phrases
    assert any(phrase["similarity"] is not None for phrase in phrases)


def test_the_full_tier_gives_the_same_twice(runner):
    first, second = (fused(runner, "square")[1] for _ in range(2))
    for name in NAMES:
        assert first[name].summary == second[name].summary
