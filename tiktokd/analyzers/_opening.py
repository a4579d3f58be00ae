"""Why parts of an opening are not known. Pure: reads results and signals."""

from collections.abc import Mapping

from tiktokd.analyzers._unheard import missed_speech, missed_writing
from tiktokd.plugins import Context
from tiktokd.texts import OPENING_S


def unknown(context: Context, found: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of `found` that are null for want of knowledge, each with its reason.

    No text, and nothing said or shown in the opening, are answers where all of it was read and transcribed.
    """
    speech_s = found["first_speech_s"]
    # Of a voice that nothing transcribed, what it says in the opening is missed only where it speaks there.
    early = speech_s is None or (isinstance(speech_s, float) and speech_s < OPENING_S)
    why = {
        "hook_text": (missed_speech(context, 0.0) if early else None) or missed_writing(context),
        "first_speech_s": _told_by(context, "vocal_delivery", "no_audio") or "no_speech",
        "first_text_s": missed_writing(context),
        "cuts_0_3": _told_by(context, "shot_boundaries", "no_video") or "low_quality",
        "motion_ratio": _motion(context),
        "loudness_jump_lu": _told_by(context, "loudness", "no_audio") or "too_short",
        "person_facing": _facing(context),
        "first_frame_novelty": _novelty(context),
        "hook_index": "no_sources",
    }
    return {name: reason for name, reason in why.items() if reason is not None and found[name] is None}


def _told_by(context: Context, analyzer: str, without: str) -> str | None:
    """Return the reason of a result; `None`: it is there and has none."""
    if not (context.facts.has_audio if without == "no_audio" else context.facts.has_video):
        return without
    envelope = context.outputs.get(analyzer)
    return "no_sources" if envelope is None or envelope.status == "error" else envelope.reason


def _lack(context: Context, encoder: str) -> str | None:
    if not context.facts.has_video:
        return "no_video"
    lack = context.lack(encoder)
    return lack[0] if lack else None


def _motion(context: Context) -> str:
    if lack := _lack(context, "flow"):
        return lack
    speeds: list[float | None] = context.signals["flow"].get("speed_per_s", [])
    first, rest = ([v for v in part if v is not None] for part in (speeds[: int(OPENING_S)], speeds[int(OPENING_S) :]))
    if not first:
        return "low_quality"
    return "no_motion" if len(rest) > 1 else "too_short"


def _facing(context: Context) -> str:
    return _lack(context, "dfine") or _lack(context, "vitpose") or "low_quality"


def _novelty(context: Context) -> str:
    if lack := _lack(context, "siglip2"):
        return lack
    return "no_motion" if context.signals["siglip2"].get("ends") else "too_short"
