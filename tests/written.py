"""Contexts for analyzers of words, made without a picture: a caption, lines in the picture, spoken sentences."""

from collections.abc import Sequence

from tests.contexts import facts
from tiktokd import graph
from tiktokd.model import Envelope, Metadata
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

Timed = tuple[str, float, float]
"""Text, start and end in seconds."""

CATALOGUE = graph.load()
RUNNER = Runner(LoadContext(), CATALOGUE)


def shown(lines: Sequence[Timed]) -> Envelope:
    """Return what `on_screen_text` would give for lines in the picture."""
    fields = [
        {
            "text": text,
            "start_s": start,
            "end_s": end,
            "box": [0.1, 0.4, 0.8, 0.05],
            "score": 0.98,
            "role": "caption",
            "height_ratio": 0.05,
        }
        for text, start, end in lines
    ]
    summary = {
        "text_all": "\n".join(text for text, _, _ in lines),
        "lines": fields,
        "text_time_ratio": 0.5,
        "chars": sum(len(text) for text, _, _ in lines),
        "reading_speed_cps": 10.0,
        "safe_zone_violation_ratio": 0.0,
    }
    return Envelope(
        analyzer="on_screen_text", version="1", status="ok" if lines else "skipped", tier="full", summary=summary
    )


def spoken(sentences: Sequence[Timed], language: str = "en") -> Envelope:
    """Return what `speech_transcription` would give."""
    return Envelope(
        analyzer="speech_transcription",
        version="1",
        status="ok",
        tier="full",
        summary={"text": " ".join(text for text, _, _ in sentences), "language": language, "language_prob": 0.98},
        segments=[{"start_s": start, "end_s": end, "text": text} for text, start, end in sentences],
    )


def context_of(
    caption: str | None = None,
    *,
    ocr: Sequence[Timed] = (),
    speech: Sequence[Timed] = (),
    language: str = "en",
    duration_s: float = 20.0,
    outputs: Sequence[Envelope] = (),
    **metadata: object,
) -> Context:
    """Return a level-2 context."""
    found = {envelope.analyzer: envelope for envelope in outputs}
    if ocr:
        found["on_screen_text"] = shown(ocr)
    if speech:
        found["speech_transcription"] = spoken(speech, language)
    return Context(
        facts=facts(duration_s=duration_s, frames=int(duration_s * 30), audio=True),
        metadata=Metadata.model_validate({"description": caption, "fetched_at_s": 1.0, **metadata}),
        outputs=found,
    )


def analyze(name: str, context: Context) -> Envelope:
    """Return the envelope of one analyzer of words, and nothing else run."""
    return RUNNER.level2([name], context, lambda _name: None).outputs[name]
