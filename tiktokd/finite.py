"""Results as JSON, in which there is no NaN, nothing infinite and no stretch of time outside the video. Pure."""

import math

from pydantic import JsonValue

from tiktokd.plugins import Result


def as_json(result: Result, duration_s: float) -> tuple[dict[str, JsonValue], list[dict[str, JsonValue]]]:
    """Return summary and segments of a result; raises `ValueError` with the place of a number that JSON has not.

    Stretches of time are cut to the video's `duration_s`: a codec pads its sound by up to 50 ms, and a detector its
    last window.
    """
    summary = result.output.model_dump(mode="json") if result.output is not None else {}
    segments: list[dict[str, JsonValue]] = [segment.model_dump(mode="json") for segment in result.segments]
    refuse_non_finite(summary, "summary")
    refuse_non_finite(segments, "segments")
    _cut(summary, duration_s)
    _cut(segments, duration_s)
    return summary, segments


def _cut(value: JsonValue | list[dict[str, JsonValue]], duration_s: float) -> None:
    """Move every `start_s` and `end_s` in it into 0..duration_s."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _cut(inner, duration_s)
    if isinstance(value, dict):
        for name in ("start_s", "end_s"):
            at_s = value.get(name)
            if isinstance(at_s, float):
                value[name] = min(max(at_s, 0.0), duration_s)


def refuse_non_finite(value: object, path: str) -> None:
    """Raise where a number is NaN or infinite: JSON has none, and a reader would take null for "not known"."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} is {value}")
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_non_finite(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            refuse_non_finite(inner, f"{path}[{number}]")
