"""Words that are said or shown and that nothing transcribed or read: why a result has none of them. Pure."""

from tiktokd.model import Reason
from tiktokd.plugins import Context


def untranscribed(context: Context) -> tuple[Reason, str | None] | None:
    """Return why words that are said are not known, as `speech_transcription` tells it; `None`: none are missed."""
    heard = context.outputs.get("speech_transcription")
    if heard is None or heard.reason not in ("model_missing", "cpu_fallback"):
        return None
    return heard.reason, heard.message


def no_words(context: Context, said: str) -> tuple[Reason, str]:
    """Return why a video has nothing to read, and `said` for people; of a voice that nothing transcribes, that."""
    why = untranscribed(context)
    return (why[0], f"{said}; somebody speaks: {why[1]}") if why else ("no_sources", said)


def missed(context: Context, from_s: float) -> Reason | None:
    """Return why words that are said from a second on, or shown at all, may be missed; `None`: all are known."""
    return missed_speech(context, from_s) or missed_writing(context)


def missed_speech(context: Context, from_s: float) -> Reason | None:
    """Return why words that are said from a second on may be missed; `None`: all are known."""
    if not context.facts.has_audio:
        return None
    heard, voice = context.outputs.get("speech_transcription"), context.outputs.get("vocal_delivery")
    if heard is None or heard.status == "error":
        return "no_sources"
    if heard.status == "ok" or heard.reason in ("no_speech", "no_audio", "too_short"):
        return None
    if heard.status == "skipped" and voice is not None and voice.reason != "truncated" and voice.segments:
        spoken_until_s = max(float(str(segment["end_s"])) for segment in voice.segments)
        return heard.reason if spoken_until_s > from_s else None
    return heard.reason


def missed_writing(context: Context) -> Reason | None:
    """Return why words that are shown may be missed; `None`: all are known."""
    if not context.facts.has_video:
        return None
    shown = context.outputs.get("on_screen_text")
    if shown is None or shown.status == "error":
        return "no_sources"
    return None if shown.reason == "no_text" else shown.reason
