"""What `pacing` reads of speech: when words begin, and how many syllables there are."""

from tiktokd.analyzers.speech_transcription import SpeechTranscription
from tiktokd.analyzers.vocal_delivery import VocalDeliveryOutput
from tiktokd.plugins import Context
from tiktokd.sound import UNSPACED


def words(context: Context) -> list[float] | None:
    """Return when each word starts; empty where nobody speaks; `None` where that is not known."""
    if (transcript := context.output("speech_transcription", SpeechTranscription)) is not None:
        return None if is_unspaced(context) else [w.start_s for w in transcript.words]
    return [] if _is_speechless(context) else None


def is_unspaced(context: Context) -> bool:
    """Return whether what was said is in a language that is written without spaces."""
    transcript = context.output("speech_transcription", SpeechTranscription)
    return transcript is not None and transcript.language in UNSPACED


def syllables(context: Context) -> float | None:
    """Return syllables per second of the video: the speaker's rate for as long as there is speech."""
    voice = context.output("vocal_delivery", VocalDeliveryOutput)
    if voice is None:
        return 0.0 if _is_speechless(context) else None
    return None if voice.syllables_per_s is None else voice.syllables_per_s * voice.speech_ratio


def _is_speechless(context: Context) -> bool:
    envelopes = (context.outputs.get(name) for name in ("vocal_delivery", "speech_transcription"))
    return any(e is not None and e.reason == "no_speech" for e in envelopes)
