"""One sentence, a title and tags for a video, by a small vision-language model that sees eight frames.

It sees pictures alone: no caption, no transcript, no read text goes into its prompt, so that a post cannot talk to it;
what stands in the picture can still mislead it, and its answer is stored as data and never acted on. Greedy decoding:
the same frames give the same words.

Bad at: reading, counting, names, anything that only sound tells; it invents plausible things.
Source: Marafioti et al. 2025, "SmolVLM", arXiv 2504.05299; HuggingFaceTB/SmolVLM2-500M-Video-Instruct, Apache-2.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiktokd.encoders import _hub, _pixels
from tiktokd.model import ModelUsed
from tiktokd.pictures import WrittenCaption
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

WEIGHTS = Weights(
    hub_id="HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
    revision="7b375e1b73b11138ff12fe22c8f2822d8fe03467",
    licence="Apache-2.0",
    size_mib=1936,
)
FRAMES = 8
TOKENS_MAX = 120
PROMPT = (
    "These are frames of one short video in order. Answer with one JSON object and nothing else: "
    '{"caption": "one sentence that says what happens", "title": "at most eight words", '
    '"tags": ["at most five", "single words"]}'
)
IMAGE, AROUND, GLOBAL = "<image>", "<fake_token_around_image>", "<global-img>"
"""Tokens of SmolVLM's processor around a picture that is not cut into tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioner:
    """The model and what surrounds its pictures."""

    hub: _hub.HubModel
    tokenizer: Any
    size_px: int
    tokens_per_image: int

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the words."""
        return self.hub.used


def load(context: LoadContext) -> Captioner:
    """Return the model."""
    hub = _hub.load(WEIGHTS, context, "SmolVLMForConditionalGeneration")
    vision = hub.model.config.vision_config
    side = vision.image_size // vision.patch_size // hub.model.config.scale_factor
    return Captioner(hub=hub, tokenizer=_hub.tokenizer(hub), size_px=vision.image_size, tokens_per_image=side * side)


def items(context: Context) -> Sequence[tuple[Array, ...]]:
    """Return one item: up to eight frames, spread evenly."""
    frames, _pts = _pixels.seen(context, FRAMES)
    return [tuple(frames)] if len(frames) else []


def encode(model: Captioner, batch: Sequence[tuple[Array, ...]]) -> Sequence[WrittenCaption]:
    """Return the words for each video, one after another: prompts differ in length, and padding changes the text."""
    return [_write(model, frames) for frames in batch]


def prompt_ids(model: Captioner, images: int) -> list[int]:
    """Return the prompt's token ids with room for the pictures, in SmolVLM's chat format."""

    def ids(text: str) -> list[int]:
        return [int(i) for i in model.tokenizer(text, add_special_tokens=False)["input_ids"]]

    image = [int(model.hub.model.config.image_token_id)] * model.tokens_per_image
    found = ids("<|im_start|>User:")
    for _number in range(images):
        found += ids(f"{AROUND}{GLOBAL}") + image + ids(AROUND)
    return found + ids(f"{PROMPT}<end_of_utterance>\nAssistant:")


def _write(model: Captioner, frames: tuple[Array, ...]) -> WrittenCaption:
    import torch

    with torch.inference_mode():
        pixels = (_pixels.squares(frames, model.size_px, model.hub.device) - 0.5) / 0.5
        ids = torch.tensor([prompt_ids(model, len(frames))], device=model.hub.device)
        out = model.hub.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels[None].to(model.hub.dtype),
            do_sample=False,
            num_beams=1,
            max_new_tokens=TOKENS_MAX,
            pad_token_id=model.tokenizer.pad_token_id,
        )
    written = out[0, ids.shape[1] :] if out.shape[1] > ids.shape[1] else out[0]
    return WrittenCaption(raw=str(model.tokenizer.decode(written, skip_special_tokens=True)).strip(), prompt=PROMPT)


ENCODER = Encoder(
    name="captioner",
    title="What a small vision-language model writes about eight frames",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_pixels.BLANK,
    encode=encode,
    weights=WEIGHTS,
    max_batch=4,
    gflop_per_item=2231.7,
)
