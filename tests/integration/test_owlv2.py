"""The extra that looks for logos by the brand's name: tiny random OWLv2 through the real loader, to the result."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import tiny_models
from tests.contexts import odd_clips
from tiktokd import graph
from tiktokd.encoders import owlv2
from tiktokd.errors import ConfigError, ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

CATALOGUE = graph.load()
NAME = "entities_keywords"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    for name in ("owlv2", "dfine"):
        tiny_models.write(name, made)
    return made


@pytest.fixture(scope="module")
def model(models_dir):
    return owlv2.load(LoadContext(models_dir=models_dir, threads=1))


def seen(name="moving_noise"):
    clip, arrays = odd_clips()[name]
    return Context(facts=clip.facts, arrays=arrays)


def plant(model, brand, planes):
    """Return the model with prompts in all directions, and that of one brand where a place of this picture lies."""
    labels = np.random.default_rng(3).normal(size=model.prompts.labels.shape).astype(np.float32)
    pixels, _shares = owlv2._square(planes, model)
    with torch.inference_mode():
        grid = model.model.image_embedder(pixel_values=pixels)[0]
        vectors = model.model.class_predictor(grid.flatten(1, 2))[1][0].numpy()
    number = [label.name for label in model.prompts.taxonomy.labels].index(brand)
    labels[number] = vectors[5]
    labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    return replace(model, prompts=replace(model.prompts, labels=labels, background=-labels[number][None]))


def analyzed(models_dir, catalogue=CATALOGUE):
    """Return the result as a GPU worker and the fusion make it, and the signals between."""
    runner = Runner(LoadContext(models_dir=models_dir, threads=1), catalogue)
    first = runner.level1([NAME], "gpu", seen(), lambda _name: None)
    signals = json.loads(json.dumps(first.signals))
    later = Context(facts=seen().facts, outputs=first.outputs, signals=signals)
    return runner.level2([NAME], later, lambda _name: None).outputs[NAME], signals


def test_a_brand_whose_prompt_lies_at_a_place_of_the_picture_is_named(models_dir, model):
    planted = replace(CATALOGUE.encoders["owlv2"], load=lambda _context: plant(model, "Nike", owlv2.items(seen())[0]))
    catalogue = replace(CATALOGUE, encoders=CATALOGUE.encoders | {"owlv2": planted})
    envelope, signals = analyzed(models_dir, catalogue)
    nike = {brand["name"]: brand for brand in envelope.summary["brands"]}["Nike"]
    assert (nike["sources"], nike["logo"]["by"], envelope.calibrated) == (["logo"], "name", False)
    assert 0 <= nike["logo"]["score"] <= 1
    assert nike["logo"]["z"] >= owlv2.Z_MIN
    assert 1 <= nike["count"] <= owlv2.FRAMES
    assert owlv2.WEIGHTS.hub_id in {used.id for used in envelope.models}
    assert analyzed(models_dir, catalogue)[1]["owlv2"] == signals["owlv2"]


def test_a_picture_gives_the_same_alone_and_in_a_batch_whatever_its_size(model):
    batch = [*owlv2.items(seen()), *owlv2.items(seen("square"))]
    asked = plant(model, "Nike", batch[0])
    together = owlv2.encode(asked, batch)
    assert any(together)
    for picture, found in zip(batch, together, strict=True):
        (alone,) = owlv2.encode(asked, [picture])
        assert [(one.brand, one.score, one.z) for one in alone] == [(one.brand, one.score, one.z) for one in found]
        assert all(0 <= v <= 1 for one in found for v in one.box)


def test_only_the_extras_own_name_fetches_it_and_without_it_nothing_is_less(tmp_path):
    assert owlv2.WEIGHTS.extra
    load = LoadContext(models_dir=tmp_path, threads=1)
    told = graph.facts(CATALOGUE.analyzers[NAME], CATALOGUE, load)
    assert "owlv2" not in (told.reason or "")
    tiny_models.write("dfine", tmp_path)
    envelope, signals = analyzed(tmp_path)
    assert (signals["absent:owlv2"]["reason"], envelope.reason) == ("model_missing", "no_sources")
    assert "owlv2" not in json.dumps(envelope.model_dump(mode="json"))
    with pytest.raises(ModelMissing, match="tiktokctl models pull google/owlv2"):
        owlv2.load(load)


def test_prompts_are_embedded_once_and_the_text_tower_does_not_stay(models_dir, model, monkeypatch):
    assert not hasattr(model.model.owlv2, "text_model")
    monkeypatch.setattr(owlv2, "_embed_texts", lambda _hub, texts: pytest.fail(f"embedded {len(texts)} again"))
    second = owlv2.load(LoadContext(models_dir=models_dir, threads=1))
    np.testing.assert_array_equal(model.prompts.labels, second.prompts.labels)
    assert len(second.prompts.background) == len(owlv2.BACKGROUND)


def test_the_brands_are_those_of_the_users_own_list(models_dir, tmp_path):
    (tmp_path / "brands.toml").write_text('names = ["Zorblax"]\nambiguous = ["Pear"]\n')
    own = owlv2.load(LoadContext(models_dir=models_dir, data_dir=tmp_path, threads=1))
    assert [label.name for label in own.prompts.taxonomy.labels] == ["Zorblax", "Pear"]
    (tmp_path / "brands.toml").write_text("names = [1]\n")
    with pytest.raises(ConfigError, match=r"brands\.toml"):
        owlv2.load(LoadContext(models_dir=models_dir, data_dir=tmp_path))


def test_a_place_shows_a_brand_only_where_it_beats_the_background_and_all_other_brands():
    usual = np.random.default_rng(0).normal(-4.0, 0.3, (50, 200)).astype(np.float32)
    nothing = np.full((50, 3), -5.0, np.float32)
    assert owlv2.best(usual, nothing) == [], "no score is high enough"
    usual[7, 30], usual[9, 30] = 1.0, 0.5
    ((brand, place, score, z),) = owlv2.best(usual, nothing)
    assert (brand, place) == (30, 7)
    assert score == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert z > 10
    assert owlv2.best(usual, nothing + 7.0) == [], "a prompt that names none lies nearer"
    assert owlv2.best(usual + np.linspace(0, 30, 200), nothing) == [], "many brands are as near"
    assert owlv2.best(np.zeros((5, 0), np.float32), nothing) == []


def test_a_box_of_the_square_becomes_one_of_the_picture():
    tall = owlv2._box(np.array([0.25, 0.5, 0.1, 0.2], np.float32), (1.0, 0.5))
    np.testing.assert_allclose(tall, [0.4, 0.4, 0.2, 0.2], atol=1e-6)
    over = owlv2._box(np.array([0.5, 0.95, 0.4, 0.4], np.float32), (1.0, 0.5))
    np.testing.assert_allclose(over, [0.6, 0.75, 0.4, 0.25], atol=1e-6)
