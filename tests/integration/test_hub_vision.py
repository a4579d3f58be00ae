"""Picture encoders that need a hub model, through the real loader with tiny random weights."""

import json

import numpy as np
import pytest

from tests import tiny_models
from tests.analysis import analyze_arrays
from tests.contexts import odd_clips
from tiktokd.encoders import _hub, _siglip_text, captioner, dfine, nsfw, siglip2, siglip2_text, vitpose
from tiktokd.errors import ModelMissing
from tiktokd.pictures import Detection, FrameDetections
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

NAMES = ("siglip2", "dfine", "nsfw", "vitpose")


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for name in NAMES:
        tiny_models.write(name, models)
    return LoadContext(models_dir=models, threads=1)


def clip_context(name="moving_noise", **features):
    clip, arrays = odd_clips()[name]
    return Context(facts=clip.facts, arrays=arrays, features=features)


def test_missing_weights_name_the_command_that_fetches_them(tmp_path):
    with pytest.raises(ModelMissing, match="tiktokctl models pull google/siglip2-base-patch16-224"):
        siglip2.load(LoadContext(models_dir=tmp_path))


def test_a_checkpoint_that_lacks_tensors_is_refused(tmp_path):
    import transformers

    directory = tiny_models.write("nsfw", tmp_path)
    whole = transformers.ViTForImageClassification.from_pretrained(directory)
    whole.vit.save_pretrained(directory)  # the backbone alone: the head would be random
    with pytest.raises(ModelMissing, match="lacks"):
        nsfw.load(LoadContext(models_dir=tmp_path))


def test_a_checkpoint_that_lacks_the_counters_of_training_alone_is_whole(tmp_path):
    from safetensors.torch import load_file, save_file

    file = tiny_models.write("dfine", tmp_path) / "model.safetensors"
    tensors = load_file(file)
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    assert len(kept) < len(tensors)
    save_file(kept, file, metadata={"format": "pt"})
    assert dfine.load(LoadContext(models_dir=tmp_path)).labels


def test_a_pickled_checkpoint_is_never_loaded(tmp_path):
    directory = tiny_models.write("nsfw", tmp_path)
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ModelMissing):
        nsfw.load(LoadContext(models_dir=tmp_path))


def test_a_damaged_checkpoint_is_refused_with_its_path(tmp_path):
    directory = tiny_models.write("nsfw", tmp_path)
    file = directory / "model.safetensors"
    whole = file.read_bytes()
    header = json.dumps({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}).encode()
    strange = len(header).to_bytes(8, "little") + header + b"    "
    for data, told in (
        (b"not tensors", "no header"),
        (b"", "has 0 bytes"),
        (whole[:-1], f"has {len(whole) - 1:,} bytes, its header says {len(whole):,}"),
        (strange, "does not load"),
    ):
        file.write_bytes(data)
        with pytest.raises(ModelMissing, match=told) as refused:
            nsfw.load(LoadContext(models_dir=tmp_path))
        assert str(directory) in str(refused.value)
    file.unlink()
    (directory / "model-00001-of-00002.safetensors").write_bytes(whole)
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(ModelMissing, match=r"model-00002-of-00002\.safetensors missing"):
        nsfw.load(LoadContext(models_dir=tmp_path))


@pytest.mark.parametrize("module", [siglip2, dfine, nsfw])
def test_a_frame_gives_the_same_alone_and_in_a_batch(module, context):
    model = module.load(context)
    items = [*module.items(clip_context())[:3], *module.items(clip_context("square"))[:2]]
    together = module.encode(model, items)
    alone = [module.encode(model, [item])[0] for item in items]
    for a, b in zip(together, alone, strict=True):
        if module is siglip2:
            np.testing.assert_allclose(a.vector, b.vector, atol=1e-5)
        elif module is nsfw:
            np.testing.assert_allclose(a.values, b.values, atol=1e-5)
        else:
            assert [d.label for d in a.found] == [d.label for d in b.found]


def test_embeddings_have_length_one_and_see_every_taxonomy(context):
    model = siglip2.load(context)
    clip = clip_context()
    features = siglip2.collect(clip, siglip2.encode(model, siglip2.items(clip)))
    np.testing.assert_allclose(np.linalg.norm(features.vectors, axis=1), 1.0, atol=1e-5)
    assert {"scenes", "activities", "content_categories", "moderation", "aesthetics"} <= features.taxonomies.keys()
    for cosines in features.taxonomies.values():
        assert cosines.weight.sum() == pytest.approx(1.0, abs=1e-5)
        assert cosines.cosine.shape == (len(features.pts_s), len(cosines.labels))
        assert np.abs(cosines.cosine).max() <= 1.0 + 1e-5


