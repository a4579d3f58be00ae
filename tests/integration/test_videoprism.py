"""The extra that names activities from moving pictures: tiny weights through the real loader, to the result."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny_models
from tests.contexts import clip_of, facts, odd_clips, pictures
from tiktokd import graph
from tiktokd.encoders import videoprism
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

CATALOGUE = graph.load()
NAME, DIRECTORY = "activity_recognition", "google--videoprism-lvt-base-f16r288"
FIXED = ("siglip2", "dfine")


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    for name in (*FIXED, "videoprism"):
        tiny_models.write(name, made)
    return made


@pytest.fixture(scope="module")
def model(models_dir):
    return videoprism.load(LoadContext(models_dir=models_dir, threads=1))


def seen(name="moving_noise"):
    clip, arrays = odd_clips()[name]
    return Context(facts=clip.facts, arrays=arrays)


def analyzed(models_dir, group="gpu"):
    """Return the result as a GPU worker and the fusion make it."""
    runner = Runner(LoadContext(models_dir=models_dir, threads=1), CATALOGUE)
    clip, arrays = odd_clips()["moving_noise"]
    first = runner.level1([NAME], group, Context(facts=clip.facts, arrays=arrays), lambda _name: None)
    signals = json.loads(json.dumps(first.signals))
    later = Context(facts=clip.facts, outputs=first.outputs, signals=signals)
    return runner.level2([NAME], later, lambda _name: None).outputs[NAME], signals


def vectors(model, batch):
    """Return the clips' vectors, to which the labels are compared."""
    found = []

    class Ear(torch.nn.Module):
        def forward(self, **kept):
            out = model.video(**kept)
            found.append(out.pooler_output.reshape(len(batch), -1))
            return out

    videoprism.encode(
        videoprism.VideoPrism(**{f: getattr(model, f) for f in model.__slots__} | {"video": Ear()}), batch
    )
    return torch.cat(found).numpy()


def test_a_clip_gives_the_same_alone_and_in_a_batch_whatever_its_size_and_every_time(model):
    batch = [*videoprism.items(seen()), *videoprism.items(seen("square")), *videoprism.items(seen("one_frame"))]
    assert len({clip[0].shape for clip in batch}) == 2
    together = vectors(model, batch)
    for clip, vector in zip(batch, together, strict=True):
        np.testing.assert_allclose(vectors(model, [clip])[0], vector, atol=1e-5)
    again = videoprism.encode(model, batch)
    assert again == videoprism.encode(model, batch)
    assert len(again) == 3


def test_pictures_are_taken_in_order_from_the_first_to_the_last(model):
    assert videoprism.taken(16, 16) == list(range(16))
    assert videoprism.taken(1, 4) == [0, 0, 0, 0]
    assert videoprism.taken(5, 16)[0] == 0
    assert videoprism.taken(5, 16)[-1] == 4
    (clip,) = videoprism.items(seen())
    backwards = tuple(reversed(clip))
    assert not np.allclose(vectors(model, [clip]), vectors(model, [backwards]), atol=1e-4), "the order is seen"
    times = pictures(
        90, 45.0, lambda i: np.full((64, 64), 16 + i, np.uint8) + np.eye(64, dtype=np.uint8) * 99, (64, 64)
    )
    long_clip, arrays = clip_of(facts(duration_s=45.0, frames=90, audio=False, size=(64, 64)), times)
    (found,) = videoprism.items(Context(facts=long_clip.facts, arrays=arrays))
    levels = [int(planes[1, 0]) for planes in found]
    assert (len(levels), levels[0], levels[-1]) == (16, 16, 105)
    assert levels == sorted(levels)


def test_scores_are_shares_and_cosines_lie_between_minus_one_and_one(model):
    near = videoprism.cosines(vectors(model, list(videoprism.items(seen()))), model.prompts)
    assert near.cosine.shape == (1, len(model.prompts.taxonomy.labels))
    assert np.abs(near.cosine).max() <= 1 + 1e-5
    for found in videoprism.encode(model, videoprism.items(seen()))[0]:
        assert 0 <= found.score <= 1
        assert found.z >= 2


