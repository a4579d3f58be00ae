"""One sentence that says what happens, a title and tags, as a vision-language model writes them.

Not a fact but a description by a model: use it for search and for a quick look, never as evidence. It sees eight frames
and, where somebody speaks, is given the transcript as quoted material; without Whisper's weights (tier lite) it is not.
The text in the picture is given in the same way where it is read on the GPU (onnxruntime-gpu); else another worker
reads it, and the model knows of it what it can read itself. The post's caption is never given.

Bad at reading, counting, names and sounds that are no words; it invents plausible things, and text in the picture or
words said can mislead it. What it writes is stored and never acted on.
Source: SmolVLM2 (arXiv 2504.05299), or Qwen3-VL (arXiv 2511.21631) where analysis.models names it, both Apache-2.0; the
prompt is in encoders/captioner.py.
"""

import hashlib
import json
import re
from typing import Any

from tiktokd.model import Output
from tiktokd.pictures import WrittenCaption
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

CAPTION_MAX, TITLE_MAX, TAG_MAX, TAGS_MAX = 300, 80, 30, 5
"""Characters, and tags; a model that loops does not fill the database."""


class VideoCaption(Output):
    """A model's description."""

    caption: str
    """One sentence, at most 300 characters."""
    title: str | None
    """At most 80 characters; `None` where the model gave none."""
    tags: list[str]
    """At most five, lower case."""
    prompt_hash: str
    """First 16 hex digits of the sha256 of the fixed text of the prompt, which is another one where a transcript or
    text in the picture was given; neither pictures nor words of the video are in it. Answers of different prompts do
    not compare."""
    transcript_given: bool
    """The model was also given what is said. `False`: no sound, no speech, or no Whisper on this machine."""
    screen_text_given: bool | None
    """The model was also given what the picture says. `False`: no text was found; `None`: text is read by another
    worker (no onnxruntime-gpu), or reading it failed."""
    unknown: dict[str, str]
    """`screen_text_given`, where null → no_sources, or why the text could not be read."""


def analyze(context: Context) -> Result:
    """Return the caption, read from the model's JSON or from its first sentence."""
    written: WrittenCaption = context.features["captioner"]
    fields = answer(written.raw)
    caption = _own(fields.get("caption") if fields else first_sentence(written.raw), CAPTION_MAX, written.prompt)
    if not caption:
        return skipped("low_quality", "the model wrote nothing of its own that can be read")
    tags = fields.get("tags")
    unread = (context.lack("ocr") or ("no_sources", ""))[0]
    output = VideoCaption(
        caption=caption,
        title=_own(fields.get("title"), TITLE_MAX, written.prompt),
        tags=unique_tags([_own(tag, TAG_MAX, written.prompt) for tag in tags]) if isinstance(tags, list) else [],
        prompt_hash=hashlib.sha256(written.prompt.encode()).hexdigest()[:16],
        transcript_given=written.heard,
        screen_text_given=written.shown,
        unknown={} if written.shown is not None else {"screen_text_given": unread},
    )
    if not fields:
        return partial(output, "low_quality", "the model did not answer in JSON; its first sentence was taken")
    return ok(output)


def answer(raw: str) -> dict[str, Any]:
    """Return the first JSON object in what the model wrote, or nothing."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", raw):
        try:
            value, _end = decoder.raw_decode(raw, match.start())
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return {}


def first_sentence(raw: str) -> str:
    """Return the text until the first full stop that ends a word, without JSON's signs."""
    plain = re.sub(r'[{}"\[\]]', " ", raw).removeprefix(" ").strip()
    return re.split(r"(?<=[.!?])\s", plain, maxsplit=1)[0]


def unique_tags(tags: list[Any]) -> list[str]:
    """Return the tags in lower case, each once, in order."""
    clean = (_clean(tag, TAG_MAX) for tag in tags)
    return list(dict.fromkeys(tag.lower().lstrip("#") for tag in clean if tag))[:TAGS_MAX]


def _own(value: object, limit: int, prompt: str) -> str | None:
    """Return a text of the model's own: small models like to give an example of the prompt back as the answer."""
    text = _clean(value, limit)
    return None if text is None or f'"{text.rstrip(".")}"'.lower() in prompt.lower() else text


def _clean(value: object, limit: int) -> str | None:
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    return text[:limit] or None


ANALYZER = Analyzer(
    name="video_caption",
    title="What happens in one sentence, a title and tags, in a model's words",
    group="video",
    output=VideoCaption,
    analyze=analyze,
    uses=("captioner",),
    optional=("whisper",),
    needs=frozenset({"video"}),
    lightweight=False,
    version="5",
)