def test_prompts_are_embedded_once_and_read_from_the_cache_afterwards(context, monkeypatch):
    first = siglip2.load(context)
    monkeypatch.setattr(siglip2, "_embed_texts", lambda _hub, texts: pytest.fail(f"embedded {len(texts)} again"))
    second = siglip2.load(context)
    for a, b in zip(first.prompts, second.prompts, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)


def test_the_users_own_taxonomy_replaces_the_shipped_one(context, tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "scenes.toml").write_text('background = ["x"]\n[[labels]]\nid = "my_studio"\n')
    own = LoadContext(models_dir=context.models_dir, data_dir=tmp_path)
    labels = {p.taxonomy.name: p.taxonomy.labels for p in siglip2.load(own).prompts}
    assert [label.id for label in labels["scenes"]] == ["my_studio"]
    assert len(labels["activities"]) > 100


def test_boxes_are_computed_in_float32_on_a_gpu_too(context):
    on_a_gpu = LoadContext(models_dir=context.models_dir, device="meta")  # no GPU, but not the CPU either
    assert str(dfine.load(on_a_gpu).hub.dtype) == "torch.float32"
    assert str(nsfw.load(on_a_gpu).hub.dtype) == "torch.bfloat16"


def test_texts_are_filled_up_at_their_end_whatever_side_the_tokenizer_prefers(context):
    hub = _hub.load(siglip2.WEIGHTS, context, "SiglipModel")
    right, left = _hub.tokenizer(hub), _hub.tokenizer(hub)
    right.padding_side, left.padding_side = "right", "left"
    texts = ["w20 w21", "w30 w31 w32"]
    vectors = [_siglip_text.embed(hub, tokenizer, texts) for tokenizer in (right, left)]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_boxes_decode_exactly_and_stay_inside_the_picture():
    scores = np.array([0.9, 0.2, 0.7])
    boxes = np.array([[0.5, 0.5, 0.2, 0.4], [0.5, 0.5, 1, 1], [0.0, 1.0, 0.4, 0.4]])
    found = dfine.decode({0: "person", 1: "gun"}, scores, np.array([0, 1, 1]), boxes)
    assert [d.label for d in found] == ["person", "gun"]
    assert found[0].box == pytest.approx((0.4, 0.3, 0.2, 0.4))
    assert found[1].box == pytest.approx((0.0, 0.8, 0.2, 0.2))


def test_a_crop_is_cut_as_by_the_models_own_processor(context):
    import torch
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    model = vitpose.load(context)
    coarse = np.random.default_rng(1).uniform(0, 1, (1, 3, 10, 6))
    rgb = torch.nn.functional.interpolate(torch.from_numpy(coarse).float(), size=(200, 120), mode="bilinear")
    processor = VitPoseImageProcessorPil(
        size={"height": model.height_px, "width": model.width_px}, do_rescale=False, do_normalize=False
    )
    for box in ((0.2, 0.15, 0.5, 0.6), (0.0, 0.5, 0.3, 0.5), (0.1, 0.4, 0.9, 0.2)):
        pixels = [[box[0] * 120, box[1] * 200, box[2] * 120, box[3] * 200]]
        theirs = processor(rgb[0].permute(1, 2, 0).numpy(), boxes=[pixels], return_tensors="np")["pixel_values"][0]
        place = vitpose.window(box, (120, 200), model.width_px / model.height_px)
        ours = vitpose._cut(rgb, place, model)[0].numpy()
        inside = (theirs > 0.05).all(axis=0) & (ours > 0.05).all(axis=0)  # the edge of black is a matter of taste
        assert inside.mean() > 0.3
        assert np.abs(ours - theirs)[:, inside].max() < 0.01


def test_keypoints_are_where_the_models_own_processor_finds_them():
    import torch
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil
    from transformers.models.vitpose.modeling_vitpose import VitPoseEstimatorOutput

    box, size, random = (0.25, 0.2, 0.4, 0.5), (400, 800), np.random.default_rng(0)
    y, x = np.mgrid[:64, :48]
    tops = np.stack([random.uniform(1, 46, 17), random.uniform(1, 62, 17)], axis=1)
    heat = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b in tops]).astype(np.float32)
    pixels = [[box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]]]
    outputs = VitPoseEstimatorOutput(heatmaps=torch.from_numpy(heat[None]))
    theirs = VitPoseImageProcessorPil().post_process_pose_estimation(outputs, boxes=[pixels])[0][0]
    points = vitpose.peaks(heat, vitpose.window(box, size, 192 / 256), size)
    np.testing.assert_allclose(points[:, :2] * size - 0.5, theirs["keypoints"].numpy(), atol=0.05)
    np.testing.assert_allclose(points[:, 2], theirs["scores"].numpy(), atol=1e-5)


