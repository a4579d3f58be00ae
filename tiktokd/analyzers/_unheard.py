"""Words that are said and that nothing transcribed: why a result has none of them. Pure."""

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
