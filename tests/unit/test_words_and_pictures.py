"""Words against pictures, and sounds against what is seen."""

import numpy as np
import pytest

from tests.written import CATALOGUE, analyze, context_of
from tiktokd.analyzers._sound_sources import HEARD, SOURCES, split
from tiktokd.encoders import _prompts, siglip2_text
from tiktokd.plugins import ABSENT, Context, LoadContext
from tiktokd.text_features import WordsInPictureSpace

NAME = "cross_modal_agreement"
STOP = CATALOGUE.encoders["stopwords"].load(LoadContext())
PICTURE = {"siglip2": {"space": "model@1", "mean": [1.0, 0.0]}}
SPREAD = np.linspace(-0.1, 0.1, 41)


def said(cosine, space="model@1", others=SPREAD):
    """Return the words at this cosine to the picture, beside other captions at theirs."""
    around = np.stack([others, np.sqrt(1 - others**2)], axis=1).astype(np.float32)
    vector = np.array([cosine, np.sqrt(1 - cosine**2)], np.float32)
    return {"siglip2_text": WordsInPictureSpace(text="a", vector=vector, others=around, space=space)}


def judge(context, features=None, signals=None):
    seen = Context(
        facts=context.facts,
        metadata=context.metadata,
        outputs=context.outputs,
        features={"stopwords": STOP} | (features or {}),
        signals=signals or {},
    )
    return CATALOGUE.analyzers[NAME].analyze(seen)


def test_a_caption_that_fits_its_picture_better_than_others_do_has_a_high_z():
    caption = context_of("my dog runs over the beach")
    found = judge(caption, said(0.3), PICTURE)
    assert found.status == "ok"
    assert found.output.visual_text_shipped_z == pytest.approx(0.3 / (1.4826 * 0.05), abs=0.05)
    assert judge(caption, said(0.0), PICTURE).output.visual_text_shipped_z == pytest.approx(0.0, abs=0.01)
    assert "visual_text_shipped_z" not in found.output.missing
    assert (found.output.visual_text_z, found.output.missing["visual_text_z"]) == (None, "corpus_unavailable")


@pytest.mark.parametrize(
    "features", [said(0.3, "another model"), said(0.3, others=np.zeros(5)), said(0.3, others=np.zeros(30)), {}]
)
def test_other_spaces_and_too_few_captions_are_not_compared(features):
    nothing = {} if features else {ABSENT + "siglip2_text": {"reason": "model_missing", "message": "pull it"}}
    found = judge(context_of("my dog runs over the beach"), features, PICTURE | nothing)
    assert (found.status, found.output.visual_text_shipped_z) == ("partial", None)
    assert found.output.missing["visual_text_shipped_z"] == "model_missing"


def test_a_caption_of_one_word_is_no_text_and_a_caption_alone_no_second_source():
    found = judge(context_of("wow #fyp"), {}, PICTURE)
    assert {found.output.missing[name] for name in ("visual_text_z", "visual_text_shipped_z")} == {"no_text"}
    assert analyze(NAME, context_of("my dog runs over the beach")).status == "skipped"


def test_sounds_are_seen_or_unseen_and_those_without_a_source_left_out():
    signals = {
        "ast": {"labels": {"Speech": 0.6, "Dog": 0.4, "Music": 0.9, "Piano": HEARD - 0.05}},
        "dfine": {"labels": {"dog": {}, "couch": {}}},
    }
    found = judge(context_of(None), {}, signals)
    assert found.status == "ok"
    assert found.output.audio_picture.model_dump() == {"seen": ["Dog"], "unseen": ["Speech"], "seen_ratio": 0.5}
    assert split({"Music": 1.0, "Wind": 1.0}, {"person"}) == ([], [])


def test_what_is_null_says_why():
    both = context_of("a day at the lake", ocr=[("THE LAKE IN MAY", 0.0, 2.0)])
    told = {ABSENT + name: {"reason": "model_missing", "message": "pull it"} for name in ("siglip2", "ast")}
    missing = judge(both, {}, told).output.missing
    lost = dict.fromkeys(("visual_text_z", "visual_text_shipped_z", "audio_picture"), "model_missing")
    assert missing == {"ocr_speech": "no_text", **lost}
    quiet = judge(both, {}, {"ast": {"labels": {}}, "dfine": {"labels": {}}}).output.missing
    assert quiet["audio_picture"] == "no_sources"


def test_the_one_text_that_is_compared_is_the_caption_else_speech():
    def items(*args, signals=PICTURE, **kw):
        context = context_of(*args, **kw)
        return siglip2_text.items(
            Context(facts=context.facts, metadata=context.metadata, outputs=context.outputs, signals=signals)
        )

    speech = [("we walk along the river", 0.0, 2.0)]
    assert items("A day at the lake #lake", speech=speech) == ["A day at the lake"]
    assert items("wow", speech=speech) == ["we walk along the river"]
    assert items("A day at the lake", signals={}) == []


def test_the_captions_of_other_videos_are_many_and_different():
    file = _prompts.read("captions", None, "prototypes")
    (prompts,) = file.prompts
    assert len(prompts) == len(set(prompts)) >= 80


def test_every_source_of_a_sound_is_spelled_as_the_detector_spells_it():
    assert all(things and all(t == t.lower().strip() for t in things) for things in SOURCES.values())
