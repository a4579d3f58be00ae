"""Pictures as the vision towers of captioners take them, against transformers' own processor."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from tests import tiny_models
from tests.contexts import odd_clips
from tiktokd.decode import LONGEST_RATIO, SMALLEST_PX
from tiktokd.encoders import _pixels, _vision_chats, captioner
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

OWN = Qwen2VLImageProcessorPil(
    patch_size=16,
    merge_size=2,
    temporal_patch_size=2,
    image_mean=[0.5] * 3,
    image_std=[0.5] * 3,
    size={"shortest_edge": _vision_chats.PIXELS_MIN, "longest_edge": _vision_chats.PIXELS_MAX},
)
MINE = {captioner.WEIGHTS.hub_id: "Qwen/Qwen3-VL-2B-Instruct"}


def smooth(height, width):
    """Return planes (H*3/2, W) of a picture that two ways of resizing agree on."""
    y, x = np.mgrid[0:height, 0:width]
    luma = 126 + 90 * np.sin(x / 37.0) * np.cos(y / 23.0)
    chroma = 128 + 40 * np.sin(np.mgrid[0 : height // 2, 0:width][1] / 31.0)
    return np.concatenate([luma, chroma]).clip(16, 235).astype(np.uint8)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    models = tmp_path_factory.mktemp("qwen")
    tiny_models.write_qwen3_vl(models / "Qwen--Qwen3-VL-2B-Instruct")
    return LoadContext(models_dir=models, models=MINE, threads=1)


@pytest.mark.parametrize("size", [(1024, 576), (576, 1024), (180, 320), (64, 64), (500, 444)])
def test_pictures_are_those_of_the_models_own_processor(qwen, size):
    model = captioner.load(qwen)
    frames = [smooth(*size), smooth(*size)[::-1].copy()]
    seen = model.chat.look(model.hub.model.config, frames, "cpu")
    rgb = _pixels.to_rgb(frames, "cpu").permute(0, 2, 3, 1).numpy()
    pictures = [Image.fromarray((picture * 255).round().astype(np.uint8)) for picture in rgb]
    own = OWN(images=pictures, return_tensors="pt")
    assert seen.inputs["image_grid_thw"].tolist() == own["image_grid_thw"].tolist()
    assert seen.inputs["pixel_values"].shape == own["pixel_values"].shape
    assert float((seen.inputs["pixel_values"] - own["pixel_values"]).abs().mean()) < 0.01
    assert seen.tokens * 2 * 4 == len(own["pixel_values"])


def test_patches_lie_exactly_as_in_the_models_own_processor():
    rgb = np.random.default_rng(1).random((2, 3, 96, 64)).astype(np.float32)
    own = np.concatenate([OWN.patchify(picture, 16, 2, 2)[0] for picture in rgb])
    np.testing.assert_array_equal(_vision_chats.patches(torch.from_numpy(rgb), 16, 2, 2).numpy(), own)


@given(st.integers(SMALLEST_PX, 4000), st.integers(SMALLEST_PX, 4000))
def test_every_size_becomes_one_that_the_models_own_processor_would_choose(height, width):
    found = _vision_chats.fitting(height, width, 32)
    limits = {"min_pixels": _vision_chats.PIXELS_MIN, "max_pixels": _vision_chats.PIXELS_MAX}
    assert all(side >= 32 and side % 32 == 0 for side in found)
    if max(height, width) <= LONGEST_RATIO * min(height, width):
        assert found == smart_resize(height, width, factor=32, **limits)


def test_a_user_may_put_qwen3_vl_in_the_captioners_place(qwen):
    made, arrays = odd_clips()["moving_noise"]
    video = Context(facts=made.facts, arrays=arrays)
    found = Runner(qwen).level1(("video_caption",), "gpu", video, lambda _name: None).outputs["video_caption"]
    assert found.status in ("ok", "partial"), found.message
    assert found.models[-1].id == "Qwen/Qwen3-VL-2B-Instruct"
    model = captioner.load(qwen)
    items = captioner.items(video)
    assert captioner.encode(model, items) == captioner.encode(model, items)


def test_what_is_seen_changes_what_is_written(qwen):
    model = captioner.load(qwen)
    frames = [smooth(128, 96), smooth(128, 96)[:, ::-1].copy()]
    states = []
    with torch.inference_mode():
        for order in (frames, frames[::-1]):
            seen = model.chat.look(model.hub.model.config, order, "cpu")
            ids = torch.tensor([captioner.prompt_ids(model, [seen.tokens] * 2)])
            kinds = (ids == 511).int()
            states.append(model.hub.model(input_ids=ids, mm_token_type_ids=kinds, **seen.inputs).logits[0, -1])
    assert not torch.allclose(*states)


def test_another_family_is_refused_by_name(tmp_path):
    tiny_models.write("siglip2", tmp_path)
    (tmp_path / "google--siglip2-base-patch16-224").rename(tmp_path / "Qwen--Qwen3-VL-2B-Instruct")
    with pytest.raises(ModelMissing, match="of kind siglip; here one of kind smolvlm or qwen3_vl can run"):
        captioner.load(LoadContext(models_dir=tmp_path, models=MINE))
