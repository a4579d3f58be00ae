"""How vision-language models are spoken to: the marks of their chats, and pictures as their vision towers take them.

One `Chat` per family that encoder `captioner` can run. Knows no prompt and no video.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiktokd.encoders import _pixels
from tiktokd.plugins import Array

MEAN = STD = 0.5
"""Of each channel, 0..1, in the preprocessors of both families."""
PIXELS_MIN, PIXELS_MAX = 256 * 256, 384 * 384
"""Of one picture for Qwen3-VL: its preprocessor's least, and 144 tokens, half the sides of 576x1024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pictures of one video."""

    tokens: int
    """Places in the prompt that each picture takes."""
    inputs: Mapping[str, Any]
    """What the model gets beside the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One family of models."""

    kind: str
    """transformers' class."""
    opening: str
    """Before the pictures."""
    before: str
    """Before each picture."""
    after: str
    """After each picture."""
    closing: str
    """After the question, up to the model's turn."""
    look: Callable[[Any, Sequence[Array], str], Pictures]
    """The model's config, planes (H*3/2, W) of one size, and the device → the pictures in float32."""
    places: bool = False
    """The model asks which places of the prompt are pictures (`mm_token_type_ids`)."""


def _squares(config: Any, frames: Sequence[Array], device: str) -> Pictures:
    """Return (1, N, 3, S, S): each picture stretched to the square of the vision tower, not cut into tiles."""
    vision = config.vision_config
    side = vision.image_size // vision.patch_size // config.scale_factor
    pixels = (_pixels.squares(frames, vision.image_size, device) - MEAN) / STD
    return Pictures(tokens=side * side, inputs={"pixel_values": pixels[None]})


def _patches(config: Any, frames: Sequence[Array], device: str) -> Pictures:
    """Return (patches, values) of pictures in their own shape, and the patches down and across of each."""
    import torch

    vision = config.vision_config
    merge = vision.spatial_merge_size
    rgb = _pixels.to_rgb(frames, device)
    height, width = fitting(rgb.shape[2], rgb.shape[3], vision.patch_size * merge)
    rgb = torch.nn.functional.interpolate(rgb, size=(height, width), mode="bicubic", antialias=True).clamp_(0.0, 1.0)
    down, across = height // vision.patch_size, width // vision.patch_size
    return Pictures(
        tokens=down * across // merge**2,
        inputs={
            "pixel_values": patches((rgb - MEAN) / STD, vision.patch_size, merge, vision.temporal_patch_size),
            "image_grid_thw": torch.tensor([[1, down, across]] * len(frames), device=device),
        },
    )


def fitting(height: int, width: int, step: int) -> tuple[int, int]:
    """Return the sides in pixels, multiples of `step`, of a picture with between `PIXELS_MIN` and `PIXELS_MAX` pixels.

    Its shape stays as it is to a step; as Qwen's own preprocessor does it (`smart_resize`).
    """
    down, across = (max(step, round(side / step) * step) for side in (height, width))
    if down * across > PIXELS_MAX:
        shrink = math.sqrt(height * width / PIXELS_MAX)
        down, across = (max(step, math.floor(side / shrink / step) * step) for side in (height, width))
    elif down * across < PIXELS_MIN:
        grow = math.sqrt(PIXELS_MIN / (height * width))
        down, across = (math.ceil(side * grow / step) * step for side in (height, width))
    return down, across


def patches(rgb: Any, size: int, merge: int, frames: int) -> Any:
    """Return the patches of pictures, (N * down * across, 3 * frames * size * size), in the order of Qwen's models.

    Args:
        rgb: (N, 3, H, W).
        size: side of a patch in pixels.
        merge: side of the square of patches that become one token; they stand side by side.
        frames: pictures that a patch spans in time; a still picture is its own successor.
    """
    count, channels, height, width = rgb.shape
    down, across = height // (size * merge), width // (size * merge)
    parts = rgb.reshape(count, channels, down, merge, size, across, merge, size).permute(0, 2, 5, 3, 6, 1, 4, 7)
    spans = parts[:, :, :, :, :, :, None].expand(*parts.shape[:6], frames, size, size)
    return spans.reshape(-1, channels * frames * size * size)


CHATS = {
    "smolvlm": Chat(
        kind="SmolVLMForConditionalGeneration",
        opening="<|im_start|>User:",
        before="<fake_token_around_image><global-img>",
        after="<fake_token_around_image>",
        closing="<end_of_utterance>\nAssistant:",
        look=_squares,
    ),
    "qwen3_vl": Chat(
        kind="Qwen3VLForConditionalGeneration",
        opening="<|im_start|>user\n",
        before="<|vision_start|>",
        after="<|vision_end|>",
        closing="<|im_end|>\n<|im_start|>assistant\n",
        look=_patches,
        places=True,
    ),
}
"""`model_type` of a checkpoint → how it is spoken to, after the chat templates of the models named in `captioner`."""
