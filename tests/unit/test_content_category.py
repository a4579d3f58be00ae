"""Fusion of pictures, words and sounds: what is absent drops out."""

import numpy as np
import pytest

from tests.contexts import facts
from tests.unit.test_class_names import SOUNDS
from tiktokd.analyzers import content_category as c
from tiktokd.encoders import _prompts, sound_categories
from tiktokd.errors import ConfigError
from tiktokd.model import Envelope, Metadata
from tiktokd.pictures import Label
from tiktokd.plugins import Context, LoadContext
from tiktokd.text_features import TextLabels, TextVectors

IDS = ["dance", "pets", "cars", "travel", "gaming"]


def visual(**cosines):
    values = {i: 0.01 * n for n, i in enumerate(IDS)} | cosines
    return {"siglip2": {"labels": {"content_categories": {"cosine": values, "floor": 0.0}}}}


def words(best, text="my dog"):
    vectors = np.eye(5, 8, dtype=np.float32) * 0.2 + np.arange(5, dtype=np.float32)[:, None] * 0.01
    labels = tuple(Label(id=i, name=i.title()) for i in IDS)
    vector = np.zeros(8, np.float32)
    vector[IDS.index(best)] = 1.0
    known = TextLabels(
        labels=labels, vectors=vectors, prototypes=vectors, of=np.arange(5), background=np.zeros((0, 8), np.float32)
    )
    return TextVectors(vectors={text: vector}, taxonomies={"content_categories": known})


def sounds(**scores):
    """Return features of `sound_categories` as its table makes them of AudioSet scores (spaces as underscores)."""
    table = sound_categories.load(LoadContext())
    return {"sound_categories": sound_categories.weigh(table, {k.replace("_", " "): v for k, v in scores.items()})}


def absent(**reasons):
    return {f"absent:{name}": {"reason": why, "message": f"{name}: {why}"} for name, why in reasons.items()}


def judge(signals=None, features=None, frames=5, audio=True):
    media = facts(duration_s=5, frames=frames, audio=audio)
    return c.analyze(
        Context(facts=media, signals=signals or {}, features=features or {}, metadata=Metadata(description="my dog"))
    )


def test_pictures_alone_count_for_the_whole():
    found = judge(signals=visual(pets=0.5))
    assert found.status == "ok"
    assert found.output.modalities == ["visual"]
    assert found.output.labels[0].id == "pets"
    assert found.output.labels[0].evidence.text is None


def test_words_alone_are_partial_and_say_so():
    found = judge(absent(siglip2="model_missing"), {"e5": words("pets")})
    assert (found.status, found.reason) == ("partial", "model_missing")
    assert "judged by words alone" in found.message
    assert found.output.labels[0].id == "pets"
    assert found.output.labels[0].name == "Pets"


def test_a_file_without_a_picture_asks_for_no_weights_that_would_see_it():
    found = judge(features={"e5": words("pets")}, frames=0)
    assert (found.status, found.reason) == ("partial", "no_video")
    assert (judge(frames=0).status, judge(frames=0).reason) == ("skipped", "no_video")


def test_both_together_outweigh_either():
    together = judge(signals=visual(pets=0.5), features={"e5": words("pets")})
    apart = judge(signals=visual(pets=0.5), features={"e5": words("cars")})
    assert together.output.labels[0].z > apart.output.labels[0].z


def test_without_any_model_the_answer_is_the_command_that_fetches_one():
    hub = "run: tiktokctl models pull org/x"
    lost = {"absent:siglip2": {"reason": "model_missing", "message": hub}}
    found = judge(lost)
    assert (found.status, found.reason) == ("skipped", "model_missing")
    assert "tiktokctl models pull" in found.message


def test_weights_without_a_gpu_are_not_called_missing():
    found = judge(absent(siglip2="cpu_fallback", ast="cpu_fallback"), {"e5": words("pets")})
    assert (found.status, found.reason) == ("partial", "cpu_fallback")
    assert found.output.unknown == {"visual": "cpu_fallback", "audio": "cpu_fallback"}


def test_a_modality_that_does_not_count_says_why():
    found = judge(visual(pets=0.5) | absent(e5="no_text"), audio=False).output
    assert found.modalities == ["visual"]
    assert found.unknown == {"text": "no_text", "audio": "no_audio"}
    heard = judge(visual(pets=0.5) | absent(e5="no_text") | {"ast": {"labels": {"Silence": 0.9}}}).output
    assert heard.unknown["audio"] == "no_sources"


def test_words_that_nobody_transcribed_are_not_called_none():
    voice = Envelope(
        analyzer="speech_transcription",
        version="1",
        status="skipped",
        tier="lite",
        reason="model_missing",
        message="speech: run: tiktokctl models pull speech_transcription",
    )
    signals = absent(siglip2="model_missing", e5="no_text")
    media = facts(duration_s=5, frames=5, audio=True)
    found = c.analyze(Context(facts=media, signals=signals, outputs={"speech_transcription": voice}))
    assert found.status == "skipped"
    assert "somebody speaks: speech: run" in (found.message or "")
    mute = c.analyze(Context(facts=media, signals=visual(pets=0.5) | absent(e5="no_text")))
    assert mute.output.unknown["text"] == "no_text"
    heard = Context(facts=media, signals=visual(pets=0.5) | absent(e5="no_text"), outputs={voice.analyzer: voice})
    told = c.analyze(heard)
    assert (told.output.unknown["text"], told.tier) == ("model_missing", "lite")


