"""What the hub's models say of material whose truth is known; skipped where their weights are not on this machine.

Looked for where the daemon would: `analysis.models_dir` of the configuration or the environment, then the hub's cache.
Small samples: they tell right weights that are asked in the right way from wrong ones, and no more.
"""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests import tiny_models
from tests.analysis import decode_file, media
from tests.contexts import clip_of, facts, pictures, sound
from tests.lettering import planes
from tests.sounds import load as sound_of
from tiktokd import config, graph, weights
from tiktokd.encoders import e5
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

pytestmark = [pytest.mark.needs_model, pytest.mark.filterwarnings(tiny_models.ODDITIES), pytest.mark.timeout(900)]
CATALOGUE = graph.load()
JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
TRANSLATED = {
    "How do I cook rice without a lid?": "¿Cómo cocino arroz sin tapa?",
    "My dog is afraid of the vacuum cleaner.": "Mein Hund hat Angst vor dem Staubsauger.",
    "Three stretches for a stiff neck": "Trois étirements pour une nuque raide",
    "The train to the coast leaves at seven.": "Il treno per la costa parte alle sette.",
    "This phone lasts two days without charging.": "Este telefone dura dois dias sem carregar.",
    "She painted the kitchen wall yellow.": "Ze schilderde de keukenmuur geel.",
    "Follow me for more recipes": "Obserwuj mnie po więcej przepisów",
    "It has been raining since Monday.": "Pazartesiden beri yağmur yağıyor.",
    "The goalkeeper saved the penalty.": "ゴールキーパーがペナルティを止めた。",
    "Plant the tomatoes after the last frost.": "最后一次霜冻之后再种西红柿。",
}
"""Sentences and what they mean in another language."""


def weights_of(*encoders: str) -> LoadContext:
    """Return what the encoders load from; skip the test where the weights of one are not here."""
    load = LoadContext(models_dir=config.load().models_dir, threads=2)
    for name in encoders:
        spec = CATALOGUE.encoders[name].weights
        assert spec is not None, name
        try:
            weights.locate(spec, load.models_dir)
        except ModelMissing as exc:
            pytest.skip(str(exc))
    return load


def judged(name, clip, arrays, load, catalogue=CATALOGUE, group="gpu"):
    """Return the result of one analyzer of level 1."""
    seen = Context(
        facts=clip.facts,
        arrays=arrays,
        audio48_covers_s=clip.audio48_covers_s,
        audio16_covers_s=clip.audio16_covers_s,
    )
    found = Runner(load, catalogue).level1([name], group, seen, lambda _name: None).outputs[name]
    assert found.status in ("ok", "partial"), found.message
    return found.summary


def still(name):
    """Return a clip of a second that shows one photograph."""
    size = (540, 960)
    with Image.open(media("real", name)) as image:
        whole = planes(np.asarray(ImageOps.fit(image.convert("RGB"), size)))
    arrays = pictures(2, 1.0, lambda _i: whole[: size[1]], size)
    colours = {"frames": np.stack([whole] * len(arrays["frames"]))}
    return clip_of(facts(duration_s=1.0, frames=2, audio=False, size=size), arrays | colours)


def heard_alone(folder, name):
    """Return a clip that is only a recording."""
    samples = sound_of(media(folder, name), 48_000)
    return clip_of(facts(duration_s=len(samples) / 48_000, frames=0, audio=True), sound(samples))


def words(text):
    """Return the words of a text without case and punctuation."""
    return "".join(c for c in text.lower() if c.isalpha() or c == " ").split()


@pytest.mark.parametrize("encoder", ["whisper", "whisper_cpu"])
def test_a_known_recording_is_transcribed_without_an_error(encoder, accuracy):
    load = weights_of(encoder)
    small = encoder == "whisper_cpu"
    catalogue, group = (graph.without_gpu(CATALOGUE), "all") if small else (CATALOGUE, "gpu")
    summary = judged("speech_transcription", *heard_alone("real", "jfk.flac"), load, catalogue, group)
    heard = words(summary["text"])
    wrong = sum(a != b for a, b in itertools.zip_longest(words(JFK), heard))
    accuracy(f"words misheard of 22, {CATALOGUE.encoders[encoder].weights.hub_id}", wrong, mark=0)
    assert summary["language"] == "en"


@pytest.mark.parametrize(
    "name",
    ["media__tokyo.jpg", "media__london.jpg", "python-docs-samples__city.jpg", "python-docs-samples__landmark.jpg"],
)
def test_a_photograph_of_a_town_is_out_of_doors(name, accuracy):
    load = weights_of("siglip2")
    summary = judged("scene_recognition", *still(name), load)
    accuracy("towns taken for rooms", summary["indoor_ratio"], mark=0)


def test_a_translation_is_nearer_than_19_of_20_pairs_of_unrelated_sentences(accuracy):
    load = weights_of("e5")
    model = e5.load(load)
    ours, theirs = (e5._embed(model.hub, model.tokenizer, list(side)) for side in (TRANSLATED, TRANSLATED.values()))
    cosine = ours @ theirs.T
    unrelated = cosine[~np.eye(len(TRANSLATED), dtype=bool)]
    share = float((cosine.diagonal() > np.quantile(unrelated, 0.95)).mean())
    accuracy("translations nearer than 95 % of unrelated pairs (E5)", share, mark=1, worse="lower")


@pytest.mark.parametrize(
    ("folder", "name", "loud", "silent"),
    [
        ("real", "jfk.flac", "speech_ratio", "music_ratio"),
        ("music", "vibe_ace.ogg", "music_ratio", "speech_ratio"),
        ("music", "hungarian_dance_5.ogg", "music_ratio", "speech_ratio"),
    ],
)
def test_speech_is_speech_and_music_is_music(folder, name, loud, silent, accuracy):
    summary = judged("audio_events", *heard_alone(folder, name), weights_of("ast"))
    accuracy("speech heard as such, and music (AST): share of the time", summary[loud], mark=0.9, worse="lower")
    assert summary[silent] <= 0.1


def person_share(name, load):
    """Return the share of the time in which a person is seen."""
    clip, arrays = decode_file(media("real", name))
    objects = judged("object_detection", clip, arrays, load)["objects"]
    return sum(o["screen_time_s"] for o in objects if o["label"] == "person") / clip.facts.duration_s


def test_people_are_found_where_people_are_and_not_where_none_are(accuracy):
    load = weights_of("dfine")
    seen = person_share("python-docs-samples__describe_video_content.mp4", load)
    accuracy("one person on a climbing wall is seen (D-FINE): share of the time", seen, mark=0.9, worse="lower")
    assert person_share("ThreatExchange__pattern-longer-no-bar.mp4", load) == 0