def test_prompts_are_embedded_once_and_lie_beside_those_of_another_space(models_dir, model, monkeypatch):
    monkeypatch.setattr(videoprism, "_embed_texts", lambda _hub, texts: pytest.fail(f"embedded {len(texts)} again"))
    second = videoprism.load(LoadContext(models_dir=models_dir, threads=1))
    np.testing.assert_array_equal(model.prompts.labels, second.prompts.labels)
    labels = [label.id for label in second.prompts.taxonomy.labels]
    assert "dancing" in labels
    assert len(labels) > 100


def plant(model):
    """Return the model with the prompt of dancing where this clip lies."""
    (vector,) = vectors(model, list(videoprism.items(seen())))
    labels = model.prompts.labels.copy()
    labels[[label.id for label in model.prompts.taxonomy.labels].index("dancing")] = vector / np.linalg.norm(vector)
    return replace(model, prompts=replace(model.prompts, labels=labels))


def test_the_activity_that_lies_nearest_is_named(model):
    (found,) = videoprism.encode(plant(model), videoprism.items(seen()))
    assert found[0].label.id == "dancing"
    assert videoprism.signals(found)["labels"][0]["name"] == "dancing"


def test_what_the_extra_names_follows_the_others_and_says_where_it_is_from(models_dir, model):
    planted = replace(CATALOGUE.encoders["videoprism"], load=lambda _context: plant(model))
    catalogue = replace(CATALOGUE, encoders=CATALOGUE.encoders | {"videoprism": planted})
    runner = Runner(LoadContext(models_dir=models_dir, threads=1), catalogue)
    clip, arrays = odd_clips()["moving_noise"]
    first = runner.level1([NAME], "gpu", Context(facts=clip.facts, arrays=arrays), lambda _name: None)
    later = Context(facts=clip.facts, outputs=first.outputs, signals=json.loads(json.dumps(first.signals)))
    found = runner.level2([NAME], later, lambda _name: None).outputs[NAME]
    sources = [label["source"] for label in found.summary["labels"]]
    assert sources == sorted(sources, key=lambda source: source == "video")
    (dancing,) = [a for a in found.summary["labels"] if (a["id"], a["source"]) == ("dancing", "video")]
    assert 0 <= dancing["score"] <= 1
    assert (found.tier, found.calibrated) == ("full", False)
    assert model.used[0].id in [used.id for used in found.models]


def test_without_the_extra_the_result_is_what_it_was(models_dir, tmp_path):
    for name in FIXED:
        tiny_models.write(name, tmp_path)
    without, signals = analyzed(tmp_path)
    assert signals["absent:videoprism"]["reason"] == "model_missing"
    with_it, told = analyzed(models_dir)
    assert (without.status, without.tier, without.reason) == ("ok", "full", None)
    kept = [label for label in with_it.summary["labels"] if label["source"] != "video"]
    assert without.summary == with_it.summary | {"labels": kept}
    assert told["videoprism"]["labels"] == [
        {k: label["label" if k == "name" else k] for k in ("id", "name", "score", "z")}
        for label in with_it.summary["labels"]
        if label["source"] == "video"
    ]
    spec = CATALOGUE.analyzers[NAME]
    load = LoadContext(models_dir=tmp_path)
    others = {n for n in spec.signals if graph.missing(n, CATALOGUE, load) and not graph.is_extra(n, CATALOGUE)}
    assert others == set()
    assert graph.facts(spec, CATALOGUE, load).tier == "full"


def test_missing_or_half_missing_weights_are_refused(models_dir, tmp_path):
    with pytest.raises(ModelMissing, match="tiktokctl models pull google/videoprism-lvt-base-f16r288"):
        videoprism.load(LoadContext(models_dir=tmp_path))
    tiny_models.write("videoprism", tmp_path)
    file = tmp_path / DIRECTORY / "model.safetensors"
    tensors = load_file(file)
    save_file({n: t for n, t in tensors.items() if "text_model" not in n}, file, metadata={"format": "pt"})
    with pytest.raises(ModelMissing, match="lacks"):
        videoprism.load(LoadContext(models_dir=tmp_path))