def test_a_sound_that_belongs_to_a_category_speaks_for_it():
    without = judge(visual(pets=0.045)).output
    found = judge(visual(pets=0.045), sounds(Bark=0.8, Dog=0.7)).output
    assert without.labels == []
    assert found.labels[0].id == "pets"
    assert found.labels[0].evidence.audio > 3
    assert found.modalities == ["audio", "visual"]


def test_talk_and_music_hardly_change_what_is_seen():
    quiet, loud = judge(visual(cars=0.5)).output, judge(visual(cars=0.5), sounds(Speech=0.9, Music=0.8)).output
    assert loud.labels[0].id == quiet.labels[0].id == "cars"
    assert loud.labels[0].z > 0.9 * quiet.labels[0].z
    assert loud.labels[0].evidence.audio == 0.0


def test_sound_alone_counts_for_the_whole_and_is_partial():
    found = judge(absent(siglip2="model_missing", e5="no_text"), sounds(Meow=0.9))
    assert (found.status, found.reason) == ("partial", "model_missing")
    assert [label.id for label in found.output.labels] == ["pets"]
    assert found.output.labels[0].z == found.output.labels[0].evidence.audio
    assert judge(absent(siglip2="model_missing"), sounds(Speech=0.9)).output.labels == []


def test_any_modality_that_is_absent_leaves_the_others_their_whole_weight():
    visual_z, text_z, audio_z = {"a": 2.0, "b": -1.0}, {"a": 4.0, "b": 0.0}, {"a": 4.0}
    assert c.fuse({"visual": visual_z}) == pytest.approx(visual_z)
    assert c.fuse({"text": text_z}) == pytest.approx(text_z)
    assert c.fuse({"audio": audio_z}) == pytest.approx(audio_z)
    assert c.fuse({"visual": visual_z, "text": text_z}) == pytest.approx({"a": 3.0, "b": -0.5})
    both = c.fuse({"visual": visual_z, "audio": audio_z})
    assert both == pytest.approx({"a": (0.5 * 2 + 0.25 * 4) / 0.75, "b": -0.5 / 0.75})
    weak = c.fuse({"visual": visual_z, "audio": {"b": 0.04}})
    assert weak["a"] == pytest.approx(2.0, abs=0.02)


def test_shots_are_named_by_their_pictures():
    shots = [{"start_s": 0.0, "end_s": 2.0, "id": "pets", "name": "Pets", "score": 0.5, "z": 3.1}]
    found = judge(visual(pets=0.5) | {"picture_labels": {"content_categories": {"labels": [], "shots": shots}}})
    assert [(s.start_s, s.end_s, s.id, s.label, s.z) for s in found.segments] == [(0.0, 2.0, "pets", "Pets", 3.1)]


def test_the_table_of_sounds_names_categories_and_sounds_that_exist():
    table = sound_categories.load(LoadContext())
    categories = {label.id for label in _prompts.read("content_categories", None).labels}
    assert {name for row in table.values() for name in row} <= categories
    assert set(table) <= SOUNDS


def test_hints_of_several_sounds_add_up_and_stay_below_one():
    table = {"x": {"a": 0.5}, "y": {"a": 0.5, "b": 0.2}}
    assert sound_categories.weigh(table, {"x": 1.0, "y": 1.0}) == pytest.approx({"a": 0.75, "b": 0.2})
    assert sound_categories.weigh(table, {"z": 1.0}) == {}


@pytest.mark.parametrize("text", ["sounds = 3", "[sounds]\nDog = 1", "[sounds]\nDog = {pets = 1.5}", "[other]"])
def test_a_table_of_another_form_is_refused_with_its_path(tmp_path, text):
    (tmp_path / "sound_categories.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"sound_categories\.toml: .*(weights 0 to 1|there are sounds)"):
        sound_categories.load(LoadContext(data_dir=tmp_path))


def test_equal_scores_name_nothing():
    assert c.standard(dict.fromkeys(IDS, 0.3)) == {}
    assert c.fuse({"visual": {"a": 2.0}, "text": {"a": 4.0}}) == pytest.approx({"a": 3.0})


def test_a_category_carries_its_name_vertical_and_iab_id_whichever_model_read_the_taxonomy():
    about = {"pets": ["Pets", "animals", "422"]}
    by_pictures = judge(visual(pets=0.5) | {"picture_labels": {"content_categories": {"shots": [], "about": about}}})
    found = by_pictures.output.labels[0]
    assert (found.name, found.group, found.iab_id) == ("Pets", "animals", "422")
    assert judge(features={"e5": words("pets")}).output.labels[0].iab_id is None


def test_the_shipped_categories_name_the_iab_category_that_is_near():
    ids = {label.id: label.iab for label in _prompts.read("content_categories", None).labels}
    assert (ids["pets"], ids["gaming"], ids["dance"], ids["cars"]) == ("422", "680", "203", "1")
    assert {label for label, iab in ids.items() if iab is None} == {"oddly_satisfying", "advertisement"}