def test_a_map_without_a_peak_gives_points_inside_the_crop():
    place = vitpose.window((0.25, 0.25, 0.5, 0.5), (400, 800), 192 / 256)
    maps = np.stack([np.zeros((64, 48)), -np.ones((64, 48)), np.random.default_rng(2).normal(0, 1, (64, 48))])
    points = vitpose.peaks(maps.astype(np.float32), place, (400, 800))
    assert np.isfinite(points).all()
    assert points[:2, 2].tolist() == [0.0, 0.0]
    cell = place[2] / 47 / 400
    assert (points[:, 0] >= place[0] / 400 - 2 * cell).all()
    assert (points[:, 0] <= (place[0] + place[2]) / 400 + 2 * cell).all()


def test_poses_come_from_person_boxes_alone(context):
    found = (
        FrameDetections(
            pts_s=0.0,
            found=(
                Detection(label="person", score=0.9, box=(0.1, 0.1, 0.5, 0.8)),
                Detection(label="cup", score=0.9, box=(0.0, 0.0, 0.1, 0.1)),
            ),
        ),
    )
    clip = clip_context(dfine=found)
    model = vitpose.load(context)
    crops = vitpose.items(clip)
    assert len(crops) == 1
    poses = vitpose.encode(model, [crops[0], crops[0]])
    np.testing.assert_allclose(poses[0].points, poses[1].points, atol=1e-5)
    assert poses[0].points.shape == (17, 3)
    assert ((poses[0].points[:, 2] >= 0) & (poses[0].points[:, 2] <= 1)).all()


def test_without_weights_every_picture_analyzer_says_which_model_to_pull():
    clip, arrays = odd_clips()["square"]
    names = ("scene_recognition", "activity_recognition", "object_detection", "visual_moderation", "people_framing")
    found = analyze_arrays(clip, arrays, names)
    for name in names:
        envelope = found[name]
        assert (envelope.status, envelope.reason) == ("skipped", "model_missing"), name
        assert "tiktokctl models pull" in (envelope.message or ""), name


def test_with_weights_every_picture_analyzer_answers_deterministically(context):
    clip, arrays = odd_clips()["square"]
    names = ("scene_recognition", "activity_recognition", "object_detection", "visual_moderation", "people_framing")
    seen = Context(facts=clip.facts, arrays=arrays)

    def run():
        runner = Runner(context)
        parts = [runner.level1(names, group, seen, lambda _name: None) for group in ("gpu", "cpu")]
        outputs, signals = parts[0].outputs | parts[1].outputs, parts[0].signals | parts[1].signals
        later = Context(facts=clip.facts, outputs=outputs, signals=signals)
        return outputs | runner.level2(names, later, lambda _name: None).outputs

    runs = [run() for _ in range(2)]
    assert runs[0]["activity_recognition"].models[0].id == "google/siglip2-base-patch16-224"
    for name in names:
        first, second = (outputs[name].model_copy(update={"wall_ms": 0.0}) for outputs in runs)
        assert first.status in ("ok", "partial", "skipped"), first.message
        assert first == second


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    models = tmp_path_factory.mktemp("captioner")
    tiny_models.write("captioner", models)
    return captioner.load(LoadContext(models_dir=models, threads=1))


def test_a_video_is_described_the_same_alone_and_in_a_batch(writer):
    items = [*captioner.items(clip_context()), *captioner.items(clip_context("square"))]
    together = captioner.encode(writer, items)
    assert [captioner.encode(writer, [item])[0] for item in items] == together
    assert all(written.raw for written in together)


def test_the_prompt_has_room_for_every_picture_and_nothing_of_the_post(writer):
    (video,) = captioner.items(clip_context())
    seen = writer.chat.look(writer.hub.model.config, video.frames, "cpu")
    ids = captioner.prompt_ids(writer, [seen.tokens] * 3)
    assert ids.count(writer.hub.model.config.image_token_id) == 3 * seen.tokens


def test_the_text_tower_alone_gives_the_vectors_of_the_whole_model(context):
    whole = siglip2.load(context)
    tower = siglip2_text.load(context)
    assert tower.space == whole.space
    assert not hasattr(tower.hub.model, "vision_model")
    texts = ["w20 w21 w22", "w30", " ".join(f"w{i}" for i in range(10, 140))]
    together = siglip2_text.encode(tower, texts)
    hub = _hub.load(siglip2.WEIGHTS, context, "SiglipModel")
    np.testing.assert_allclose(np.stack([t.vector for t in together]), siglip2._embed_texts(hub, texts), atol=1e-5)
    for text, one in zip(texts, together, strict=True):
        np.testing.assert_allclose(siglip2_text.encode(tower, [text])[0].vector, one.vector, atol=1e-5)
        assert len(one.others) >= 80
