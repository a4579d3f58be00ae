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
    ("language", (("language_identification", "by_source"), ("vocal_delivery", "speech_ratio"))),
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
LABELLED = {"views_per_day": "views {}", "engagement_rate": "reactions {} of the views"}
"""Numbers that say nothing without a word."""
ENTRIES = 3
TEMPO_SURE = 0.3
"""`music_analysis` asks not to lean on a tempo of less confidence."""
MANNERS = {"caption": "written", "ocr": "written", "speech": "spoken"}
"""Source of words → how their language is used; hashtags are English everywhere and tell nothing."""


def highlights(analysis: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a question's word and its answer, harmless, for everything that is known."""
    for word, places in FIELDS:
        values = [_value(analysis.get(analyzer), field) for analyzer, field in places]
        if word == "language":
            answers = _languages(*values)
        else:
            fields = (field for _, field in places)
            answers = [text for value, field in zip(values, fields, strict=True) if (text := _answer(value, field))]
        if answers:
            yield word, " · ".join(answers) + (" or more, judged by faces" if _by_faces(word, analysis) else "")


def reviews(analysis: Mapping[str, Any]) -> list[str]:
    """Return the analyses that ask for a person's eyes."""
    return [name for name, envelope in sorted(analysis.items()) if envelope["summary"].get("needs_review") is True]


def _value(envelope: Mapping[str, Any] | None, field: str) -> Any:
    if envelope is None:
        return None
    summary = envelope["summary"]
    doubtful = field == "tempo_bpm" and (summary.get("tempo_confidence") or 0.0) < TEMPO_SURE
    return None if doubtful else summary.get(field)


def _by_faces(word: str, analysis: Mapping[str, Any]) -> bool:
    """Return whether a number is of frontal faces alone, as without a person detector."""
    return word == "people" and analysis.get("people_framing", {}).get("tier") == "lite"


def _languages(by_source: Any, speech_ratio: Any) -> list[str]:
    """Return `written en`, `spoken zh` ...: a caption in one language says nothing of a voice in another."""
    found = by_source if isinstance(by_source, dict) else {}
    told: dict[str, list[str]] = {}
    for source, one in found.items():
        if source in MANNERS and isinstance(one, dict) and isinstance(one.get("lang"), str):
            codes = told.setdefault(MANNERS[source], [])
            if one["lang"] not in codes:
                codes.append(one["lang"])
    answers = [f"{manner} {said('language', ', '.join(codes))}" for manner, codes in told.items()]
    if answers and speech_ratio and "spoken" not in told:
        answers.append("spoken not known")
    return answers


def _answer(value: Any, field: str) -> str:
    if value is None or value in ("", [], {}):
        return ""
    if found := entries(value):
        more = f" and {len(found) - ENTRIES} more" if len(found) > ENTRIES else ""
        return ", ".join(str(each) for each in found[:ENTRIES]) + more
    return LABELLED.get(field, "{}").format(said(field, value))
