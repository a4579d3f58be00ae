"""What a video is about, in a few lines: the fields of analyses that people want to know first. Knows no terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from tiktokd.cli._readable import entries, said

FIELDS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("happens", (("video_caption", "caption"),)),
    ("about", (("content_category", "labels"),)),
    ("place", (("scene_recognition", "place"), ("scene_recognition", "time_of_day"), ("scene_recognition", "weather"))),
    ("done", (("activity_recognition", "labels"),)),
    ("seen", (("object_detection", "objects"),)),
    ("form", (("production_format", "formats"),)),
    ("people", (("people_framing", "people_max"),)),
    ("heard", (("audio_events", "events"),)),
    ("said", (("speech_transcription", "text"),)),
    ("written", (("on_screen_text", "text_all"),)),
    ("language", (("language_identification", "primary"),)),
    ("topics", (("entities_keywords", "keyphrases"),)),
    ("asks for", (("call_to_action", "ctas"), ("call_to_action", "promo_codes"), ("call_to_action", "qr_payloads"))),
    ("music", (("music_analysis", "tempo_bpm"), ("music_analysis", "key"), ("music_analysis", "mode"))),
    ("loudness", (("loudness", "integrated_lufs"),)),
    ("shots", (("shot_boundaries", "shot_count"),)),
    ("mood", (("sentiment_mood", "visual_mood"), ("sentiment_mood", "music_mood"))),
    ("copies", (("near_duplicate_video", "matches"),)),
    ("same sound", (("sound_fingerprint", "matches"),)),
    ("reach", (("virality_features", "views_per_day"), ("virality_features", "engagement_rate"))),
)
"""What people ask → (analyzer, field); what is not there is left out. A test compares the names with the analyzers."""
ENTRIES = 3


def highlights(analysis: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a question's word and its answer, harmless, for everything that is known."""
    for word, places in FIELDS:
        answers = [text for analyzer, field in places if (text := _answer(analysis.get(analyzer), field))]
        if answers:
            yield word, " · ".join(answers)


def reviews(analysis: Mapping[str, Any]) -> list[str]:
    """Return the analyses that ask for a person's eyes."""
    return [name for name, envelope in sorted(analysis.items()) if envelope["summary"].get("needs_review") is True]


def _answer(envelope: Mapping[str, Any] | None, field: str) -> str:
    value = envelope["summary"].get(field) if envelope is not None else None
    if value is None or value in ("", [], {}):
        return ""
    if found := entries(value):
        more = f" and {len(found) - ENTRIES} more" if len(found) > ENTRIES else ""
        return ", ".join(str(each) for each in found[:ENTRIES]) + more
    return said(field, value)
